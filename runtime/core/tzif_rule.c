#include "core/tzif_rule.h"

#include <stdio.h>
#include <string.h>

#include "core/civil.h"

/* ---- reading ---- */

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static bool is_letter(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

/* "CET" or "<+0330>". */
static bool read_name(const char **at, char *name)
{
    bool quoted = **at == '<';
    const char *p = *at + quoted;
    size_t len = 0;
    while (is_letter(p[len]) || (quoted && (is_digit(p[len]) || p[len] == '+' || p[len] == '-')))
        len++;
    if (len < 3 || len > TZ_NAME_MOST || (quoted && p[len] != '>'))
        return false;
    memcpy(name, p, len);
    name[len] = '\0';
    *at = p + len + quoted;
    return true;
}

static bool read_number(const char **at, int most, int *number)
{
    const char *p = *at;
    if (!is_digit(*p))
        return false;
    for (*number = 0; is_digit(*p); p++)
        if ((*number = *number * 10 + (*p - '0')) > most)
            return false;
    *at = p;
    return true;
}

/* [+-]hh[:mm[:ss]] */
static bool read_seconds(const char **at, int most_hours, int32_t *seconds)
{
    bool minus = **at == '-';
    if (**at == '-' || **at == '+')
        (*at)++;
    int hours, minutes = 0, rest = 0;
    if (!read_number(at, most_hours, &hours))
        return false;
    if (**at == ':') {
        (*at)++;
        if (!read_number(at, 59, &minutes))
            return false;
        if (**at == ':') {
            (*at)++;
            if (!read_number(at, 59, &rest))
                return false;
        }
    }
    *seconds = (hours * 3600 + minutes * 60 + rest) * (minus ? -1 : 1);
    return true;
}

/* As the rule has it, west of UTC is positive. */
static bool read_offset(const char **at, int32_t *offset)
{
    if (!read_seconds(at, 24, offset))
        return false;
    *offset = -*offset;
    return true;
}

static bool read_day(const char **at, struct tz_change *change)
{
    if (is_digit(**at)) {
        change->kind = 'N';
        return read_number(at, 365, &change->day);
    }
    change->kind = *(*at)++;
    if (change->kind == 'J')
        return read_number(at, 365, &change->day) && change->day >= 1;
    return change->kind == 'M' && read_number(at, 12, &change->month) && change->month >= 1 && *(*at)++ == '.' &&
           read_number(at, 5, &change->week) && change->week >= 1 && *(*at)++ == '.' && read_number(at, 6, &change->day);
}

static bool read_change(const char **at, struct tz_change *change)
{
    if (**at != ',')
        return false;
    (*at)++;
    if (**at == '\0' || !read_day(at, change))
        return false;
    change->seconds = 2 * 3600;
    if (**at != '/')
        return true;
    (*at)++;
    return read_seconds(at, 167, &change->seconds);
}

bool tz_rule_parse(const char *text, struct tz_rule *rule)
{
    memset(rule, 0, sizeof *rule);
    if (!read_name(&text, rule->standard_name) || !read_offset(&text, &rule->standard))
        return false;
    if (*text == '\0')
        return true;
    rule->has_dst = true;
    rule->daylight = rule->standard + 3600;
    if (!read_name(&text, rule->daylight_name) || (*text != ',' && !read_offset(&text, &rule->daylight)))
        return false;
    return read_change(&text, &rule->begin) && read_change(&text, &rule->end) && *text == '\0';
}

/* ---- using ---- */

/* Of a year, the local time before the change. */
static int64_t change_local(const struct tz_change *change, int64_t year)
{
    int64_t days;
    if (change->kind == 'J') {
        days = civil_days(year, 1, 1) + change->day - 1 + (change->day >= 60 && civil_is_leap(year));
    } else if (change->kind == 'N') {
        days = civil_days(year, 1, 1) + change->day;
    } else {
        int64_t first = civil_days(year, change->month, 1);
        int day = 1 + (change->day - civil_weekday(first) + 7) % 7 + (change->week - 1) * 7;
        while (day > civil_month_days(year, change->month))
            day -= 7;
        days = first + day - 1;
    }
    return days * DAY_SECONDS + change->seconds;
}

struct moment {
    int64_t at;
    bool dst; /* from then on */
};

/* The changes of five years, in order: those around a time in the middle one are among them, whatever their hours. */
#define MOMENTS 10
static void find_moments(const struct tz_rule *rule, int64_t year, struct moment *moments)
{
    size_t count = 0;
    for (int64_t y = year - 2; y <= year + 2; y++) {
        const struct moment both[2] = {{change_local(&rule->begin, y) - rule->standard, true},
                                       {change_local(&rule->end, y) - rule->daylight, false}};
        for (size_t i = 0; i < 2; i++) {
            size_t at = count++;
            for (; at > 0 && moments[at - 1].at > both[i].at; at--)
                moments[at] = moments[at - 1];
            moments[at] = both[i];
        }
    }
}

struct tz_period tz_rule_period(const struct tz_rule *rule, int64_t utc)
{
    struct tz_period period = {.from = INT64_MIN, .until = INT64_MAX};
    if (rule->has_dst) {
        struct moment moments[MOMENTS];
        find_moments(rule, civil_date(civil_floor_div(utc, DAY_SECONDS)).year, moments);
        size_t at = 1;
        while (at < MOMENTS - 1 && moments[at].at <= utc)
            at++;
        period.from = moments[at - 1].at;
        period.until = moments[at].at;
        period.dst = moments[at - 1].dst;
    }
    period.offset = period.dst ? rule->daylight : rule->standard;
    snprintf(period.abbreviation, sizeof period.abbreviation, "%s", period.dst ? rule->daylight_name : rule->standard_name);
    return period;
}
