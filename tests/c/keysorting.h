/* keysorting: records for the tests of the sort of keys, and what a sort makes of them. */
#ifndef UPJOB_TESTS_KEYSORTING_H
#define UPJOB_TESTS_KEYSORTING_H

#include <stdlib.h>
#include <string.h>

#include "core/keysort.h"

/* A number that looks drawn by lot, the same in every run. */
static inline uint64_t scramble(uint64_t n)
{
    n = (n + 0x9e3779b97f4a7c15u) * 0xbf58476d1ce4e5b9u;
    n = (n ^ (n >> 27)) * 0x94d049bb133111ebu;
    return n ^ (n >> 31);
}

/* The row at `line`, one of `keys` keys. */
static inline struct keysort_record record_of(uint64_t line, uint64_t keys)
{
    uint64_t key = scramble(line) % keys;
    return (struct keysort_record){{scramble(key * 2), scramble(key * 2 + 1)}, line, line * 100, scramble(~line)};
}

static inline struct keysort *new_sort(size_t memory)
{
    struct err err;
    struct keysort_options options = {.memory = memory};
    struct keysort *sort = keysort_new(&options, &err);
    assert_non_null(sort);
    return sort;
}

/* Adds no record while steps are left; says how many there were. */
static inline size_t take_steps(struct keysort *sort, size_t work)
{
    struct err err;
    size_t steps = 0;
    for (; keysort_busy(sort); steps++)
        assert_true(keysort_step(sort, work, &err));
    return steps;
}

static inline void add_all(struct keysort *sort, const struct keysort_record *records, size_t count, size_t work)
{
    struct err err;
    for (size_t i = 0; i < count; i++) {
        take_steps(sort, work);
        assert_true(keysort_add(sort, &records[i], &err));
    }
    keysort_end(sort);
    take_steps(sort, work);
}

static inline int compare_records(const void *a, const void *b)
{
    const struct keysort_record *x = a, *y = b;
    int keys = keysort_compare_keys(x, y);
    return keys ? keys : (x->line > y->line) - (x->line < y->line);
}

static inline struct keysort_record *make_records(size_t count, uint64_t keys)
{
    struct keysort_record *records = calloc(count + 1, sizeof *records);
    assert_non_null(records);
    for (size_t i = 0; i < count; i++)
        records[i] = record_of(i + 1, keys);
    return records;
}

#endif
