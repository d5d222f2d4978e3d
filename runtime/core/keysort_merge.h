/* keysort_merge: reads several sorted runs of a scratch file as one.
 *
 * A tree of losers over one buffer per run, all of them in memory that is the caller's. Opening is done in steps, because it
 * reads the first buffer of every run.
 */
#ifndef UPJOB_CORE_KEYSORT_MERGE_H
#define UPJOB_CORE_KEYSORT_MERGE_H

#include "core/keysort_radix.h"
#include "core/scratch.h"

/* Records in a buffer at most, so that one read is short. */
#define MERGE_BUFFER ((size_t)1 << 14)

/* Records of the file. */
struct keysort_run {
    uint64_t begin, count;
};

struct merge_source {
    uint64_t position, left; /* records that are not in the buffer */
    struct keysort_record *buffer;
    size_t at, have;
};

struct merge_node {
    uint64_t key; /* key[0] of the source's next record, which tells most pairs apart; the greatest at its end */
    size_t source;
};

struct keysort_merge {
    const struct scratch *file;
    size_t count, opened;
    size_t buffer_records;
    struct merge_source *sources;
    struct merge_node *nodes; /* 2 * count: [0] wins, [1…] lost there; the leaves are used at the beginning only */
};

/* All zero is a merge that holds nothing. Runs, file and memory (`records` of them, at least one per run) are borrowed: the runs
 * for this call, the others until merge_free. */
bool merge_begin(struct keysort_merge *merge, const struct scratch *file, const struct keysort_run *runs, size_t count,
                 struct keysort_record *memory, size_t records, struct err *err) MUST_CHECK;
/* Reads about `*work` records, at least one buffer. `*more` is false when merge_next can be called. */
bool merge_open_step(struct keysort_merge *merge, size_t *work, bool *more, struct err *err) MUST_CHECK;
/* The next record; `*end` is true, and *out as it was, after the last. */
bool merge_next(struct keysort_merge *merge, struct keysort_record *out, bool *end, struct err *err) MUST_CHECK;
void merge_free(struct keysort_merge *merge);

#endif
