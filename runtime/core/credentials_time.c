#include "core/credentials_time.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

/* Exactly `count` digits, moving on behind them; -1 for anything else. */
static int read_digits(const char **at, int count)
{
    int value = 0;
    for (int i = 0; i < count; i++, (*at)++) {
        if (!isdigit((unsigned char)**at))
            return -1;
        value = value * 10 + (**at - '0');
    }
    return value;
}

static bool skip(const char **at, char expected)
{
    if (**at != expected)
        return false;
    ++*at;
    return true;
}

/* "2026-01-02": only what reads the same when written again is a day. */
static bool read_day(const char **at, struct tm *parts)
{
    int year = read_digits(at, 4);
    if (year < 1970 || !skip(at, '-'))
        return false;
    int month = read_digits(at, 2);
    if (month < 1 || month > 12 || !skip(at, '-'))
        return false;
    int day = read_digits(at, 2);
    *parts = (struct tm){.tm_year = year - 1900, .tm_mon = month - 1, .tm_mday = day};
    struct tm again = *parts;
    timegm(&again);
    return day >= 1 && again.tm_mday == day;
}

static bool read_time_of_day(const char **at, struct tm *parts)
{
    if (**at != 'T' && **at != 't' && **at != ' ')
        return false;
    ++*at;
    parts->tm_hour = read_digits(at, 2);
    if (parts->tm_hour < 0 || parts->tm_hour > 23 || !skip(at, ':'))
        return false;
    parts->tm_min = read_digits(at, 2);
    if (parts->tm_min < 0 || parts->tm_min > 59 || !skip(at, ':'))
        return false;
    parts->tm_sec = read_digits(at, 2);
    if (parts->tm_sec < 0 || parts->tm_sec > 60)
        return false;
    if (**at != '.' && **at != ',')
        return true;
    ++*at;
    if (!isdigit((unsigned char)**at))
        return false;
    while (isdigit((unsigned char)**at))
        ++*at;
    return true;
}

/* Seconds that local time is ahead of UTC. */
static bool read_zone(const char *at, long *ahead)
{
    *ahead = 0;
    if (!*at || strcmp(at, "Z") == 0 || strcmp(at, "z") == 0 || strcmp(at, "UTC") == 0)
        return true;
    if (*at != '+' && *at != '-')
        return false;
    long sign = *at++ == '-' ? -1 : 1;
    int hours = read_digits(&at, 2), minutes = 0;
    if (*at && hours >= 0) {
        skip(&at, ':');
        minutes = read_digits(&at, 2);
    }
    *ahead = sign * (hours * 3600L + minutes * 60L);
    return hours >= 0 && hours <= 23 && minutes >= 0 && minutes <= 59 && !*at;
}

bool credentials_time_parse(const char *text, time_t *out)
{
    struct tm parts;
    long ahead;
    if (!read_day(&text, &parts) || !read_time_of_day(&text, &parts) || !read_zone(text, &ahead))
        return false;
    time_t time = timegm(&parts) - ahead;
    *out = time > 0 ? time : 1;
    return true;
}

void credentials_time_format(time_t time, char out[24])
{
    struct tm parts;
    gmtime_r(&time, &parts);
    strftime(out, 24, "%Y-%m-%dT%H:%M:%SZ", &parts);
}
