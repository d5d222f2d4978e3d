/* schedule: when an automation is due, whatever way it was said.
 *
 *     cron    core/cron.h
 *     every   an interval ("15m"). One that divides a day goes by the clock of the zone, counted from its midnight: every 15m at
 *             :00 :15 :30 :45, every 6h at 0, 6, 12 and 18 o'clock. Whole days (1d, 2d, 1w) are at midnight, counted from the day
 *             of the anchor. When the clock is set, those of up to an hour fire whenever the clock shows one of their times, the
 *             others once for each, as cron does (core/recurring.h). Any other interval (25m, 7h) is a length of time, counted
 *             from the anchor, and looks at no clock.
 *     at      one time (core/when.h)
 */
#ifndef UPJOB_CORE_SCHEDULE_H
#define UPJOB_CORE_SCHEDULE_H

#include <stdbool.h>
#include <stdint.h>

#include "core/cron.h"
#include "core/err.h"
#include "core/tzif.h"

enum schedule_kind { SCHEDULE_CRON, SCHEDULE_EVERY, SCHEDULE_AT };

struct schedule {
    enum schedule_kind kind;
    const struct tz *tz; /* not its own */
    struct cron cron;
    int64_t period;  /* every: seconds */
    int64_t anchor;  /* every: what it is counted from; a local time where it goes by the clock */
    bool by_clock;   /* every */
    int64_t at;
};

/* Reads an expression of that kind. `anchor` is a time within CRON_LEAST and CRON_MOST: when the schedule was first seen.
 * ERR_USAGE says what is wrong with the expression. The schedule uses the zone as long as it is used. */
bool schedule_parse(enum schedule_kind kind, const char *expression, const struct tz *tz, int64_t anchor,
                    struct schedule *schedule, struct err *err) MUST_CHECK;

/* The first time after `after`, the last before `before`: seconds since 1970. False when there is none from year 1 to 9999. */
bool schedule_next(const struct schedule *schedule, int64_t after, int64_t *fires) MUST_CHECK;
bool schedule_previous(const struct schedule *schedule, int64_t before, int64_t *fired) MUST_CHECK;

/* Whether it fires each time that a clock which is set backwards shows one of its times. */
bool schedule_passes_both(const struct schedule *schedule);

#endif
