/* Classes of characters. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "core/characters.h"
#include "core/utf8.h"

static void classes_are_as_large_as_in_unicode(void **state)
{
    (void)state;
    size_t spaces = 0, digits = 0, both = 0;
    long sum = 0;
    for (uint32_t c = 0; c <= 0x10FFFF; c++) {
        int digit = character_digit(c);
        spaces += character_is_space(c);
        digits += digit >= 0;
        sum += digit > 0 ? digit : 0;
        both += character_is_space(c) && character_is_invisible(c);
    }
    assert_int_equal(spaces, 25);  /* White_Space */
    assert_int_equal(digits, 660); /* Nd */
    assert_int_equal(sum, 66 * 45);
    assert_int_equal(both, 0);
    assert_false(character_is_space(UTF8_NONE) || character_is_invisible(UTF8_NONE) || character_digit(UTF8_NONE) >= 0);
}

static void digits_have_their_values(void **state)
{
    (void)state;
    static const uint32_t zeros[] = {'0', 0x0660, 0x06F0, 0x0966, 0xFF10, 0x1D7CE, 0x1FBF0};
    for (size_t i = 0; i < sizeof zeros / sizeof *zeros; i++) {
        for (uint32_t n = 0; n < 10; n++)
            assert_int_equal(character_digit(zeros[i] + n), n);
    }
    assert_int_equal(character_digit('0' - 1), -1);
    assert_int_equal(character_digit('9' + 1), -1);
    assert_int_equal(character_digit(0xB2), -1); /* superscript two */
}

static void blanks_are_counted_at_both_ends(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        size_t start, end;
    } samples[] = {
        {"", 0, 0},
        {"a", 0, 0},
        {" \t", 2, 2},
        {" a  ", 1, 2},
        {"\xC2\xA0\xE3\x80\x80z\xEF\xBB\xBF", 5, 3},
        {"\xA0 \x80", 0, 0},
        {"\xE2\x80", 0, 0},
        {"a\xE2\x80\x89\x89", 0, 0},
        {"\xF0\x9F\x98\x80 ", 0, 1},
    };
    for (size_t i = 0; i < sizeof samples / sizeof *samples; i++) {
        size_t len = strlen(samples[i].text);
        assert_int_equal(characters_blank_start(samples[i].text, len), samples[i].start);
        assert_int_equal(characters_blank_end(samples[i].text, len), samples[i].end);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(classes_are_as_large_as_in_unicode),
        cmocka_unit_test(digits_have_their_values),
        cmocka_unit_test(blanks_are_counted_at_both_ends),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
