/* keysort: an external sort of the keys of a file's rows, however many they are.
 *
 * Records are added in any order; when the memory is full they are sorted there and written to a nameless file (core/scratch.h)
 * as a run; the runs are merged while they are read back. What fits in memory is never written. Everything that takes
 * time is done in steps of a given size, so that it can be cut in slices on a worker thread; one thread at a time may use a sort.
 *
 * The records come by key, those of a key by line, each with the news whether it is the first and the last of its
 * key: rows with the same key are those that are not both. Nothing is kept of a key's rows, so it may have any number.
 * The order of the file is a second sort: one keysort whose key is {line or first_line, 0}; for the first few,
 * core/keysort_first.h is enough.
 */
#ifndef UPJOB_CORE_KEYSORT_H
#define UPJOB_CORE_KEYSORT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/err.h"
#include "core/keysort_radix.h"

#define KEYSORT_MEMORY ((size_t)32 << 20)
/* A step of as much work takes a few milliseconds. */
#define KEYSORT_STEP ((size_t)1 << 15)

struct keysort_options {
    size_t memory;         /* bytes for records and buffers; 0 means KEYSORT_MEMORY, less than 1 KiB 1 KiB */
    const char *directory; /* for the temporary file, copied; NULL: see scratch_open */
};

struct keysort_entry {
    struct keysort_record record;
    uint64_t first_line; /* of the records with this key */
    bool first, last;    /* of them */
};

/* Of the entries that have come so far. */
struct keysort_counts {
    uint64_t rows;
    uint64_t keys;          /* distinct ones */
    uint64_t repeated_keys; /* that several rows have */
    uint64_t repeated_rows; /* that have one of those */
};

enum keysort_answer { KEYSORT_ENTRY, KEYSORT_END, KEYSORT_MORE, KEYSORT_FAILED };

struct keysort;

/* `options` may be NULL. */
struct keysort *keysort_new(const struct keysort_options *options, struct err *err) MUST_CHECK;
/* When the memory is full the steps are made here, so take them before, while keysort_busy, to stay within a slice. */
bool keysort_add(struct keysort *sort, const struct keysort_record *record, struct err *err) MUST_CHECK;
/* No more records: steps follow, then entries. */
void keysort_end(struct keysort *sort);
/* True when keysort_step is to be called before the next record or entry. */
bool keysort_busy(const struct keysort *sort);
/* Does the work of about as many records. After an error every call fails with it. */
bool keysort_step(struct keysort *sort, size_t work, struct err *err) MUST_CHECK;

/* The next entry, after keysort_end while not keysort_busy: KEYSORT_ENTRY, KEYSORT_END or KEYSORT_FAILED. */
enum keysort_answer keysort_next(struct keysort *sort, struct keysort_entry *entry, struct err *err) MUST_CHECK;
/* The next one whose key several rows have. KEYSORT_MORE after about `*work` others, which is counted down. */
enum keysort_answer keysort_next_repeated(struct keysort *sort, size_t *work, struct keysort_entry *entry,
                                          struct err *err) MUST_CHECK;
const struct keysort_counts *keysort_counts(const struct keysort *sort);
/* To the first entry again: steps may follow. After keysort_end and its steps. */
bool keysort_rewind(struct keysort *sort, struct err *err) MUST_CHECK;
/* NULL is allowed. */
void keysort_free(struct keysort *sort);

#endif
