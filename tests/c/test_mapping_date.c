/* Dates: formats that are none, what they read, and what is no day. */
#include "tests/c/mapping_values.h"

#include <time.h>

#include "core/mapping_date.h"

/* "1999-12-31", or what is wrong. */
static const char *read_with(const char *const *formats, long pivot, const char *text)
{
    static char out[1024];
    static const char *const wrong[] = {"", "other form", "no month", "no day", "no time"};
    struct mapping_arena memory = {0};
    struct err err;
    err_clear(&err);
    struct dates *dates = dates_new(formats, pivot, &memory, &err);
    char *copy = malloc(strlen(text) + 1);
    memcpy(copy, text, strlen(text));
    enum dates_result result = dates ? dates_read(dates, (struct csv_slice){copy, strlen(text)}, out) : DATES_GOOD;
    if (!dates || result != DATES_GOOD)
        snprintf(out, sizeof out, "%s", dates ? wrong[result] : err.message);
    free(copy);
    mapping_arena_free(&memory);
    return out;
}

static void each_format_reads_its_dates_and_no_others(void **state)
{
    (void)state;
    static const struct {
        const char *format, *text, *expected;
    } samples[] = {
        {"DD.MM.YYYY", "31.12.1999", "1999-12-31"},
        {"DD.MM.YYYY", "1.12.1999", "other form"},
        {"DD.MM.YYYY", "01.12.99", "other form"},
        {"DD.MM.YYYY", "01.12.1999 ", "other form"},
        {"DD.MM.YYYY", " 01.12.1999", "other form"},
        {"DD.MM.YYYY", "01.12.19999", "other form"},
        {"DD.MM.YYYY", "", "other form"},
        {"DD.MM.YYYY", "01.12.", "other form"},
        {"D.M.YYYY", "1.2.2003", "2003-02-01"},
        {"D.M.YYYY", "01.02.2003", "2003-02-01"},
        {"D.M.YYYY", "001.2.2003", "other form"},
        {"D. M. YYYY", "1. 2. 2003", "2003-02-01"},
        {"M/D/YY", "12/31/99", "1999-12-31"},
        {"M/D/YY", "1/2/03", "2003-01-02"},
        {"M/D/YY", "1/2/2003", "other form"},
        {"M/D/YY", "1/2/68", "2068-01-02"},
        {"M/D/YY", "1/2/69", "1969-01-02"},
        {"YYYYMMDD", "20240229", "2024-02-29"},
        {"YYYYMMDD", "20230229", "no day"},
        {"YYYYMMDD", "19000229", "no day"},
        {"YYYYMMDD", "20000229", "2000-02-29"},
        {"YYYYMMDD", "20241301", "no month"},
        {"YYYYMMDD", "20240001", "no month"},
        {"YYYYMMDD", "20240100", "no day"},
        {"YYYYMMDD", "20240132", "no day"},
        {"YYYYMMDD", "20240431", "no day"},
        {"YYYY-MM-DDTHH:mm:ssZ", "2024-01-02T03:04:05Z", "2024-01-02T03:04:05"},
        {"YYYY-MM-DD HH:mm", "2024-01-02 03:04", "2024-01-02T03:04:00"},
        {"M/D/YYYY H:mm", "1/2/2024 3:04", "2024-01-02T03:04:00"},
        {"YYYY-MM-DD HH:mm", "2024-01-02 24:00", "no time"},
        {"YYYY-MM-DD HH:mm", "2024-01-02 23:60", "no time"},
        {"YYYY-MM-DD HH:mm:ss", "2024-01-02 23:59:60", "no time"},
        {"D MMM YYYY", "1 Jan 2003", "2003-01-01"},
        {"D MMM YYYY", "1 SEPTEMBER 2003", "2003-09-01"},
        {"D MMM YYYY", "1 sept 2003", "2003-09-01"},
        {"DD-MMM-YY", "31-DEC-99", "1999-12-31"},
        {"MMMM D, YYYY", "January 5, 2003", "2003-01-05"},
        {"D MMM YYYY", "1 Ja 2003", "other form"},
        {"D MMM YYYY", "1 Janx 2003", "other form"},
        {"D MMM YYYY", "1  2003", "other form"},
        {"D. MMMM YYYY", "3. März 2003", "2003-03-03"},
        {"D. MMMM YYYY", "3. MÄRZ 2003", "2003-03-03"},
        {"D. MMM YYYY", "3. Mär 2003", "2003-03-03"},
        {"D MMMM YYYY", "14 août 2003", "2003-08-14"},
        {"D MMMM YYYY", "14 FÉVRIER 2003", "2003-02-14"},
        {"D MMM YYYY", "14 jui 2003", "other form"},
        {"D MMM YYYY", "14 juil 2003", "2003-07-14"},
        {"D MMM YYYY", "14 juin 2003", "2003-06-14"},
        {"D [de] MMMM [de] YYYY", "6 de enero de 2003", "2003-01-06"},
        {"D MMM YYYY", "6 dez 2003", "2003-12-06"},
        {"[Tag] D.M.YYYY", "Tag 1.2.2003", "2003-02-01"},
        {"YYYY年M月D日", "2003年2月1日", "2003-02-01"},
        {"D MMM YYYY", "6 \xC3", "other form"},
        {"D MMM YYYY", "6 \xC3( 2003", "other form"},
        {"D MMM YYYY", "6 decemberdecemberdecember 2003", "other form"},
        {"YYYY-MM-DD", "２００３-01-02", "other form"},
    };
    for (size_t i = 0; i < sizeof samples / sizeof *samples; i++) {
        const char *seen = read_with(LIST(samples[i].format), 0, samples[i].text);
        if (strcmp(seen, samples[i].expected) != 0)
            fail_msg("\"%s\" by \"%s\" gives \"%s\", not \"%s\"", samples[i].text, samples[i].format, seen,
                     samples[i].expected);
    }
}

static void every_day_of_four_centuries_is_one_and_no_other(void **state)
{
    (void)state;
    struct mapping_arena memory = {0};
    struct err err;
    char out[DATES_SIZE], text[16];
    struct dates *dates = dates_new(LIST("D/M/YYYY"), 0, &memory, &err);
    size_t good = 0;
    for (int year = 1801; year <= 2200; year++)
        for (int month = 1; month <= 12; month++)
            for (int day = 1; day <= 31; day++) {
                int len = snprintf(text, sizeof text, "%d/%d/%d", day, month, year);
                struct tm tm = {.tm_year = year - 1900, .tm_mon = month - 1, .tm_mday = day};
                timegm(&tm);
                bool expected = tm.tm_mday == day;
                if ((dates_read(dates, (struct csv_slice){text, (size_t)len}, out) == DATES_GOOD) != expected)
                    fail_msg("%s", text);
                good += expected;
            }
    assert_int_equal(good, 146097);
    mapping_arena_free(&memory);
}

static void the_first_format_that_fits_is_taken(void **state)
{
    (void)state;
    const char *const *both = LIST("D/M/YYYY", "M/D/YYYY");
    assert_string_equal(read_with(both, 0, "1/2/2003"), "2003-02-01");
    assert_string_equal(read_with(both, 0, "1/31/2003"), "2003-01-31");
    assert_string_equal(read_with(both, 0, "31/31/2003"), "no month");
    assert_string_equal(read_with(LIST("YYYY-MM-DD", "D.M.YY"), 0, "32.1.03"), "no day");
}

static void the_pivot_of_two_digit_years_can_be_told(void **state)
{
    (void)state;
    assert_string_equal(read_with(LIST("D.M.YY"), 30, "1.1.29"), "2029-01-01");
    assert_string_equal(read_with(LIST("D.M.YY"), 30, "1.1.30"), "1930-01-01");
    assert_string_equal(read_with(LIST("D.M.YY"), 100, "1.1.99"), "2099-01-01");
    assert_string_equal(read_with(LIST("D.M.YY"), 1, "1.1.00"), "2000-01-01");
    assert_string_equal(read_with(LIST("D.M.YY"), 101, "1.1.00"), "the first year of the 1900s has two digits");
    assert_string_equal(read_with(LIST("D.M.YY"), -1, "1.1.00"), "the first year of the 1900s has two digits");
}

static void a_format_that_is_none_is_refused(void **state)
{
    (void)state;
    static const char there[] = ": there are YYYY YY MM M MMM DD D HH H mm ss; other letters stand in [brackets]";
    static const struct sample samples[] = {
        {"dd.mm.yyyy", "the date format \"dd.mm.yyyy\" has \"dd\" (did you mean \"DD.MM.YYYY\"?)"},
        {"", "the date format \"\" has no year: YYYY or YY"},
        {"DD.MM", "the date format \"DD.MM\" has no year: YYYY or YY"},
        {"DD.YYYY", "the date format \"DD.YYYY\" has no month: MM, M or MMM"},
        {"MM.YYYY", "the date format \"MM.YYYY\" has no day: DD or D"},
        {"DD.MM.YYYY DD", "the date format \"DD.MM.YYYY DD\" has the same part twice: \"DD\""},
        {"DD.MM.YYYY HH", "the date format \"DD.MM.YYYY HH\" has half a time: HH and mm belong together"},
        {"DD.MM.YYYY mm", "the date format \"DD.MM.YYYY mm\" has half a time: HH and mm belong together"},
        {"DD.MM.YYYY [at", "the date format \"DD.MM.YYYY [at\" has no ] for its ["},
        {"MDYYYY",
         "in the date format \"MDYYYY\" nothing stands before \"D\", and the part there has one digit or two: write it with "
         "two letters"},
    };
    for (size_t i = 0; i < sizeof samples / sizeof *samples; i++)
        assert_string_equal(read_with(LIST(samples[i].text), 0, ""), samples[i].expected);
    char message[256];
    snprintf(message, sizeof message, "the date format \"YYY-MM-DD\" has \"YYY\"%s", there);
    assert_string_equal(read_with(LIST("YYY-MM-DD"), 0, ""), message);
    snprintf(message, sizeof message, "the date format \"DD at MM YYYY\" has \"a\"%s", there);
    assert_string_equal(read_with(LIST("DD at MM YYYY"), 0, ""), message);
    assert_string_equal(read_with(LIST(NULL), 0, ""), "a date needs a format, such as \"DD.MM.YYYY\"");
    char many[200];
    memset(many, '.', sizeof many - 1);
    many[sizeof many - 1] = '\0';
    assert_string_equal(read_with(LIST(many), 0, ""), "the date format \"....................…\" has more than 64 parts");
}

static void formats_are_told_in_a_sentence(void **state)
{
    (void)state;
    struct mapping_arena memory = {0};
    struct err err;
    char out[48];
    assert_string_equal(dates_told(dates_new(LIST("DD.MM.YYYY"), 0, &memory, &err), out, sizeof out), "DD.MM.YYYY");
    struct dates *three = dates_new(LIST("DD.MM.YYYY", "D.M.YY", "YYYY-MM-DD"), 0, &memory, &err);
    assert_string_equal(dates_told(three, out, sizeof out), "DD.MM.YYYY, D.M.YY or YYYY-MM-DD");
    assert_string_equal(dates_told(three, out, 22), "DD.MM.YYYY, …");
    mapping_arena_free(&memory);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_format_reads_its_dates_and_no_others),
        cmocka_unit_test(every_day_of_four_centuries_is_one_and_no_other),
        cmocka_unit_test(the_first_format_that_fits_is_taken),
        cmocka_unit_test(the_pivot_of_two_digit_years_can_be_told),
        cmocka_unit_test(a_format_that_is_none_is_refused),
        cmocka_unit_test(formats_are_told_in_a_sentence),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
