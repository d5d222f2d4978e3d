/* survey_unique: does a value come twice, over a file of any size, in memory that does not grow with it.
 *
 * Values are told apart by hashes (core/keyhash.h). The first ones are kept in a table; what repeats often among them is given
 * up at once, and what does not goes on into an external sort (core/keysort.h) when the table is full.
 */
#ifndef UPJOB_CORE_SURVEY_UNIQUE_H
#define UPJOB_CORE_SURVEY_UNIQUE_H

#include <stdint.h>

#include "core/err.h"

enum unique_state {
    UNIQUE_COUNTING,
    UNIQUE_REJECTED,   /* it repeats often: nothing more is counted */
    UNIQUE_UNMEASURED, /* there were too many others to sort */
    UNIQUE_MEASURED,   /* by all values */
};

struct unique_counts {
    enum unique_state state;
    uint64_t values;
    uint64_t repeated;      /* values that came before; of those counted */
    long first, repeats;    /* lines of a value and of its repetition; 0: none */
};

/* What several share: table_limit is of slots in each, sorts are how many more may begin one of sort_memory bytes; directory
 * (borrowed) as keysort takes it. */
struct unique_budget {
    size_t table_limit;
    unsigned sorts;
    size_t sort_memory;
    const char *directory;
};

struct unique;

struct unique *unique_new(struct unique_budget *budget, struct err *err) MUST_CHECK;
void unique_free(struct unique *unique); /* NULL is allowed */
bool unique_add(struct unique *unique, const uint64_t key[2], long line, struct err *err) MUST_CHECK;
/* No more values: steps of some milliseconds until *more is false. */
bool unique_step(struct unique *unique, bool *more, struct err *err) MUST_CHECK;
const struct unique_counts *unique_counts(const struct unique *unique);

#endif
