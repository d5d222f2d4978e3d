#include "core/survey_unique.h"

#include <stdlib.h>
#include <string.h>

#include "core/keysort.h"

#define TABLE_LEAST 64
/* One in so many values may repeat, and so many more, before a column is given up as one that tells rows apart. */
#define REPEATS_SHARE 50
#define REPEATS_MORE  8

struct slot {
    uint64_t key[2];
    long line; /* 0: free */
};

struct unique {
    struct unique_budget *budget;
    struct unique_counts counts;
    struct slot *slots;
    size_t size, used;
    struct keysort *sort;
    bool ended;
};

struct unique *unique_new(struct unique_budget *budget, struct err *err)
{
    struct unique *unique = calloc(1, sizeof *unique);
    if (unique)
        unique->slots = calloc(TABLE_LEAST, sizeof *unique->slots);
    if (!unique || !unique->slots) {
        free(unique);
        err_set(err, ERR_MEMORY, "no memory for finding what is unique");
        return NULL;
    }
    unique->size = TABLE_LEAST;
    unique->budget = budget;
    return unique;
}

static void free_table(struct unique *unique)
{
    free(unique->slots);
    unique->slots = NULL;
    unique->size = unique->used = 0;
}

void unique_free(struct unique *unique)
{
    if (!unique)
        return;
    free_table(unique);
    keysort_free(unique->sort);
    free(unique);
}

const struct unique_counts *unique_counts(const struct unique *unique)
{
    return &unique->counts;
}

static struct slot *find(struct slot *slots, size_t size, const uint64_t key[2])
{
    size_t i = (size_t)key[0] & (size - 1);
    while (slots[i].line && (slots[i].key[0] != key[0] || slots[i].key[1] != key[1]))
        i = (i + 1) & (size - 1);
    return &slots[i];
}

static bool grow(struct unique *unique, struct err *err)
{
    size_t size = unique->size * 2;
    struct slot *slots = calloc(size, sizeof *slots);
    if (!slots)
        return err_set(err, ERR_MEMORY, "no memory for finding what is unique");
    for (size_t i = 0; i < unique->size; i++)
        if (unique->slots[i].line)
            *find(slots, size, unique->slots[i].key) = unique->slots[i];
    free(unique->slots);
    unique->slots = slots;
    unique->size = size;
    return true;
}

static void end_as(struct unique *unique, enum unique_state state)
{
    unique->counts.state = state;
    free_table(unique);
}

static bool add_to_sort(struct unique *unique, const uint64_t key[2], long line, struct err *err)
{
    struct keysort_record record = {.key = {key[0], key[1]}, .line = (uint64_t)line};
    return keysort_add(unique->sort, &record, err);
}

static bool begin_sort(struct unique *unique, struct err *err)
{
    const struct keysort_options options = {.memory = unique->budget->sort_memory,
                                            .directory = unique->budget->directory};
    if (unique->budget->sorts == 0) {
        end_as(unique, UNIQUE_UNMEASURED);
        return true;
    }
    unique->budget->sorts--;
    unique->sort = keysort_new(&options, err);
    if (!unique->sort)
        return false;
    for (size_t i = 0; i < unique->size; i++)
        if (unique->slots[i].line && !add_to_sort(unique, unique->slots[i].key, unique->slots[i].line, err))
            return false;
    free_table(unique);
    return true;
}

static void count_repeat(struct unique *unique, long first, long line)
{
    struct unique_counts *counts = &unique->counts;
    if (counts->repeats == 0 || line < counts->repeats) {
        counts->first = first;
        counts->repeats = line;
    }
}

bool unique_add(struct unique *unique, const uint64_t key[2], long line, struct err *err)
{
    struct unique_counts *counts = &unique->counts;
    if (counts->state != UNIQUE_COUNTING)
        return true;
    counts->values++;
    if (unique->sort)
        return add_to_sort(unique, key, line, err);
    struct slot *slot = find(unique->slots, unique->size, key);
    if (slot->line) {
        counts->repeated++;
        count_repeat(unique, slot->line, line);
        if (counts->repeated > REPEATS_MORE + counts->values / REPEATS_SHARE)
            end_as(unique, UNIQUE_REJECTED);
        return true;
    }
    *slot = (struct slot){{key[0], key[1]}, line};
    unique->used++;
    if (unique->used * 4 < unique->size * 3)
        return true;
    return unique->size < unique->budget->table_limit ? grow(unique, err) : begin_sort(unique, err);
}

bool unique_step(struct unique *unique, bool *more, struct err *err)
{
    struct keysort_entry entry;
    size_t work = KEYSORT_STEP;
    *more = false;
    if (unique->counts.state != UNIQUE_COUNTING)
        return true;
    if (!unique->sort) {
        end_as(unique, UNIQUE_MEASURED);
        return true;
    }
    *more = true;
    if (!unique->ended) {
        keysort_end(unique->sort);
        unique->ended = true;
    }
    if (keysort_busy(unique->sort))
        return keysort_step(unique->sort, KEYSORT_STEP, err);
    for (;;) {
        switch (keysort_next_repeated(unique->sort, &work, &entry, err)) {
        case KEYSORT_FAILED:
            return false;
        case KEYSORT_MORE:
            return true;
        case KEYSORT_ENTRY:
            if (!entry.first)
                count_repeat(unique, (long)entry.first_line, (long)entry.record.line);
            if (work == 0 || --work == 0)
                return true;
            break;
        case KEYSORT_END: {
            const struct keysort_counts *sorted = keysort_counts(unique->sort);
            unique->counts.repeated += sorted->rows - sorted->keys;
            unique->counts.state = UNIQUE_MEASURED;
            keysort_free(unique->sort);
            unique->sort = NULL;
            unique->budget->sorts++;
            *more = false;
            return true;
        }
        }
    }
}
