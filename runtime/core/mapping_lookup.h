/* mapping_lookup: values that stand for others. */
#ifndef UPJOB_CORE_MAPPING_LOOKUP_H
#define UPJOB_CORE_MAPPING_LOOKUP_H

#include "core/mapping.h"

struct lookup;

/* Copies the pairs into `memory`. NULL with ERR_USAGE when a value stands for two others. */
struct lookup *lookup_new(const struct mapping_pair *pairs, size_t count, struct mapping_arena *memory,
                          struct err *err) MUST_CHECK;
/* What `value` stands for; NULL when it is not there. */
const struct csv_slice *lookup_find(const struct lookup *lookup, struct csv_slice value);

#endif
