/* What of a text reaches a terminal. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "core/printable.h"

static void expect(const char *text, size_t len, const char *shown)
{
    char got[256] = "";
    for (size_t at = 0; at < len;) {
        char character[PRINTABLE_SIZE];
        at += printable_character(text + at, len - at, character);
        strcat(got, character);
    }
    assert_string_equal(got, shown);
}

#define EXPECT(text, shown) expect(text, sizeof(text) - 1, shown)

static void text_stays_as_it_is(void **state)
{
    (void)state;
    EXPECT("", "");
    EXPECT("plain ~ \\ text", "plain ~ \\ text");
    EXPECT("M\xC3\xBCller \xE6\x97\xA5\xE6\x9C\xAC \xF0\x9F\x98\x80", "M\xC3\xBCller \xE6\x97\xA5\xE6\x9C\xAC \xF0\x9F\x98\x80");
}

static void what_a_terminal_obeys_is_shown(void **state)
{
    (void)state;
    EXPECT("\x1B[2J\a\0\n\x7F", "\\x1B[2J\\x07\\x00\\x0A\\x7F");
    EXPECT("\xC2\x80 \xC2\x9B" "31m \xC2\x9F \xC2\xA0", "\\u{80} \\u{9B}31m \\u{9F} \xC2\xA0");
    EXPECT("\xD8\x9C\xE2\x80\x8E\xE2\x80\x8F\xE2\x80\xAE\xE2\x81\xA6\xE2\x81\xA9",
           "\\u{61C}\\u{200E}\\u{200F}\\u{202E}\\u{2066}\\u{2069}");
}

static void bytes_that_are_no_text_are_shown(void **state)
{
    (void)state;
    EXPECT("a\xE9" "b", "a\\xE9b");
    EXPECT("\x9B" "31m", "\\x9B31m");
    EXPECT("\xE2\x82", "\\xE2\\x82");
    EXPECT("\xC0\x9B", "\\xC0\\x9B");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(text_stays_as_it_is),
        cmocka_unit_test(what_a_terminal_obeys_is_shown),
        cmocka_unit_test(bytes_that_are_no_text_are_shown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
