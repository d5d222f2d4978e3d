/* cron: when an expression of five fields fires.
 *
 *     minute 0-59 · hour 0-23 · day of month 1-31 · month 1-12 or JAN-DEC · day of week 0-7 or SUN-SAT (0 and 7 are Sunday)
 *
 * A field is a list of "*", a value, a range "a-b", each with a step "/n" if wanted ("a/n" goes on to the end of the field); a
 * step is at most as long as the field. A range that begins above its end wraps around: FRI-MON, 22-2. Days of the month may
 * also be L (the last one), L-n (n days before it), nW (the working day, Monday to Friday, nearest to day n in the same month,
 * where the month has that day) and LW (the last working day); days of the week d#n (the nth of the month, 1 to 5) and dL (the
 * last). Case does not matter. @yearly @annually @monthly @weekly @daily @midnight @hourly stand for whole expressions.
 *
 * Where days of the month and of the week are both given, either of them is enough; where one of the fields begins with "*", both
 * must hold, as cron has it.
 *
 * When the clock jumps: where the hour field begins with "*", an expression fires at every minute that the clock shows and
 * that matches, twice where it is shown twice. Else each local time fires once: at its first pass where it is repeated, and where
 * it is skipped, once at the jump, however many of them are skipped there.
 */
#ifndef UPJOB_CORE_CRON_H
#define UPJOB_CORE_CRON_H

#include <stdbool.h>
#include <stdint.h>

#include "core/err.h"
#include "core/recurring.h"
#include "core/tzif.h"

/* Times that are looked at: those of the years 1 to 9999. */
#define CRON_LEAST RECURRING_LEAST
#define CRON_MOST RECURRING_MOST

struct cron {
    uint64_t minutes;
    uint32_t hours;
    uint32_t days; /* of the month: bits 1 to 31 */
    uint32_t workdays; /* nW, bits 1 to 31 */
    uint32_t last_days; /* bit n: n days before the last one */
    uint16_t months; /* bits 1 to 12 */
    uint8_t weekdays; /* bits 0 to 6 */
    uint8_t last_weekdays; /* dL */
    uint8_t nth_weekdays[6]; /* d#n in [n] */
    bool last_workday; /* LW */
    bool any_hour; /* the field begins with "*" */
    bool any_day, any_weekday; /* likewise */
};

/* Reads an expression. ERR_USAGE: the message names the field, the position (from 1) and what is allowed there, or says that it
 * never fires (30 February). */
bool cron_parse(const char *text, struct cron *cron, struct err *err) MUST_CHECK;

/* The first time after `after`, the last before `before`: seconds since 1970. False when there is none from year 1 to 9999. */
bool cron_next(const struct cron *cron, const struct tz *tz, int64_t after, int64_t *fires) MUST_CHECK;
bool cron_previous(const struct cron *cron, const struct tz *tz, int64_t before, int64_t *fired) MUST_CHECK;

/* Of a month, the days that match: bits 1 to 31. */
uint32_t cron_month(const struct cron *cron, int64_t year, int month);

#endif
