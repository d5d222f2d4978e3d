/* credentials_answer: keys in JSON, as programs and servers give them. Private to credentials*.c. */
#ifndef UPJOB_CORE_CREDENTIALS_ANSWER_H
#define UPJOB_CORE_CREDENTIALS_ANSWER_H

#include <cjson/cJSON.h>

#include "core/credentials.h"

#define CREDENTIALS_ANSWER_MAX ((size_t)256 << 10) /* bytes; session tokens pass 4,000 */

/* An object, or NULL with *err telling what it is instead: nothing, HTML, or something else, of which nothing
 * is shown. `from` says who answered: "credential_process of the profile \"acme\"". */
cJSON *credentials_answer_parse(const char *text, size_t len, const char *from, struct err *err) MUST_CHECK;
/* Overwrites its strings, then frees it. NULL is allowed. */
void credentials_answer_free(cJSON *answer);
/* The text of a member; NULL when it is none, or empty. */
const char *credentials_answer_text(const cJSON *answer, const char *name);

/* The names of the members. */
struct credentials_answer_names {
    const char *id, *secret, *token, *expiration;
    bool lasting; /* without token and expiration they are good, too */
};
/* Fills all but `source`. The expiration is ISO 8601, or a number of milliseconds. */
bool credentials_answer_keys(const cJSON *answer, const struct credentials_answer_names *names,
                             const char *from, struct credentials *out, struct err *err) MUST_CHECK;

/* The first line of a text from elsewhere, as it may stand in an error: printable, cut, and without what
 * looks like a key. */
void credentials_quote(const char *text, size_t len, char *out, size_t size);

#endif
