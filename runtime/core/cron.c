#include "core/cron.h"

#include "core/civil.h"
#include "core/recurring.h"

#define DAY_MINUTES 1440

/* ---- days ---- */

static uint32_t days_up_to(int last)
{
    return (uint32_t)((UINT64_C(1) << (last + 1)) - 2);
}

/* Days of the week as days 1 to 7 of a month that begins on `first`: bits 0 to 6. */
static uint32_t from_first(uint8_t weekdays, int first)
{
    return ((uint32_t)weekdays >> first | (uint32_t)weekdays << (7 - first)) & 0x7F;
}

static int nearest_workday(int day, int last, int first)
{
    int weekday = (first + day - 1) % 7;
    if (weekday == 6)
        return day > 1 ? day - 1 : day + 2;
    if (weekday == 0)
        return day < last ? day + 1 : day - 2;
    return day;
}

static int last_workday(int last, int first)
{
    int weekday = (first + last - 1) % 7;
    return weekday == 6 ? last - 1 : weekday == 0 ? last - 2 : last;
}

static uint32_t by_day(const struct cron *cron, int last, int first)
{
    uint32_t bits = cron->days;
    for (int n = 0; cron->last_days >> n; n++)
        if (cron->last_days >> n & 1 && n < last)
            bits |= UINT32_C(1) << (last - n);
    for (int day = 1; day <= last && cron->workdays >> day; day++)
        if (cron->workdays >> day & 1)
            bits |= UINT32_C(1) << nearest_workday(day, last, first);
    if (cron->last_workday)
        bits |= UINT32_C(1) << last_workday(last, first);
    return bits & days_up_to(last);
}

static uint32_t by_weekday(const struct cron *cron, int last, int first)
{
    uint64_t bits = (uint64_t)from_first(cron->weekdays, first) * UINT64_C(0x10204081); /* five weeks of them */
    for (int n = 1; n <= 5; n++)
        bits |= (uint64_t)from_first(cron->nth_weekdays[n], first) << (7 * (n - 1));
    if (cron->last_weekdays)
        bits |= (uint64_t)from_first(cron->last_weekdays, (first + last - 7) % 7) << (last - 7);
    return (uint32_t)(bits << 1) & days_up_to(last);
}

uint32_t cron_month(const struct cron *cron, int64_t year, int month)
{
    if (!(cron->months >> month & 1))
        return 0;
    int last = civil_month_days(year, month);
    int first = civil_weekday(civil_days(year, month, 1));
    uint32_t day = by_day(cron, last, first), weekday = by_weekday(cron, last, first);
    return cron->any_day || cron->any_weekday ? day & weekday : day | weekday;
}

/* ---- local times: seconds of a clock that shows the same date and time in UTC ---- */

/* The first minute of a day that matches and is not before `minute`; -1: none. */
static int first_minute(const struct cron *cron, int minute)
{
    for (int hour = minute / 60, from = minute % 60; hour < 24; hour++, from = 0)
        if (cron->hours >> hour & 1 && cron->minutes >> from)
            return hour * 60 + from + __builtin_ctzll(cron->minutes >> from);
    return -1;
}

/* The last one that is not after it. */
static int last_minute(const struct cron *cron, int minute)
{
    for (int hour = minute / 60, until = minute % 60; hour >= 0; hour--, until = 59) {
        uint64_t bits = cron->minutes & (UINT64_MAX >> (63 - until));
        if (cron->hours >> hour & 1 && bits)
            return hour * 60 + 63 - __builtin_clzll(bits);
    }
    return -1;
}

/* The first time in a month from day and minute on. */
static bool first_in_month(const struct cron *cron, const struct civil *from, int minute, int64_t *local)
{
    uint32_t days = cron_month(cron, from->year, from->month) & (UINT32_MAX << from->day);
    for (; days; days &= days - 1) {
        int day = __builtin_ctz(days);
        int found = first_minute(cron, day == from->day ? minute : 0);
        if (found < 0)
            continue;
        *local = civil_days(from->year, from->month, day) * DAY_SECONDS + found * 60;
        return true;
    }
    return false;
}

static bool last_in_month(const struct cron *cron, const struct civil *until, int minute, int64_t *local)
{
    uint32_t days = cron_month(cron, until->year, until->month) & days_up_to(until->day);
    while (days) {
        int day = 31 - __builtin_clz(days);
        int found = last_minute(cron, day == until->day ? minute : DAY_MINUTES - 1);
        *local = civil_days(until->year, until->month, day) * DAY_SECONDS + found * 60;
        if (found >= 0)
            return true;
        days &= ~(UINT32_C(1) << day);
    }
    return false;
}

/* The first time that matches, from `from` on and before `until`. */
static bool first_match(const void *rule, int64_t from, int64_t until, int64_t *local)
{
    const struct cron *cron = rule;
    int64_t minutes = civil_floor_div(from + 59, 60);
    int64_t days = civil_floor_div(minutes, DAY_MINUTES);
    int minute = (int)(minutes - days * DAY_MINUTES);
    struct civil date = civil_date(days);
    for (int64_t start = from; start < until; start = civil_days(date.year, date.month, 1) * DAY_SECONDS) {
        if (first_in_month(cron, &date, minute, local))
            return *local < until;
        minute = 0;
        date.day = 1;
        date.year += date.month == 12;
        date.month = date.month % 12 + 1;
    }
    return false;
}

/* The last one. */
static bool last_match(const void *rule, int64_t from, int64_t until, int64_t *local)
{
    const struct cron *cron = rule;
    int64_t minutes = civil_floor_div(until - 1, 60);
    int64_t days = civil_floor_div(minutes, DAY_MINUTES);
    int minute = (int)(minutes - days * DAY_MINUTES);
    struct civil date = civil_date(days);
    for (int64_t end = until; end > from; end = civil_days(date.year, date.month, date.day + 1) * DAY_SECONDS) {
        if (last_in_month(cron, &date, minute, local))
            return *local >= from;
        minute = DAY_MINUTES - 1;
        date.year -= date.month == 1;
        date.month = (date.month + 10) % 12 + 1;
        date.day = civil_month_days(date.year, date.month);
    }
    return false;
}

/* ---- times ---- */

static struct recurring recurring_of(const struct cron *cron)
{
    return (struct recurring){.rule = cron, .first = first_match, .last = last_match, .both_passes = cron->any_hour};
}

bool cron_next(const struct cron *cron, const struct tz *tz, int64_t after, int64_t *fires)
{
    struct recurring recurring = recurring_of(cron);
    return recurring_next(&recurring, tz, after, fires);
}

bool cron_previous(const struct cron *cron, const struct tz *tz, int64_t before, int64_t *fired)
{
    struct recurring recurring = recurring_of(cron);
    return recurring_previous(&recurring, tz, before, fired);
}
