/* changes: what has changed in one file, or several that are one, since the last ones that were imported.
 *
 * The keys of all rows of all files are sorted (core/keysort.h) and joined with the set of the last import (core/keyset.h). What
 * comes of it: how many keys are new, changed, due, the same and gone, the rows of each file that are to be sent, and the set for
 * the next time.
 *
 * The files are one stream of rows in their order: a key's fingerprint is of all its rows that can be sent, in whatever files; a
 * key none of whose rows can be sent (they are rejected) is held: it keeps the record that it has.
 *
 * Each file is looked through by a check of its own (core/check.h), one after the other; that of the last one makes the join.
 */
#ifndef UPJOB_CORE_CHANGES_H
#define UPJOB_CORE_CHANGES_H

#include "core/keyset.h"
#include "core/rowset.h"

struct changes_options {
    const char *before; /* the set of the last import; NULL: there was none */
    const char *staged; /* where the new set is written, mode 0600; nothing may stand there; NULL: there is to be none */
    int64_t due_before; /* an unchanged key that expires before is sent again */
    bool only_due;      /* and no other, whatever rows it has: those in other files may not be known */
    int64_t expires;    /* when what is sent expires; KEYSET_NO_EXPIRY: never */
    size_t files;       /* how many there are; 0 means 1 */
    const char *directory; /* for temporary files; NULL: see tempfile_open */
};

struct changes_counts {
    uint64_t new, changed, due, same, held, gone; /* keys */
    uint64_t keyless; /* rows without a key that can be read: which keys are gone is not known for certain */
    uint64_t rows; /* to be sent: those of keys that are new, changed or due, and those that have no key */
};

struct changes;

/* The texts are copied. Nothing is opened before the first file. */
struct changes *changes_new(const struct changes_options *options, struct err *err) MUST_CHECK;
/* One more who frees it, on the same thread. Returns it. */
struct changes *changes_hold(struct changes *changes);
/* With the last holder a new set goes that is not finished. NULL is allowed. */
void changes_free(struct changes *changes);
/* A file cannot be read to its end: a new set that is not finished is removed, and no file can follow. */
void changes_give_up(struct changes *changes);

/* ---- a file ---- */

/* The next one begins. `name` is that of the key. With the first one the set before is opened, and the new one made. */
bool changes_begin_file(struct changes *changes, const char *name, struct err *err) MUST_CHECK;
/* Whether the file that was begun is the last one. */
bool changes_is_last(const struct changes *changes);
/* Under which keys and rows are hashed. */
const struct keyhash *changes_hash(const struct changes *changes);
/* A row, by its line in the file and the hash of its values; its key's text is kept for the new set. `sent`: the row can be sent.
 * A row without a key (NULL) is always sent. */
bool changes_row(struct changes *changes, const void *key, size_t len, bool sent, uint64_t line, uint64_t row,
                 struct err *err) MUST_CHECK;
/* Of a row that has no key which can be read, and is not sent. */
void changes_row_without_key(struct changes *changes);
/* After the last row of a file with so many lines. `identity` is kept with the rows that are to be sent. */
bool changes_end_file(struct changes *changes, uint64_t lines, const struct file_identity *identity, struct err *err) MUST_CHECK;

/* ---- after the last file ---- */

/* A key that several rows of the last file have which can be sent. */
struct changes_repeated {
    uint64_t count, first, before_last, last; /* of its rows; lines */
};
/* Sorts and compares, about `*work` rows of it: KEYSORT_ENTRY with a repeated key, KEYSORT_MORE, KEYSORT_END or KEYSORT_FAILED. */
enum keysort_answer changes_join(struct changes *changes, size_t *work, struct changes_repeated *repeated,
                                 struct err *err) MUST_CHECK;
/* At the very end, when nothing can go wrong any more: the new set is one. */
bool changes_finish(struct changes *changes, struct err *err) MUST_CHECK;
/* NULL as long as it is not finished. */
const struct changes_counts *changes_counts(const struct changes *changes);
size_t changes_files(const struct changes *changes);
/* The rows of a file, from 0, that are to be sent, now the caller's; NULL when they were taken, or are not known. */
struct rowset *changes_take_rows(struct changes *changes, size_t file);

#endif
