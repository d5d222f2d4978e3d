/* When keys end: every spelling that the sources use, and none that only looks like one. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "core/credentials_time.h"

#define COUNT(table) (sizeof(table) / sizeof *(table))

static void every_spelling_of_a_time_is_read(void **state)
{
    static const struct {
        const char *text;
        time_t time;
    } times[] = {
        {"2001-09-09T01:46:40Z", 1000000000},      {"2001-09-09t01:46:40z", 1000000000},
        {"2001-09-09T01:46:40", 1000000000},       {"2001-09-09 01:46:40+00:00", 1000000000},
        {"2001-09-09T01:46:40.5Z", 1000000000},    {"2001-09-09T01:46:40.123456789+00:00", 1000000000},
        {"2001-09-09T03:46:40+02:00", 1000000000}, {"2001-09-09T03:46:40+0200", 1000000000},
        {"2001-09-09T03:46:40+02", 1000000000},    {"2001-09-08T20:16:40-05:30", 1000000000},
        {"2001-09-09T01:46:40UTC", 1000000000},    {"2000-02-29T00:00:00Z", 951782400},
        {"2100-01-01T00:00:00Z", 4102444800},      {"1970-01-01T00:00:00Z", 1},
    };
    (void)state;
    for (size_t i = 0; i < COUNT(times); i++) {
        time_t time = -1;
        if (!credentials_time_parse(times[i].text, &time) || time != times[i].time)
            fail_msg("%s was read as %lld", times[i].text, (long long)time);
    }
}

static void what_is_no_time_is_refused(void **state)
{
    static const char *const texts[] = {
        "",
        "tomorrow",
        "2001",
        "2001-09-09",
        "2001-09-09T01:46",
        "2001-9-9T01:46:40Z",
        "2001-02-30T00:00:00Z",
        "2001-13-01T00:00:00Z",
        "2001-09-09T24:00:00Z",
        "2001-09-09T01:60:40Z",
        "2001-09-09T01:46:61Z",
        "2001-09-09T01:46:40.Z",
        "2001-09-09T01:46:40+2",
        "2001-09-09T01:46:40+02:6",
        "2001-09-09T01:46:40+02:75",
        "2001-09-09T01:46:40Z ",
        "2001-09-09T01:46:40 Europe/Berlin",
        "+001-09-09T01:46:40Z",
        "2001-00-09T01:46:40Z",
        "2001-09-00T01:46:40Z",
        "1000000000",
    };
    (void)state;
    for (size_t i = 0; i < COUNT(texts); i++) {
        time_t time = -1;
        if (credentials_time_parse(texts[i], &time))
            fail_msg("\"%s\" was read as %lld", texts[i], (long long)time);
    }
}

static void a_time_is_written_as_it_is_read(void **state)
{
    char text[24];
    (void)state;
    credentials_time_format(1000000000, text);
    assert_string_equal(text, "2001-09-09T01:46:40Z");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_spelling_of_a_time_is_read),
        cmocka_unit_test(what_is_no_time_is_refused),
        cmocka_unit_test(a_time_is_written_as_it_is_read),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
