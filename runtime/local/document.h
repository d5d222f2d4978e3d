/* document: how a profile is kept: (target number, value) pairs in the order of the numbers, as varint, varint, bytes.
 * And the search terms that a profile has: key names with values made comparable. */
#ifndef UPJOB_LOCAL_DOCUMENT_H
#define UPJOB_LOCAL_DOCUMENT_H

#include <cjson/cJSON.h>
#include <stdbool.h>
#include <stdint.h>

#include "core/buf.h"
#include "core/csv.h"

/* Walks a document: start with at = 0; false at its end (or where it is damaged). */
struct document_entry {
    int target;
    struct csv_slice value;
};
bool document_next(const struct csv_slice *document, size_t *at, struct document_entry *entry);
bool document_add(struct buf *out, int target, const char *value, size_t len);
/* `newer` over `older`: its values win. */
bool document_merge(const struct csv_slice *older, const struct csv_slice *newer, struct buf *out);

/* Of two documents with one digest, one can be taken for the other. */
int64_t document_digest(const struct csv_slice *document);

/* What a target is to searches. */
enum target_kind {
    TARGET_PLAIN, /* not searched */
    TARGET_ATTRIBUTE,
    TARGET_ACCOUNT,
    TARGET_EMAIL,
    TARGET_PHONE,
    TARGET_FIRST_NAME,
    TARGET_MIDDLE_NAME,
    TARGET_LAST_NAME,
};
enum target_kind target_kind_of(const char *name);

/* Targets by number. */
struct targets {
    char **names; /* NULL where there is none */
    enum target_kind *kinds;
    int count;
};

/* The profile in the API's shape. */
cJSON *document_to_json(const struct csv_slice *document, const struct targets *targets, const unsigned char uid[16]);

/* Each (key, value) by which the profile is found, values as term_normalise makes them. */
typedef void (*term_taker)(void *arg, const char *key, const char *value, size_t len);
void document_terms(const struct csv_slice *document, const struct targets *targets, const unsigned char uid[16],
                    term_taker take, void *arg);
/* The forms in which a searched value is looked for: e-mail in lower case, a phone's digits with and without the
 * country's, a name folded, anything else as it is. */
void term_normalise(const char *key, const char *value, size_t len, term_taker take, void *arg);
/* Of 48 bits. */
uint64_t term_hash(const char *key, const char *value, size_t len);

#endif
