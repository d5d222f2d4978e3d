/* When an automation is due: intervals and single times, across changes of the clock. Cron expressions: test_cron.c. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/schedule.h"
#include "core/when.h"

#define RULE "CET-1CEST,M3.5.0,M10.5.0/3" /* Berlin's */

static struct tz *zone(const char *rule)
{
    struct err err;
    err_clear(&err);
    struct tz *tz = tz_from_rule(rule, &err);
    assert_non_null(tz);
    return tz;
}

static int64_t utc(const char *text)
{
    struct err err;
    int64_t at = 0;
    struct tz *tz = zone("UTC0");
    err_clear(&err);
    assert_true(when_time(text, tz, &at, &err));
    tz_free(tz);
    return at;
}

static struct schedule parse(enum schedule_kind kind, const char *text, const struct tz *tz, const char *anchor)
{
    struct schedule schedule;
    struct err err;
    err_clear(&err);
    if (!schedule_parse(kind, text, tz, utc(anchor), &schedule, &err))
        fail_msg("%s", err.message);
    return schedule;
}

/* The times after `after` are these, in UTC, and the same backwards. */
static void expect(const char *rule, const char *interval, const char *anchor, const char *after, const char *const *times)
{
    struct tz *tz = zone(rule);
    struct schedule every = parse(SCHEDULE_EVERY, interval, tz, anchor);
    int64_t at = utc(after), before, found;
    size_t count = 0;
    for (; times[count]; count++) {
        assert_true(schedule_next(&every, at, &found));
        assert_int_equal(utc(times[count]), found);
        at = found;
    }
    for (before = at + 1; count > 0; count--) {
        assert_true(schedule_previous(&every, before, &found));
        assert_int_equal(utc(times[count - 1]), found);
        before = found;
    }
    tz_free(tz);
}
#define EXPECT(rule, interval, anchor, after, ...) \
    expect(rule, interval, anchor, after, (const char *const[]){__VA_ARGS__, NULL})

static void an_interval_that_divides_a_day_goes_by_the_clock(void **state)
{
    (void)state;
    EXPECT("UTC0", "15m", "2026-01-01T00:07:11", "2026-01-01T00:07:12", "2026-01-01T00:15", "2026-01-01T00:30", "2026-01-01T00:45",
           "2026-01-01T01:00");
    EXPECT("IST-5:30", "1h", "2026-01-01", "2026-01-01T00:00", "2026-01-01T00:30", "2026-01-01T01:30");
    EXPECT(RULE, "6h", "2026-01-01", "2026-07-01T00:00", "2026-07-01T04:00", "2026-07-01T10:00", "2026-07-01T16:00",
           "2026-07-01T22:00");
    EXPECT("UTC0", "10s", "2026-01-01", "2026-01-01T00:00:09", "2026-01-01T00:00:10", "2026-01-01T00:00:20");
}

static void when_the_clock_is_set_short_intervals_follow_it_and_long_ones_fire_once(void **state)
{
    (void)state;
    EXPECT(RULE, "30m", "2026-01-01", "2026-10-24T23:59", "2026-10-25T00:00", "2026-10-25T00:30", "2026-10-25T01:00",
           "2026-10-25T01:30", "2026-10-25T02:00");
    EXPECT(RULE, "30m", "2026-01-01", "2026-03-29T00:15", "2026-03-29T00:30", "2026-03-29T01:00", "2026-03-29T01:30");
    EXPECT(RULE, "2h", "2026-01-01", "2026-10-24T21:30", "2026-10-24T22:00", "2026-10-25T00:00", "2026-10-25T03:00");
    EXPECT(RULE, "2h", "2026-01-01", "2026-03-28T22:30", "2026-03-28T23:00", "2026-03-29T01:00", "2026-03-29T02:00");
    EXPECT(RULE, "1d", "2026-01-01", "2026-03-27T23:00", "2026-03-28T23:00", "2026-03-29T22:00");
}

static void whole_days_are_counted_from_the_day_of_the_anchor(void **state)
{
    (void)state;
    EXPECT(RULE, "1w", "2026-03-24T15:30", "2026-03-24T15:30", "2026-03-30T22:00", "2026-04-06T22:00");
    EXPECT(RULE, "2d", "2026-10-23T23:30", "2026-10-23T22:30", "2026-10-25T23:00", "2026-10-27T23:00");
}

static void other_intervals_are_counted_from_the_anchor_to_the_second(void **state)
{
    (void)state;
    EXPECT(RULE, "7h", "2026-10-24T12:34:56", "2026-10-24T12:34:56", "2026-10-24T19:34:56", "2026-10-25T02:34:56");
    EXPECT(RULE, "25m", "2026-01-01T00:10", "2026-01-01T00:00", "2026-01-01T00:10", "2026-01-01T00:35", "2026-01-01T01:00");
}

static void one_time_fires_once(void **state)
{
    (void)state;
    struct tz *tz = zone(RULE);
    struct schedule at = parse(SCHEDULE_AT, "2026-12-24T18:00", tz, "2026-01-01");
    int64_t found;
    assert_true(schedule_next(&at, 0, &found));
    assert_int_equal(utc("2026-12-24T17:00"), found);
    assert_false(schedule_next(&at, found, &found));
    assert_false(schedule_previous(&at, at.at, &found));
    assert_true(schedule_previous(&at, at.at + 1, &found));
    assert_false(schedule_passes_both(&at));
    tz_free(tz);
}

static void the_years_that_are_looked_at_have_an_end_on_both_sides(void **state)
{
    (void)state;
    static const char *const intervals[] = {"1d", "7h", "1s", "36500d"};
    struct tz *tz = zone("UTC0");
    for (size_t i = 0; i < sizeof intervals / sizeof intervals[0]; i++) {
        struct schedule every = parse(SCHEDULE_EVERY, intervals[i], tz, "2026-01-01");
        int64_t found;
        assert_false(schedule_next(&every, CRON_MOST, &found));
        assert_false(schedule_next(&every, INT64_C(1) << 60, &found));
        assert_false(schedule_previous(&every, CRON_LEAST, &found));
        assert_false(schedule_previous(&every, -(INT64_C(1) << 60), &found));
        assert_true(schedule_next(&every, -(INT64_C(1) << 60), &found));
        assert_in_range(found - CRON_LEAST, 0, every.period - 1);
        assert_true(schedule_previous(&every, INT64_C(1) << 60, &found));
        assert_in_range(CRON_MOST - found, 0, every.period - 1);
    }
    tz_free(tz);
}

static void only_what_the_clock_shows_often_has_both_passes(void **state)
{
    (void)state;
    static const struct {
        enum schedule_kind kind;
        const char *text;
        bool both;
    } cases[] = {{SCHEDULE_EVERY, "1m", true},  {SCHEDULE_EVERY, "1h", true},    {SCHEDULE_EVERY, "2h", false},
                 {SCHEDULE_EVERY, "1d", false}, {SCHEDULE_EVERY, "2w", false},   {SCHEDULE_EVERY, "7h", true},
                 {SCHEDULE_CRON, "* * * * *", true}, {SCHEDULE_CRON, "0 6 * * *", false}};
    struct tz *tz = zone("UTC0");
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct schedule schedule = parse(cases[i].kind, cases[i].text, tz, "2026-01-01");
        assert_int_equal(cases[i].both, schedule_passes_both(&schedule));
    }
    tz_free(tz);
}

static void what_is_wrong_with_an_expression_is_said(void **state)
{
    (void)state;
    struct tz *tz = zone("UTC0");
    struct schedule schedule;
    static const char *const texts[] = {"0 0 30 2 *", "15", "soon"};
    for (enum schedule_kind kind = SCHEDULE_CRON; kind <= SCHEDULE_AT; kind++) {
        struct err err;
        err_clear(&err);
        assert_false(schedule_parse(kind, texts[kind], tz, 0, &schedule, &err));
        assert_string_equal(ERR_USAGE, err.code);
        assert_non_null(strstr(err.message, texts[kind]));
    }
    tz_free(tz);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_interval_that_divides_a_day_goes_by_the_clock),
        cmocka_unit_test(when_the_clock_is_set_short_intervals_follow_it_and_long_ones_fire_once),
        cmocka_unit_test(whole_days_are_counted_from_the_day_of_the_anchor),
        cmocka_unit_test(other_intervals_are_counted_from_the_anchor_to_the_second),
        cmocka_unit_test(one_time_fires_once),
        cmocka_unit_test(the_years_that_are_looked_at_have_an_end_on_both_sides),
        cmocka_unit_test(only_what_the_clock_shows_often_has_both_passes),
        cmocka_unit_test(what_is_wrong_with_an_expression_is_said),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
