/* keysort_radix: sorts records in memory, in place and in steps.
 *
 * By key, then line: a most-significant-digit radix sort over these 24 bytes. It takes no memory beside its struct, and at
 * worst one look, one count and one move of every record for each byte that tells records apart; what is sorted already costs
 * one look.
 */
#ifndef UPJOB_CORE_KEYSORT_RADIX_H
#define UPJOB_CORE_KEYSORT_RADIX_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define KEYSORT_DIGITS 24

struct keysort_record {
    uint64_t key[2]; /* of core/keyhash.h, or numbers: the sort is by key[0], key[1], line */
    uint64_t line;   /* physical line, from 1 */
    uint64_t offset; /* of the row in the file, in bytes */
    uint64_t row;    /* hash of the row */
};

/* Records that have the same digits before `digit`, sorted up to `at`. */
struct keysort_range {
    size_t at, end;
    unsigned digit;
};

struct keysort_radix {
    struct keysort_record *records;
    enum { RADIX_NEXT, RADIX_LOOK, RADIX_COUNT, RADIX_MOVE } phase;
    struct keysort_range ranges[KEYSORT_DIGITS + 1]; /* each within the one before */
    size_t depth;
    size_t begin, end, at; /* the part of the innermost range that is worked on */
    uint64_t differing[3]; /* bits in which its records differ */
    bool ordered;
    unsigned digit;
    unsigned bucket;
    size_t heads[256], tails[256]; /* of the buckets of `digit`: counts before RADIX_MOVE */
};

/* Below, equal to or above zero, as of numbers: key[0], then key[1]. */
static inline int keysort_compare_keys(const struct keysort_record *a, const struct keysort_record *b)
{
    unsigned word = a->key[0] == b->key[0];
    return (a->key[word] > b->key[word]) - (a->key[word] < b->key[word]);
}
/* By key, then line. */
bool keysort_before(const struct keysort_record *a, const struct keysort_record *b);
void keysort_radix_begin(struct keysort_radix *radix, struct keysort_record *records, size_t count);
/* Touches about `*work` records, and takes from it what it did. False when the records are sorted. */
bool keysort_radix_step(struct keysort_radix *radix, size_t *work);

#endif
