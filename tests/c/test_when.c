/* Durations and points in time: what is read, and what is refused. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/civil.h"
#include "core/when.h"

#define COUNT(table) (sizeof(table) / sizeof *(table))

static void durations_are_read(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        int64_t seconds;
    } cases[] = {{"1s", 1},       {"15m", 900},         {"1h30m", 5400},        {"2d", 172800},
                 {"1w", 604800},  {"90m", 5400},        {"1w2d3h4m5s", 788645}, {"36500d", INT64_C(3153600000)},
                 {"0h1s", 1}};
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct err err;
        int64_t seconds;
        if (!when_duration(cases[i].text, &seconds, &err))
            fail_msg("%s: %s", cases[i].text, err.message);
        assert_int_equal(seconds, cases[i].seconds);
    }
}

static void what_is_no_duration_is_refused_with_its_position(void **state)
{
    (void)state;
    static const struct {
        const char *text, *place;
    } cases[] = {{"", "position 1:"},      {"15", "position 1:"},    {"m", "position 1:"},      {"0s", "position 3:"},
                 {"1m1h", "position 3:"},  {"1m2m", "position 3:"},  {"-5m", "position 1:"},    {"1.5h", "position 1:"},
                 {"15 m", "position 1:"},  {"15M", "position 1:"},   {"5y", "position 1:"},     {"36501d", "position 1:"},
                 {"36500d1s", "position 7:"}, {"99999999999999999999s", "position 1:"}, {"1h ", "position 3:"}};
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct err err;
        int64_t seconds;
        err_clear(&err);
        if (when_duration(cases[i].text, &seconds, &err))
            fail_msg("\"%s\" is taken", cases[i].text);
        assert_string_equal(err.code, ERR_USAGE);
        if (!strstr(err.message, cases[i].place))
            fail_msg("\"%s\": %s", cases[i].text, err.message);
    }
}

static struct tz *berlin(void)
{
    struct err err;
    struct tz *tz = tz_from_rule("CET-1CEST,M3.5.0,M10.5.0/3", &err);
    assert_non_null(tz);
    return tz;
}

static void times_are_read_in_their_zone_or_the_one_given(void **state)
{
    (void)state;
    struct tz *tz = berlin();
    int64_t day = civil_days(2026, 11, 29) * DAY_SECONDS;
    int64_t forward = civil_days(2026, 3, 29) * DAY_SECONDS, back = civil_days(2026, 10, 25) * DAY_SECONDS;
    const struct {
        const char *text;
        int64_t utc;
    } cases[] = {{"2026-11-29", day - 3600},
                 {"2026-11-29T06:00", day + 5 * 3600},
                 {"2026-11-29 06:00:30", day + 5 * 3600 + 30},
                 {"2026-11-29T06:00Z", day + 6 * 3600},
                 {"2026-11-29t06:00:00z", day + 6 * 3600},
                 {"2026-11-29T06:00+05:45", day + 900},
                 {"2026-11-29T06:00-0330", day + 34200},
                 {"2026-11-29T06:00+01", day + 5 * 3600},
                 {"2026-07-01T00:00", civil_days(2026, 7, 1) * DAY_SECONDS - 7200},
                 {"2026-03-29T02:30", forward + 3600},
                 {"2026-10-25T02:30", back + 1800},
                 {"2028-02-29T00:00Z", civil_days(2028, 2, 29) * DAY_SECONDS}};
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct err err;
        int64_t utc;
        if (!when_time(cases[i].text, tz, &utc, &err))
            fail_msg("%s: %s", cases[i].text, err.message);
        if (utc != cases[i].utc)
            fail_msg("%s is %lld, not %lld", cases[i].text, (long long)utc, (long long)cases[i].utc);
    }
    tz_free(tz);
}

static void what_is_no_time_is_refused(void **state)
{
    (void)state;
    static const char *const wrong[] = {
        "", "tomorrow", "2026-11-31", "2026-02-29", "2026-13-01", "0000-01-01", "26-11-29", "2026-11-29T",
        "2026-11-29T24:00", "2026-11-29T06", "2026-11-29T06:60", "2026-11-29T06:00:60", "2026-11-29Z",
        "2026-11-29T06:00+", "2026-11-29T06:00+1", "2026-11-29T06:00+01:", "2026-11-29T06:00+24:00",
        "2026-11-29T06:00Zulu", "2026-11-29T06:00 CET", " 2026-11-29", "2026-11-29 ", "2026/11/29",
    };
    struct tz *tz = berlin();
    for (size_t i = 0; i < COUNT(wrong); i++) {
        struct err err;
        int64_t utc;
        err_clear(&err);
        if (when_time(wrong[i], tz, &utc, &err))
            fail_msg("\"%s\" is taken", wrong[i]);
        assert_string_equal(err.code, ERR_USAGE);
        assert_non_null(strstr(err.message, "at position"));
    }
    tz_free(tz);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(durations_are_read),
        cmocka_unit_test(what_is_no_duration_is_refused_with_its_position),
        cmocka_unit_test(times_are_read_in_their_zone_or_the_one_given),
        cmocka_unit_test(what_is_no_time_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
