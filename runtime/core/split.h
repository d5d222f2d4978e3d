/* split: which part of what is sent a row goes to, when the service takes less than all of it at once.
 *
 * A part is a range of the hashes of keys, so that the rows of a key stay in one part, in their order. The hash is under a secret
 * made of a text: with the same text another process makes the same parts. How many bytes the rows of a range come to is
 * counted by buckets, and parts are planned of those; a range that comes out too large is counted by finer ones.
 */
#ifndef UPJOB_CORE_SPLIT_H
#define UPJOB_CORE_SPLIT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/err.h"
#include "core/keyhash.h"

#define SPLIT_BUCKETS 4096
/* Lines of a key that are told of. */
#define SPLIT_LINES   5

/* Of the first half of keyhash_of; both ends belong to it. */
struct split_range {
    uint64_t low, high;
};

void split_secret(struct keyhash *hash, const char *salt);

/* What the rows of a range come to. */
struct split_count {
    struct split_range range;
    uint64_t step; /* hashes of a bucket */
    uint64_t rows, bytes;
    uint64_t bucket_bytes[SPLIT_BUCKETS];
    uint64_t bucket_rows[SPLIT_BUCKETS];
    uint64_t key[2];    /* of the first row, */
    bool several_keys;  /* others have another one */
    uint64_t lines[SPLIT_LINES]; /* of the first rows */
};

struct split_count *split_count_new(const struct split_range *range, struct err *err) MUST_CHECK;
/* A row whose key has this hash, which is in the range. */
void split_count_row(struct split_count *count, const uint64_t key[2], uint64_t line, uint64_t bytes);

/* A part as it is planned. */
struct split_part {
    struct split_range range;
    uint64_t rows, bytes; /* the header's too */
};

/* Where n parts of about the same number of keys begin and end: the number of them, `most` at most. */
size_t split_evenly(size_t n, struct split_part *parts, size_t most);
/* Fills what even parts come to. */
void split_fill(const struct split_count *count, uint64_t header_bytes, struct split_part *parts, size_t part_count);
/* The parts of a range, each below `part_bytes` where the buckets are fine enough: *parts is to be freed. They follow each other
 * and are all of the range; a single one is no more of it than has rows. ERR_INVALID_FILE when a row with the header, or all rows
 * of one key, come to more. */
bool split_plan(const struct split_count *count, uint64_t header_bytes, uint64_t part_bytes, struct split_part **parts,
                size_t *part_count, struct err *err) MUST_CHECK;

#endif
