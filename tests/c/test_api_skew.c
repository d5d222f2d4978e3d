/* Clock skew: what a reply's Date teaches, and what it does not. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/api_skew.h"

#define AT 1767322800.0 /* Fri, 02 Jan 2026 03:00:00 GMT */

static void a_reply_teaches_the_offset_or_nothing(void **state)
{
    (void)state;
    static const struct {
        const char *date, *age;
        double started, ended, before, after;
        bool learned;
    } rows[] = {
        {"Fri, 02 Jan 2026 03:00:00 GMT", NULL, AT, AT + 2, 0, 0, false},
        {"Fri, 02 Jan 2026 03:04:00 GMT", NULL, AT, AT, 0, 0, false},
        {"Fri, 02 Jan 2026 03:04:01 GMT", NULL, AT, AT, 0, 241, true},
        {"Fri, 02 Jan 2026 02:00:00 GMT", NULL, AT - 1, AT + 1, 0, -3600, true},
        {"Fri, 02 Jan 2026 04:00:00 GMT", NULL, AT + 10, AT + 30, 0, 3580, true},
        {"Fri, 02 Jan 2026 04:00:00 GMT", NULL, AT, AT, 3500, 3500, false},
        {"Fri, 02 Jan 2026 03:00:00 GMT", NULL, AT, AT, 3600, 0, true}, /* the clock was set meanwhile */
        {"Fri, 02 Jan 2026 04:00:00 GMT", "5", AT, AT, 0, 0, false},
        {"Fri, 02 Jan 2026 04:00:00 GMT", NULL, AT, AT + 901, 0, 0, false},
        {"Fri, 02 Jan 2026 04:00:00 GMT", NULL, AT, AT + 900, 0, 3150, true},
        {"yesterday", NULL, AT, AT, 0, 0, false},
        {"", NULL, AT, AT, 0, 0, false},
        {NULL, NULL, AT, AT, 0, 0, false},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct http_header headers[2];
        struct http_response response = {.headers = headers, .started = rows[i].started, .ended = rows[i].ended};
        double offset = rows[i].before;
        if (rows[i].date)
            headers[response.header_count++] = (struct http_header){(char *)"date", (char *)rows[i].date};
        if (rows[i].age)
            headers[response.header_count++] = (struct http_header){(char *)"Age", (char *)rows[i].age};
        bool learned = api_skew_learn(&response, &offset);
        if (learned != rows[i].learned || offset != rows[i].after)
            fail_msg("row %zu: %d, %g", i, learned, offset);
    }
}

static void only_errors_of_signature_and_time_are_suspected(void **state)
{
    (void)state;
    assert_true(api_skew_is_suspected("InvalidSignatureException"));
    assert_true(api_skew_is_suspected("RequestTimeTooSkewed"));
    assert_false(api_skew_is_suspected("AccessDeniedException"));
    assert_false(api_skew_is_suspected("UnrecognizedClientException"));
    assert_false(api_skew_is_suspected(""));
}

static void the_environment_turns_it_off(void **state)
{
    (void)state;
    unsetenv("AWS_DISABLE_CLOCK_SKEW_CORRECTION");
    assert_true(api_skew_enabled());
    setenv("AWS_DISABLE_CLOCK_SKEW_CORRECTION", "True", 1);
    assert_false(api_skew_enabled());
    setenv("AWS_DISABLE_CLOCK_SKEW_CORRECTION", "false", 1);
    assert_true(api_skew_enabled());
    unsetenv("AWS_DISABLE_CLOCK_SKEW_CORRECTION");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_reply_teaches_the_offset_or_nothing),
        cmocka_unit_test(only_errors_of_signature_and_time_are_suspected),
        cmocka_unit_test(the_environment_turns_it_off),
    };
    return cmocka_run_group_tests_name("api_skew", tests, NULL, NULL);
}
