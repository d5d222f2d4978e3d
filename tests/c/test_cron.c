/* Cron expressions: what is read, what is refused, and when they fire. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/civil.h"
#include "core/cron.h"

#define COUNT(table) (sizeof(table) / sizeof *(table))

static struct cron parse(const char *text)
{
    struct cron cron;
    struct err err;
    err_clear(&err);
    if (!cron_parse(text, &cron, &err))
        fail_msg("%s: %s", text, err.message);
    return cron;
}

static struct tz *zone(const char *rule)
{
    struct err err;
    struct tz *tz = tz_from_rule(rule, &err);
    assert_non_null(tz);
    return tz;
}

/* "2026-03-29 01:00" */
static int64_t epoch(const char *text)
{
    int y, m, d, hour, minute;
    assert_int_equal(sscanf(text, "%d-%d-%d %d:%d", &y, &m, &d, &hour, &minute), 5);
    return civil_days(y, m, d) * DAY_SECONDS + hour * 3600 + minute * 60;
}

static void show(int64_t at, char *out, size_t size)
{
    struct civil date = civil_date(civil_floor_div(at, DAY_SECONDS));
    int64_t rest = at - civil_days(date.year, date.month, date.day) * DAY_SECONDS;
    snprintf(out, size, "%04d-%02d-%02d %02d:%02d", (int)date.year, date.month, date.day, (int)(rest / 3600),
             (int)(rest / 60 % 60));
}

/* The times are in UTC; each is found from the one before it, and back again. */
static void expect(const char *expression, const char *rule, const char *after, const char *const *times)
{
    struct cron cron = parse(expression);
    struct tz *tz = zone(rule);
    int64_t at = epoch(after), next, back;
    for (; *times; times++) {
        char got[32];
        assert_true(cron_next(&cron, tz, at, &next));
        show(next, got, sizeof got);
        if (strcmp(got, *times) != 0)
            fail_msg("%s in %s fires at %s, not at %s", expression, rule, got, *times);
        assert_true(cron_previous(&cron, tz, next + 1, &back));
        assert_int_equal(back, next);
        assert_false(cron_previous(&cron, tz, next, &back) && back > at);
        at = next;
    }
    tz_free(tz);
}
#define EXPECT(expression, rule, after, ...) expect(expression, rule, after, (const char *const[]){__VA_ARGS__, NULL})

#define BERLIN "CET-1CEST,M3.5.0,M10.5.0/3"

static void fields_are_read(void **state)
{
    (void)state;
    static const struct {
        const char *one, *same;
    } cases[] = {
        {"@daily", "0 0 * * *"},
        {"@MIDNIGHT", "0 0 * * *"},
        {"@hourly", "0 * * * *"},
        {"@weekly", "0 0 * * SUN"},
        {"@monthly", "0 0 1 * *"},
        {"@yearly", "0 0 1 JAN *"},
        {"@annually", "@yearly"},
        {"  0\t6  * * mon-Fri ", "0 6 * * 1-5"},
        {"0 0 * * 7", "0 0 * * 0"},
        {"0 0 * * 5-7", "0 0 * * 0,5,6"},
        {"0 0 * * 7-7", "0 0 * * SUN"},
        {"0 0 * * FRI-MON", "0 0 * * 0,1,5,6"},
        {"0 0 * * 7-2", "0 0 * * 0,1,2"},
        {"0 22-2 * * *", "0 0,1,2,22,23 * * *"},
        {"0 22-4/3 * * *", "0 22,1,4 * * *"},
        {"0 0 29-2 * *", "0 0 29,30,31,1,2 * *"},
        {"0 0 1 nov-feb *", "0 0 1 1,2,11,12 *"},
        {"5/20 0 * * *", "5,25,45 0 * * *"},
        {"10-30/10 0 * * *", "10,20,30 0 * * *"},
        {"0 0 * * 0-7", "0 0 * * SUN-SAT"},
        {"0 0 l * *", "0 0 L-0 * *"},
        {"0 0 * * fri#2,7l", "0 0 * * 5#2,SUNL"},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct cron one = parse(cases[i].one), same = parse(cases[i].same);
        if (memcmp(&one, &same, sizeof one) != 0)
            fail_msg("\"%s\" is not \"%s\"", cases[i].one, cases[i].same);
    }
}

static void what_is_wrong_is_named_with_its_field_and_position(void **state)
{
    (void)state;
    static const struct {
        const char *text, *field, *place;
    } cases[] = {
        {"60 * * * *", "minute field", "\"60\" at position 1: allowed is 0 to 59"},
        {"0 24 * * *", "hour field", "\"24\" at position 3: allowed is 0 to 23"},
        {"0 0 0 * *", "day-of-month field", "\"0\" at position 5: allowed is 1 to 31"},
        {"0 0 1 13 *", "month field", "\"13\" at position 7: allowed is 1 to 12 or JAN to DEC"},
        {"0 0 1 JANUARY *", "month field", "\"JANUARY\" at position 7"},
        {"0 0 * * 8", "day-of-week field", "\"8\" at position 9: allowed is 0 to 7 or SUN to SAT"},
        {"0 0 * * L", "day-of-week field", "\"L\" at position 9"},
        {"0 0 * * MON#6", "day-of-week field", "at position 13 that is not from 1 to 5"},
        {"0 0 ? * *", "day-of-month field", "\"?\" at position 5"},
        {"1,,2 * * * *", "minute field", "lacks a value at position 3"},
        {"1, * * * *", "minute field", "lacks a value at position 3"},
        {"1- * * * *", "minute field", "lacks a value at position 3"},
        {"*/0 * * * *", "minute field", "a step at position 3 that is not from 1 to 60"},
        {"*/90 * * * *", "minute field", "a step at position 3"},
        {"0 */ * * *", "hour field", "a step at position 5 that is not from 1 to 24"},
        {"*5 * * * *", "minute field", "\"*5\" at position 1"},
        {"1-2-3 * * * *", "minute field", "\"1-2-3\" at position 1"},
        {"-5 * * * *", "minute field", "\"-5\" at position 1"},
        {"0 0 L-31 * *", "day-of-month field", "at position 7 that is not from 0 to 30"},
        {"0 0 1-5W * *", "day-of-month field", "\"1-5W\" at position 5"},
        {"99999999999999999999 * * * *", "minute field", "at position 1"},
        {"* * * *", "day-of-week field is missing", "at position 8"},
        {"", "minute field is missing", "at position 1"},
        {"0 * * * * *", "6 fields", "neither seconds nor years"},
        {"@reboot", "stands for no expression", "@daily"},
        {"@daily x", "stands for no expression", "alone"},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct cron cron;
        struct err err;
        err_clear(&err);
        if (cron_parse(cases[i].text, &cron, &err))
            fail_msg("\"%s\" is taken", cases[i].text);
        assert_string_equal(err.code, ERR_USAGE);
        if (!strstr(err.message, cases[i].field) || !strstr(err.message, cases[i].place))
            fail_msg("\"%s\": %s", cases[i].text, err.message);
    }
}

static void what_never_fires_is_an_error(void **state)
{
    (void)state;
    static const char *const never[] = {"0 0 30 2 *", "0 0 31 4,6,9,11 *", "0 0 30W 2 *", "0 0 31 FEB */2", "0 0 L-30 2 *",
                                        "0 0 */31 2 MON#5"};
    struct cron cron;
    struct err err;
    for (size_t i = 0; i < COUNT(never); i++) {
        err_clear(&err);
        if (cron_parse(never[i], &cron, &err))
            fail_msg("\"%s\" is taken", never[i]);
        assert_non_null(strstr(err.message, "never fires"));
    }
    parse("0 0 29 2 *");
    parse("0 0 30 2 MON"); /* either is enough */
    parse("0 0 29 2 */7");
}

static void days_of_month_and_week_go_together_as_cron_has_them(void **state)
{
    (void)state;
    EXPECT("0 0 13 * FRI", "UTC0", "2026-11-01 00:00", "2026-11-06 00:00", "2026-11-13 00:00", "2026-11-20 00:00",
           "2026-11-27 00:00", "2026-12-04 00:00", "2026-12-11 00:00", "2026-12-13 00:00");
    EXPECT("0 0 13 * *", "UTC0", "2026-11-01 00:00", "2026-11-13 00:00", "2026-12-13 00:00");
    EXPECT("0 0 * * FRI", "UTC0", "2026-11-01 00:00", "2026-11-06 00:00", "2026-11-13 00:00");
    EXPECT("0 0 */2 * MON", "UTC0", "2026-11-01 00:00", "2026-11-09 00:00", "2026-11-23 00:00", "2026-12-07 00:00");
    EXPECT("0 0 1 * */6", "UTC0", "2026-11-01 00:00", "2027-05-01 00:00", "2027-08-01 00:00");
}

static void special_days_are_found(void **state)
{
    (void)state;
    EXPECT("0 0 L * *", "UTC0", "2028-01-01 00:00", "2028-01-31 00:00", "2028-02-29 00:00", "2028-03-31 00:00");
    EXPECT("0 0 L-2 * *", "UTC0", "2028-02-01 00:00", "2028-02-27 00:00", "2028-03-29 00:00");
    EXPECT("0 0 LW * *", "UTC0", "2026-01-01 00:00", "2026-01-30 00:00", "2026-02-27 00:00", "2026-03-31 00:00",
           "2026-04-30 00:00", "2026-05-29 00:00");
    EXPECT("0 0 1W * *", "UTC0", "2026-08-02 00:00", "2026-08-03 00:00", "2026-09-01 00:00", "2026-10-01 00:00",
           "2026-11-02 00:00");
    EXPECT("0 0 31W * *", "UTC0", "2026-01-01 00:00", "2026-01-30 00:00", "2026-03-31 00:00", "2026-05-29 00:00");
    EXPECT("0 0 * * TUE#2", "UTC0", "2026-01-01 00:00", "2026-01-13 00:00", "2026-02-10 00:00");
    EXPECT("0 0 * * SUN#5", "UTC0", "2026-01-01 00:00", "2026-03-29 00:00", "2026-05-31 00:00");
    EXPECT("0 0 * * FRIL", "UTC0", "2026-01-01 00:00", "2026-01-30 00:00", "2026-02-27 00:00");
    EXPECT("0 0 29 2 *", "UTC0", "2096-03-01 00:00", "2104-02-29 00:00");
}

static void a_fixed_hour_that_is_skipped_fires_once_at_the_jump(void **state)
{
    (void)state;
    EXPECT("30 2 * * *", BERLIN, "2026-03-28 12:00", "2026-03-29 01:00", "2026-03-30 00:30");
    EXPECT("*/10 2 * * *", BERLIN, "2026-03-28 12:00", "2026-03-29 01:00", "2026-03-30 00:00");
    EXPECT("0 2,3 * * *", BERLIN, "2026-03-28 12:00", "2026-03-29 01:00", "2026-03-30 00:00");
    EXPECT("0 3 * * *", BERLIN, "2026-03-28 12:00", "2026-03-29 01:00", "2026-03-30 01:00");
    EXPECT("0 0 * * *", "<-04>4<-03>,M9.1.6/24,M4.1.6/24", "2026-09-05 12:00", "2026-09-06 04:00", "2026-09-07 03:00");
}

static void a_fixed_hour_that_is_repeated_fires_at_its_first_pass(void **state)
{
    (void)state;
    EXPECT("30 2 * * *", BERLIN, "2026-10-24 12:00", "2026-10-25 00:30", "2026-10-26 01:30");
    EXPECT("0,30 2,3 * * *", BERLIN, "2026-10-24 12:00", "2026-10-25 00:00", "2026-10-25 00:30", "2026-10-25 02:00",
           "2026-10-25 02:30", "2026-10-26 01:00");
    /* half an hour: 01:30 to 02:00 twice */
    EXPECT("*/15 1 * * *", "<+1030>-10:30<+11>-11,M10.1.0,M4.1.0", "2026-04-04 13:30", "2026-04-04 14:00", "2026-04-04 14:15",
           "2026-04-04 14:30", "2026-04-04 14:45", "2026-04-05 14:30");
}

static void any_hour_fires_whenever_the_clock_shows_it(void **state)
{
    (void)state;
    EXPECT("30 * * * *", BERLIN, "2026-10-24 23:30", "2026-10-25 00:30", "2026-10-25 01:30", "2026-10-25 02:30");
    EXPECT("30 * * * *", BERLIN, "2026-03-28 23:30", "2026-03-29 00:30", "2026-03-29 01:30");
    EXPECT("30 */2 * * *", BERLIN, "2026-03-28 22:30", "2026-03-28 23:30", "2026-03-29 02:30");
    EXPECT("30 */2 * * *", BERLIN, "2026-10-24 23:30", "2026-10-25 00:30", "2026-10-25 01:30", "2026-10-25 03:30");
}

static void the_range_of_years_ends(void **state)
{
    (void)state;
    struct cron daily = parse("@daily");
    struct tz *utc = zone("UTC0"), *west = zone("<-14>14");
    int64_t at;
    const struct tz *const zones[] = {utc, west};
    for (size_t i = 0; i < COUNT(zones); i++) {
        assert_false(cron_next(&daily, zones[i], CRON_MOST, &at));
        assert_false(cron_next(&daily, zones[i], INT64_MAX, &at));
        assert_false(cron_previous(&daily, zones[i], CRON_LEAST, &at));
        assert_false(cron_previous(&daily, zones[i], INT64_MIN, &at));
        assert_true(cron_next(&daily, zones[i], INT64_MIN, &at) && at >= CRON_LEAST);
        assert_true(cron_previous(&daily, zones[i], INT64_MAX, &at) && at <= CRON_MOST);
    }
    tz_free(utc);
    tz_free(west);
}

static void what_the_clock_always_skips_has_no_time(void **state)
{
    (void)state;
    /* the second hour of the day on which it is skipped, in all years */
    struct cron cron = parse("30 */23 8-14 3 */7");
    cron.hours = 1U << 2;
    struct tz *tz = zone("EST5EDT,M3.2.0,M11.1.0");
    int64_t at;
    assert_false(cron_next(&cron, tz, 0, &at));
    assert_false(cron_previous(&cron, tz, 0, &at));
    tz_free(tz);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(fields_are_read),
        cmocka_unit_test(what_is_wrong_is_named_with_its_field_and_position),
        cmocka_unit_test(what_never_fires_is_an_error),
        cmocka_unit_test(days_of_month_and_week_go_together_as_cron_has_them),
        cmocka_unit_test(special_days_are_found),
        cmocka_unit_test(a_fixed_hour_that_is_skipped_fires_once_at_the_jump),
        cmocka_unit_test(a_fixed_hour_that_is_repeated_fires_at_its_first_pass),
        cmocka_unit_test(any_hour_fires_whenever_the_clock_shows_it),
        cmocka_unit_test(the_range_of_years_ends),
        cmocka_unit_test(what_the_clock_always_skips_has_no_time),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
