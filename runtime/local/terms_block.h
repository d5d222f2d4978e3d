/* terms_block: pairs of the search index, packed into blocks. Private to terms. */
#ifndef UPJOB_LOCAL_TERMS_BLOCK_H
#define UPJOB_LOCAL_TERMS_BLOCK_H

#include <sqlite3.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/err.h"

/* Of rows with this many bytes one fills a database page of 4,096, or four one of 16,384. */
#define BLOCK_SIZE 4032

struct pair {
    uint64_t hash;
    int64_t id;
};

/* A block: its first pair as it is, then each difference: of the hash, and of the id where the hash is the same, else the
 * id itself; as varints. */
struct block {
    unsigned char bytes[BLOCK_SIZE];
    size_t len;
    struct pair last;
};

/* In the order of a run; as qsort has it. */
int pair_compare(const void *a, const void *b);
/* False when the block is full; it is unchanged then. A pair that is there already is not put again. */
bool block_put(struct block *block, struct pair pair);
/* The block's next pair; start with *at = 0. False at its end. */
bool block_next(const struct block *block, size_t *at, struct pair *pair);
/* Reads block `id` with `get`; an absent one is empty. */
bool block_read(sqlite3_stmt *get, int64_t id, struct block *block, struct err *err) MUST_CHECK;

#endif
