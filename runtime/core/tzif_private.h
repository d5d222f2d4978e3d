/* What the units of tzif share. */
#ifndef UPJOB_CORE_TZIF_PRIVATE_H
#define UPJOB_CORE_TZIF_PRIVATE_H

#include "core/tzif.h"
#include "core/tzif_rule.h"

struct tz_transition {
    int64_t at;
    unsigned char type; /* from then on */
};

struct tz_type {
    int32_t offset;
    bool dst;
    char abbreviation[TZ_NAME_MOST + 1];
};

struct tz {
    char *name;
    size_t time_count, type_count;
    struct tz_transition *times; /* ascending */
    struct tz_type *types;       /* the first holds before all transitions */
    bool has_rule;               /* behind the last one */
    struct tz_rule rule;
};

/* A zone of that name with nothing in it. */
struct tz *tz_new(const char *name, struct err *err);

#endif
