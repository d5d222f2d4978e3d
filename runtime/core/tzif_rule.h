/* tzif_rule: the POSIX TZ rule in the footer of a TZif file ("CET-1CEST,M3.5.0,M10.5.0/3"), with what RFC 9636 adds: hours of a
 * change from -167 to 167. */
#ifndef UPJOB_CORE_TZIF_RULE_H
#define UPJOB_CORE_TZIF_RULE_H

#include <stdbool.h>
#include <stdint.h>

#include "core/tzif.h"

#define TZ_NAME_MOST 15

/* When daylight saving begins or ends, each year. */
struct tz_change {
    char kind;     /* 'J': day 1 to 365 without 29 February; 'N': day 0 to 365; 'M': weekday of a week of a month */
    int day, week, month;
    int32_t seconds; /* after midnight, local time before the change */
};

struct tz_rule {
    bool has_dst;
    int32_t standard, daylight; /* offsets east of UTC */
    char standard_name[TZ_NAME_MOST + 1], daylight_name[TZ_NAME_MOST + 1];
    struct tz_change begin, end; /* of daylight saving */
};

/* False when `text` is no such rule; `rule` is undefined then. */
bool tz_rule_parse(const char *text, struct tz_rule *rule);
struct tz_period tz_rule_period(const struct tz_rule *rule, int64_t utc);

#endif
