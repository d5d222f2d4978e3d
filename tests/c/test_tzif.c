/* Time zones: files of every version, rules behind them, local times, and files that are broken. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "core/buf.h"
#include "core/civil.h"
#include "core/tzif.h"
#include "core/tzif_rule.h"

#define COUNT(table) (sizeof(table) / sizeof *(table))
#define BERLIN "CET-1CEST,M3.5.0,M10.5.0/3"

static int64_t epoch(int year, int month, int day, int hour)
{
    return civil_days(year, month, day) * DAY_SECONDS + hour * 3600;
}

static struct tz *load(const char *name)
{
    struct err err;
    struct tz *tz = tz_load(name, &err);
    if (!tz)
        fail_msg("%s: %s", name ? name : "the system's", err.message);
    return tz;
}

static void assert_offset(const struct tz *tz, int64_t utc, int offset)
{
    struct tz_period period = tz_period_at(tz, utc);
    assert_int_equal(period.offset, offset);
    assert_true(period.from <= utc && utc < period.until);
}

/* ---- files made here ---- */

struct sample {
    char version;
    uint32_t ut, standard, leap, times, types, chars;
    const char *footer;
    int64_t first;       /* transition, the others an hour later each */
    int32_t offset;      /* of type 1; type 0 is UTC */
    unsigned char index; /* of the type that the transitions lead to */
};

static void add(struct buf *out, uint64_t value, int size)
{
    for (int i = size - 1; i >= 0; i--)
        buf_addc(out, (char)(value >> (8 * i)));
}

static void add_block(struct buf *out, const struct sample *s, char version, int time_size)
{
    buf_adds(out, "TZif");
    buf_addc(out, version);
    for (int i = 0; i < 15; i++)
        buf_addc(out, '\0');
    const uint32_t counts[] = {s->ut, s->standard, s->leap, s->times, s->types, s->chars};
    for (size_t i = 0; i < COUNT(counts); i++)
        add(out, counts[i], 4);
    for (uint32_t i = 0; i < s->times && i < 100; i++)
        add(out, (uint64_t)(s->first + 3600 * (int64_t)i), time_size);
    for (uint32_t i = 0; i < s->times && i < 100; i++)
        buf_addc(out, (char)s->index);
    for (uint32_t i = 0; i < s->types && i < 100; i++) {
        add(out, i == 1 ? (uint32_t)s->offset : 0, 4);
        buf_addc(out, '\0');
        buf_addc(out, i == 1 ? 4 : 0);
    }
    if (s->chars)
        buf_add(out, "UTC\0XST", s->chars < 8 ? s->chars : 8);
    for (uint32_t i = 0; i < s->leap; i++)
        add(out, 0, time_size + 4 > 8 ? 8 : 4), add(out, 0, 4);
    for (uint32_t i = 0; i < s->standard + s->ut && i < 100; i++)
        buf_addc(out, '\0');
}

static struct tz *parse_sample(const struct sample *s, size_t cut, struct err *err)
{
    struct buf out;
    buf_init(&out, 1 << 16);
    add_block(&out, s, s->version, 4);
    if (s->version >= '2') {
        add_block(&out, s, s->version, 8);
        buf_addf(&out, "\n%s\n", s->footer);
    }
    assert_false(out.failed);
    assert_true(cut <= out.len);
    char *exact = malloc(out.len - cut + 1);
    memcpy(exact, out.data, out.len - cut);
    char *tight = realloc(exact, out.len - cut + (out.len == cut)); /* so that a sanitizer sees one byte more */
    err_clear(err);
    struct tz *tz = tz_parse(tight, out.len - cut, "Made/Up", err);
    free(tight);
    buf_free(&out);
    return tz;
}

static const struct sample good = {'2', 0, 0, 0, 3, 2, 8, "XST-2", 1000000, 7200, 1};

static void every_version_is_read(void **state)
{
    (void)state;
    static const char versions[] = {'\0', '2', '3', '4'};
    for (size_t i = 0; i < sizeof versions; i++) {
        struct sample sample = good;
        struct err err;
        sample.version = versions[i];
        struct tz *tz = parse_sample(&sample, 0, &err);
        assert_non_null(tz);
        assert_offset(tz, 999999, 0);
        assert_offset(tz, 1000000, 7200);
        assert_offset(tz, INT64_C(4000000000), 7200);
        assert_string_equal(tz_period_at(tz, 0).abbreviation, "UTC");
        assert_string_equal(tz_period_at(tz, 1000000).abbreviation, "XST");
        assert_string_equal(tz_name(tz), "Made/Up");
        tz_free(tz);
    }
}

static void a_file_that_is_cut_off_is_an_error(void **state)
{
    (void)state;
    struct err err;
    for (size_t cut = 1; cut <= 2 * 44; cut++) {
        assert_null(parse_sample(&good, cut, &err));
        assert_string_equal(err.code, ERR_FILE);
        assert_string_equal(err.file, "Made/Up");
    }
}

static void a_file_that_is_broken_is_an_error(void **state)
{
    (void)state;
    const struct {
        struct sample sample;
        const char *message;
    } cases[] = {
        {{'1', 0, 0, 0, 3, 2, 8, "", 0, 0, 1}, "version"},
        {{'2', 0, 0, 0, 3, 0, 8, "", 0, 0, 0}, "no local time types"},
        {{'2', 0, 0, 0, 0, 257, 8, "", 0, 0, 0}, "ends early"},
        {{'2', 0, 0, 0, 3, 2, 0, "", 0, 0, 1}, "no local time types"},
        {{'2', 1, 0, 0, 3, 2, 8, "", 0, 0, 1}, "do not fit"},
        {{'2', 0, 1, 0, 3, 2, 8, "", 0, 0, 1}, "do not fit"},
        {{'2', 0, 0, 1, 3, 2, 8, "", 0, 0, 1}, "leap seconds"},
        {{'2', 0, 0, 0, 3, 2, 8, "", 0, 0, 2}, "leads to no"},
        {{'2', 0, 0, 0, 3, 2, 8, "", 0, 93600, 1}, "offset"},
        {{'2', 0, 0, 0, 3, 2, 8, "", 0, -90000, 1}, "offset"},
        {{'2', 0, 0, 0, 3, 2, 7, "", 0, 0, 1}, "no name"},
        {{'2', 0, 0, 0, 3, 2, 3, "", 0, 0, 1}, "no name"},
        {{'2', 0, 0, 0, 0xFFFFFFFF, 2, 8, "", 0, 0, 1}, "ends early"},
        {{'2', 0, 0, 0, 3, 2, 8, "XST", 0, 0, 1}, "footer cannot be read"},
        {{'2', 0, 0, 0, 3, 2, 8, "", INT64_C(1) << 61, 0, 1}, "no time"},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct err err;
        struct tz *tz = parse_sample(&cases[i].sample, 0, &err);
        if (tz || !strstr(err.message, cases[i].message))
            fail_msg("case %zu: %s", i, tz ? "taken" : err.message);
        assert_string_equal(err.code, ERR_FILE);
    }
}

/* ---- rules ---- */

static void rules_go_on_for_ever(void **state)
{
    (void)state;
    struct err err;
    struct tz *tz = tz_from_rule(BERLIN, &err);
    assert_offset(tz, epoch(2026, 3, 29, 1) - 1, 3600);
    assert_offset(tz, epoch(2026, 3, 29, 1), 7200);
    assert_offset(tz, epoch(2026, 10, 25, 1) - 1, 7200);
    assert_offset(tz, epoch(2026, 10, 25, 1), 3600);
    assert_offset(tz, epoch(2426, 7, 1, 0), 7200);
    assert_true(tz_period_at(tz, epoch(2426, 7, 1, 0)).dst);
    assert_string_equal(tz_period_at(tz, epoch(2426, 7, 1, 0)).abbreviation, "CEST");
    tz_free(tz);

    tz = tz_from_rule("AEST-10AEDT,M10.1.0,M4.1.0/3", &err); /* the south: summer at the turn of the year */
    assert_offset(tz, epoch(2026, 1, 1, 0), 11 * 3600);
    assert_offset(tz, epoch(2026, 7, 1, 0), 10 * 3600);
    tz_free(tz);

    tz = tz_from_rule("XXX3EDT4,0/0,J365/23", &err); /* all year, as RFC 9636 has it */
    for (int month = 1; month <= 12; month++)
        assert_offset(tz, epoch(2026, month, 1, 0), -4 * 3600);
    tz_free(tz);

    tz = tz_from_rule("<-02>2<-01>,M3.5.0/-1,M10.5.0/0", &err); /* before midnight: the day before */
    assert_offset(tz, epoch(2026, 3, 29, 1) - 1, -2 * 3600);
    assert_offset(tz, epoch(2026, 3, 29, 1), -3600);
    tz_free(tz);

    tz = tz_from_rule("A-1", &err);
    assert_null(tz);
    assert_string_equal(err.code, ERR_USAGE);
}

static void days_of_a_rule_count_the_leap_day_or_not(void **state)
{
    (void)state;
    struct err err;
    struct tz *julian = tz_from_rule("STD0DST-1,J60/0,J300/0", &err), *zero = tz_from_rule("STD0DST-1,59/0,300/0", &err);
    assert_offset(julian, epoch(2028, 3, 1, 0) - 1, 0);
    assert_offset(julian, epoch(2028, 3, 1, 0), 3600);
    assert_offset(julian, epoch(2027, 3, 1, 0), 3600);
    assert_offset(zero, epoch(2028, 2, 29, 0), 3600);
    assert_offset(zero, epoch(2028, 2, 29, 0) - 1, 0);
    assert_offset(zero, epoch(2027, 3, 1, 0) - 1, 0);
    tz_free(julian);
    tz_free(zero);
}

static void what_is_no_rule_is_refused(void **state)
{
    (void)state;
    static const char *const wrong[] = {
        "", "CET", "CE-1", "CET-25", "CET-1:60", "<CET-1", "<C>-1", "CET-1CEST", "CET-1CEST,", "CET-1CEST,M3.5.0",
        "CET-1CEST,M3.5.0,", "CET-1CEST,M13.1.0,M10.5.0", "CET-1CEST,M3.6.0,M10.5.0", "CET-1CEST,M3.0.0,M10.5.0",
        "CET-1CEST,M3.5.7,M10.5.0", "CET-1CEST,J0,J365", "CET-1CEST,J1,J366", "CET-1CEST,0,366",
        "CET-1CEST,M3.5.0/168,M10.5.0", "CET-1CEST,M3.5.0,M10.5.0x", "CET-1 ", "CET-1CEST,M3",
        "CET-1CEST,X3.5.0,M10.5.0", "ABCDEFGHIJKLMNOPQ-1", "CET-99999999999",
    };
    struct tz_rule rule;
    for (size_t i = 0; i < COUNT(wrong); i++)
        if (tz_rule_parse(wrong[i], &rule))
            fail_msg("\"%s\" is taken", wrong[i]);
}

/* ---- local times ---- */

static void local_times_are_found_in_gaps_and_folds(void **state)
{
    (void)state;
    struct err err;
    struct tz *tz = tz_from_rule(BERLIN, &err);
    struct tz_instant at = tz_from_local(tz, epoch(2026, 6, 1, 12));
    assert_int_equal(at.kind, TZ_ONCE);
    assert_int_equal(at.first, epoch(2026, 6, 1, 10));
    at = tz_from_local(tz, epoch(2026, 3, 29, 2));
    assert_int_equal(at.kind, TZ_GAP);
    assert_int_equal(at.first, epoch(2026, 3, 29, 1));
    at = tz_from_local(tz, epoch(2026, 3, 29, 3));
    assert_int_equal(at.kind, TZ_ONCE);
    assert_int_equal(at.first, epoch(2026, 3, 29, 1));
    at = tz_from_local(tz, epoch(2026, 10, 25, 2));
    assert_int_equal(at.kind, TZ_FOLD);
    assert_int_equal(at.first, epoch(2026, 10, 25, 0));
    assert_int_equal(at.last, epoch(2026, 10, 25, 1));
    at = tz_from_local(tz, epoch(2026, 10, 25, 3));
    assert_int_equal(at.kind, TZ_ONCE);
    tz_free(tz);

    tz = load("Pacific/Apia"); /* which left out 30 December 2011 */
    at = tz_from_local(tz, epoch(2011, 12, 30, 12));
    assert_int_equal(at.kind, TZ_GAP);
    assert_int_equal(at.first, epoch(2011, 12, 30, 10));
    tz_free(tz);
}

/* ---- names ---- */

static void names_lead_to_files_below_tzdata_only(void **state)
{
    (void)state;
    static const char *const wrong[] = {"../zoneinfo/UTC", "/usr/share/zoneinfo/UTC", "Europe/../UTC", "./UTC", "Europe",
                                        "Europe/", "Europe//Berlin", "Europe/Berlin ", "..", "Europe/Berlin\n", "tzdata.zi",
                                        "zone.tab"};
    for (size_t i = 0; i < COUNT(wrong); i++) {
        struct err err;
        struct tz *tz = tz_load(wrong[i], &err);
        if (tz || !err.message[0])
            fail_msg("\"%s\" is taken", wrong[i]);
    }
}

static void the_nearest_name_is_told(void **state)
{
    (void)state;
    static const char *const cases[][2] = {{"Europe/Berln", "\"Europe/Berlin\""}, {"berlin", "\"Europe/Berlin\""},
                                           {"europe/berlin", "\"Europe/Berlin\""}, {"New York", "\"America/New_York\""},
                                           {"utc", "\"UTC\""}};
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct err err;
        assert_null(tz_load(cases[i][0], &err));
        assert_string_equal(err.code, ERR_USAGE);
        if (!strstr(err.message, cases[i][1]))
            fail_msg("%s: %s", cases[i][0], err.message);
    }
}

static void the_systems_zone_is_that_of_the_environment(void **state)
{
    (void)state;
    static const struct {
        const char *value, *name;
        int offset;
    } cases[] = {{"Asia/Kathmandu", "Asia/Kathmandu", 20700},
                 {":Asia/Kathmandu", "Asia/Kathmandu", 20700},
                 {"/usr/share/zoneinfo/Asia/Kathmandu", "Asia/Kathmandu", 20700},
                 {"JST-9", "JST-9", 32400},
                 {"", "UTC", 0}};
    for (size_t i = 0; i < COUNT(cases); i++) {
        setenv("TZ", cases[i].value, 1);
        struct tz *tz = load(NULL);
        assert_offset(tz, epoch(2026, 1, 1, 0), cases[i].offset);
        assert_string_equal(tz_name(tz), cases[i].name);
        tz_free(tz);
    }
    struct err err;
    setenv("TZ", "Nowhere/City", 1);
    assert_null(tz_load(NULL, &err));
    assert_string_equal(err.code, ERR_CONFIG);
    unsetenv("TZ");
    tz_free(load(NULL));
}

static void a_directory_without_zones_says_what_to_install(void **state)
{
    (void)state;
    struct err err;
    char directory[] = "/tmp/upjob-tzif-XXXXXX", file[64];
    assert_non_null(mkdtemp(directory));
    setenv("TZDIR", directory, 1);
    assert_null(tz_load("Europe/Berlin", &err));
    assert_string_equal(err.code, ERR_CONFIG);
    assert_non_null(strstr(err.message, "tzdata"));
    tz_free(load("UTC"));

    snprintf(file, sizeof file, "%s/Pipe", directory);
    assert_int_equal(mkfifo(file, 0600), 0);
    assert_null(tz_load("Pipe", &err)); /* and does not wait for a writer */
    assert_string_equal(err.code, ERR_FILE);
    unlink(file);

    snprintf(file, sizeof file, "%s/Empty", directory);
    fclose(fopen(file, "w"));
    assert_null(tz_load("Empty", &err));
    assert_string_equal(err.code, ERR_FILE);
    assert_string_equal(err.file, file);
    unlink(file);
    rmdir(directory);
    unsetenv("TZDIR");
}

static void days_and_dates_are_each_others_inverse(void **state)
{
    (void)state;
    for (int64_t days = civil_days(-401, 1, 1); days < civil_days(2500, 1, 1); days++) {
        struct civil date = civil_date(days);
        assert_int_equal(civil_days(date.year, date.month, date.day), days);
        assert_true(date.day >= 1 && date.day <= civil_month_days(date.year, date.month));
    }
    assert_int_equal(civil_days(1970, 1, 1), 0);
    assert_int_equal(civil_weekday(0), 4);
    assert_int_equal(civil_weekday(civil_days(1900, 1, 1)), 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_version_is_read),
        cmocka_unit_test(a_file_that_is_cut_off_is_an_error),
        cmocka_unit_test(a_file_that_is_broken_is_an_error),
        cmocka_unit_test(rules_go_on_for_ever),
        cmocka_unit_test(days_of_a_rule_count_the_leap_day_or_not),
        cmocka_unit_test(what_is_no_rule_is_refused),
        cmocka_unit_test(local_times_are_found_in_gaps_and_folds),
        cmocka_unit_test(names_lead_to_files_below_tzdata_only),
        cmocka_unit_test(the_nearest_name_is_told),
        cmocka_unit_test(the_systems_zone_is_that_of_the_environment),
        cmocka_unit_test(a_directory_without_zones_says_what_to_install),
        cmocka_unit_test(days_and_dates_are_each_others_inverse),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
