/* redact_values: takes values that are known to be secret out of text, in whatever writing a server sends
 * them back: in any case, percent-encoded once or more, as XML or JSON write single characters.
 */
#ifndef UPJOB_CORE_REDACT_VALUES_H
#define UPJOB_CORE_REDACT_VALUES_H

#include <stdbool.h>
#include <stddef.h>

#include "core/buf.h"

/* A shorter one is left in: it would be found in words that are no secret. */
#define REDACT_VALUE_MIN 8

/* Owned by whoever initialised it, who frees it, which overwrites the values. */
struct redact_values {
    struct buf bytes; /* the values, each with a NUL behind it */
};

void redact_values_init(struct redact_values *values);
void redact_values_free(struct redact_values *values);
/* Copies a value. False when memory is out. */
bool redact_values_add(struct redact_values *values, const char *value, size_t len) MUST_CHECK;
/* The values of the secret parameters of a URL's query, which are percent-encoded there; of a credential also
 * its key id. */
bool redact_values_add_query(struct redact_values *values, const char *query) MUST_CHECK;
/* Puts SECRET_SHOWN in the place of each value, within the text's own memory: it never becomes longer. */
void redact_values_hide(const struct redact_values *values, char *text);

#endif
