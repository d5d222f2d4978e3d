#include "core/when.h"

#include <ctype.h>
#include <string.h>

#include "core/civil.h"

#define DURATION_MOST (INT64_C(36500) * DAY_SECONDS)

/* ---- durations ---- */

static const struct {
    char letter;
    int64_t seconds;
} units[] = {{'w', 7 * DAY_SECONDS}, {'d', DAY_SECONDS}, {'h', 3600}, {'m', 60}, {'s', 1}};
#define UNITS (sizeof units / sizeof units[0])

/* Reads "15m"; `*next` is the first unit that may follow. False: it is none, or too long. */
static bool read_part(const char **at, size_t *next, int64_t *sum)
{
    int64_t number = 0;
    const char *p = *at;
    for (; isdigit((unsigned char)*p); p++)
        if ((number = number * 10 + (*p - '0')) > DURATION_MOST)
            return false;
    for (size_t i = *next; p > *at && i < UNITS; i++) {
        if (*p != units[i].letter)
            continue;
        if (number > (DURATION_MOST - *sum) / units[i].seconds)
            return false;
        *sum += number * units[i].seconds;
        *next = i + 1;
        *at = p + 1;
        return true;
    }
    return false;
}

bool when_duration(const char *text, int64_t *seconds, struct err *err)
{
    const char *at = text;
    size_t next = 0;
    *seconds = 0;
    while (*at && read_part(&at, &next, seconds))
        ;
    if (*at == '\0' && *seconds > 0)
        return true;
    return err_set(err, ERR_USAGE, "\"%.100s\" is no duration at position %d: allowed are 15m, 1h30m and the like, of w d h m s, "
                   "from 1s to 36500d", text, (int)(at - text) + 1);
}

/* ---- times ---- */

/* Exactly `digits` of them. */
static bool read_number(const char **at, int digits, int min, int max, int *number)
{
    *number = 0;
    for (int i = 0; i < digits; i++, (*at)++) {
        if (!isdigit((unsigned char)**at))
            return false;
        *number = *number * 10 + (**at - '0');
    }
    return *number >= min && *number <= max;
}

static bool skip(const char **at, char c)
{
    if (**at != c)
        return false;
    (*at)++;
    return true;
}

static bool read_date(const char **at, int64_t *local)
{
    int year, month, day;
    if (!read_number(at, 4, 1, 9999, &year) || !skip(at, '-') || !read_number(at, 2, 1, 12, &month) || !skip(at, '-') ||
        !read_number(at, 2, 1, civil_month_days(year, month), &day))
        return false;
    *local = civil_days(year, month, day) * DAY_SECONDS;
    return true;
}

static bool read_clock(const char **at, int64_t *local)
{
    int hour, minute, second = 0;
    if (!read_number(at, 2, 0, 23, &hour) || !skip(at, ':') || !read_number(at, 2, 0, 59, &minute) ||
        (skip(at, ':') && !read_number(at, 2, 0, 59, &second)))
        return false;
    *local += hour * 3600 + minute * 60 + second;
    return true;
}

/* Z, +01, +01:00, +0100; `*given` is false where there is none. */
static bool read_zone(const char **at, bool *given, int *offset)
{
    int hours = 0, minutes = 0;
    *given = **at != '\0';
    *offset = 0;
    if (!*given || skip(at, 'Z') || skip(at, 'z'))
        return true;
    bool west = **at == '-';
    if ((!skip(at, '+') && !skip(at, '-')) || !read_number(at, 2, 0, 23, &hours))
        return false;
    if ((skip(at, ':') || **at != '\0') && !read_number(at, 2, 0, 59, &minutes))
        return false;
    *offset = (hours * 3600 + minutes * 60) * (west ? -1 : 1);
    return true;
}

bool when_time(const char *text, const struct tz *tz, int64_t *utc, struct err *err)
{
    const char *at = text;
    int64_t local = 0;
    bool given = false;
    int offset = 0;
    bool read = read_date(&at, &local);
    if (read && (skip(&at, 'T') || skip(&at, 't') || skip(&at, ' ')))
        read = read_clock(&at, &local) && read_zone(&at, &given, &offset);
    if (!read || *at != '\0')
        return err_set(err, ERR_USAGE, "\"%.100s\" is no time at position %d: allowed is 2026-11-29, 2026-11-29T06:00 or "
                       "2026-11-29T06:00:00, a time with Z or +01:00 behind it where it is not local", text,
                       (int)(at - text) + 1);
    *utc = given ? local - offset : tz_from_local(tz, local).first;
    return true;
}
