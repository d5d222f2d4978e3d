/* changes: what has changed in a file since the last one that was imported.
 *
 * The keys of all rows are sorted (core/keysort.h) and joined with the set of the last import (core/keyset.h). What comes of it:
 * how many keys are new, changed, due, the same and gone, the rows that are to be sent, and the set for the next time.
 *
 * A key's fingerprint is of all its rows that can be sent, in their order; a key none of whose rows can be sent (they are
 * rejected) is held: it keeps the record that it has.
 */
#ifndef UPJOB_CORE_CHANGES_H
#define UPJOB_CORE_CHANGES_H

#include "core/keyset.h"
#include "core/rowset.h"

struct changes_options {
    const char *before; /* the set of the last import; NULL: there was none */
    const char *staged; /* where the new set is written, mode 0600; nothing may stand there; NULL: there is to be none */
    int64_t due_before; /* an unchanged key that expires before is sent again */
    int64_t expires;    /* when what is sent expires; KEYSET_NO_EXPIRY: never */
    const char *directory; /* for temporary files; NULL: see tempfile_open */
};

struct changes_counts {
    uint64_t new, changed, due, same, held, gone; /* keys */
    uint64_t keyless; /* rows without a key that can be read: which keys are gone is not known for certain */
    uint64_t rows; /* to be sent: those of keys that are new, changed or due, and those that have no key */
};

struct changes;

/* The texts are copied. `name` is that of the key. The set before is opened, and the new one made. */
struct changes *changes_new(const struct changes_options *options, const char *name, struct err *err) MUST_CHECK;
/* Under which keys and rows are hashed. */
const struct keyhash *changes_hash(const struct changes *changes);
/* Makes key and offset of what is added to the sort for a row, whose line and hash are set; its key's text is kept for the new
 * set. `sent`: the row can be sent. A row without a key (NULL) is always sent. */
bool changes_row(struct changes *changes, const void *key, size_t len, bool sent, struct keysort_record *record,
                 struct err *err) MUST_CHECK;
/* Of a row that has no key which can be read, and is not sent. */
void changes_row_without_key(struct changes *changes);
/* After the last row of a file with so many lines. `identity` is kept with the rows that are to be sent. */
bool changes_begin(struct changes *changes, uint64_t lines, const struct file_identity *identity, struct err *err) MUST_CHECK;

/* A key that several rows which can be sent have. */
struct changes_repeated {
    uint64_t count, first, before_last, last; /* of its rows; lines */
};
/* Goes on with the entries of the sort, which has made its steps, about `*work` of them: KEYSORT_ENTRY with a repeated key,
 * KEYSORT_MORE, KEYSORT_END or KEYSORT_FAILED. */
enum keysort_answer changes_join(struct changes *changes, struct keysort *rows, size_t *work, struct changes_repeated *repeated,
                                 struct err *err) MUST_CHECK;
/* At the very end, when nothing can go wrong any more: the new set is one. */
bool changes_finish(struct changes *changes, struct err *err) MUST_CHECK;
const struct changes_counts *changes_counts(const struct changes *changes);
/* The rows that are to be sent, now the caller's. */
struct rowset *changes_take_rows(struct changes *changes);
/* Removes a new set that is not finished. NULL is allowed. */
void changes_free(struct changes *changes);

#endif
