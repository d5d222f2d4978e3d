/* keysort_first: the few entries of a sort that stand first in the file, to be shown in its order. */
#ifndef UPJOB_CORE_KEYSORT_FIRST_H
#define UPJOB_CORE_KEYSORT_FIRST_H

#include "core/keysort.h"

struct keysort_first {
    struct keysort_entry *entries; /* until keysort_first_sort a heap, the last line on top */
    size_t count, most;
};

/* Room for `most` entries, at least one. */
bool keysort_first_init(struct keysort_first *first, size_t most, struct err *err) MUST_CHECK;
void keysort_first_free(struct keysort_first *first);
/* Keeps it when it is among the `most` with the lowest lines so far. */
void keysort_first_add(struct keysort_first *first, const struct keysort_entry *entry);
/* Puts the entries in the order of their lines. Nothing can be added any more. */
void keysort_first_sort(struct keysort_first *first);

#endif
