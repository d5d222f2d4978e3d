#include "core/keysort_first.h"

#include <stdlib.h>

bool keysort_first_init(struct keysort_first *first, size_t most, struct err *err)
{
    *first = (struct keysort_first){.most = most};
    first->entries = calloc(most, sizeof *first->entries);
    return first->entries || err_set(err, ERR_MEMORY, "no memory for the first of the rows with the same key");
}

void keysort_first_free(struct keysort_first *first)
{
    free(first->entries);
    *first = (struct keysort_first){0};
}

static bool above(const struct keysort_first *first, size_t a, size_t b)
{
    return first->entries[a].record.line > first->entries[b].record.line;
}

static void exchange(struct keysort_first *first, size_t a, size_t b)
{
    struct keysort_entry held = first->entries[a];
    first->entries[a] = first->entries[b];
    first->entries[b] = held;
}

static void rise(struct keysort_first *first, size_t at)
{
    for (; at > 0 && above(first, at, (at - 1) / 2); at = (at - 1) / 2)
        exchange(first, at, (at - 1) / 2);
}

static void sink(struct keysort_first *first, size_t at)
{
    for (size_t child; (child = at * 2 + 1) < first->count; at = child) {
        child += child + 1 < first->count && above(first, child + 1, child);
        if (!above(first, child, at))
            return;
        exchange(first, child, at);
    }
}

void keysort_first_add(struct keysort_first *first, const struct keysort_entry *entry)
{
    if (first->count < first->most) {
        first->entries[first->count++] = *entry;
        rise(first, first->count - 1);
    } else if (entry->record.line < first->entries[0].record.line) {
        first->entries[0] = *entry;
        sink(first, 0);
    }
}

static int by_line(const void *a, const void *b)
{
    const struct keysort_entry *x = a, *y = b;
    return (x->record.line > y->record.line) - (x->record.line < y->record.line);
}

void keysort_first_sort(struct keysort_first *first)
{
    qsort(first->entries, first->count, sizeof *first->entries, by_line);
}
