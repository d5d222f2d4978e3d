/* UTF-8: what is valid, where it is not, whole and in pieces. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/utf8.h"

#define DATA(text) (text), sizeof(text) - 1

struct sample {
    const char *bytes;
    size_t len;
    long error_at; /* -1: valid */
};

static const struct sample samples[] = {
    {DATA(""), -1},
    {DATA("plain"), -1},
    {DATA("\0"), -1},
    {DATA("caf\xC3\xA9"), -1},
    {DATA("\xE2\x82\xAC"), -1},
    {DATA("\xF0\x9F\x98\x80"), -1},
    {DATA("\xC2\x80\xDF\xBF\xE0\xA0\x80\xEF\xBF\xBF\xF0\x90\x80\x80\xF4\x8F\xBF\xBF"), -1},
    {DATA("\xED\x9F\xBF\xEE\x80\x80"), -1},
    {DATA("\x80"), 0},
    {DATA("ab\xBF"), 2},
    {DATA("\xC0\x80"), 0}, /* overlong NUL */
    {DATA("\xC1\xBF"), 0},
    {DATA("\xE0\x9F\xBF"), 0}, /* overlong */
    {DATA("x\xF0\x8F\xBF\xBF"), 1},
    {DATA("\xED\xA0\x80"), 0}, /* surrogates */
    {DATA("\xED\xBF\xBF"), 0},
    {DATA("\xF4\x90\x80\x80"), 0}, /* above U+10FFFF */
    {DATA("\xF5\x80\x80\x80"), 0},
    {DATA("\xFF\xFE"), 0},
    {DATA("caf\xE9"), 3}, /* Latin-1 */
    {DATA("caf\xE9 x"), 3},
    {DATA("\xE2\x82"), 0},
    {DATA("\xE2\x82 "), 0},
    {DATA("\xC3\xA9\xF0\x9F\x98"), 2},
    {DATA("0123456789abcdef0123456789abcdef\xC3"), 32},
    {DATA("\xC3\xA9"
          "0123456789abcdef\xFE"
          "0123456789abcdef"),
     18},
};
enum { COUNT = sizeof samples / sizeof *samples };

static void the_table_of_rfc_3629(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT; i++) {
        size_t at = 99;
        bool valid = utf8_valid(samples[i].bytes, samples[i].len, &at);
        if (valid != (samples[i].error_at < 0) || (!valid && (long)at != samples[i].error_at))
            fail_msg("sample %zu: valid %d, error at %zu", i, valid, at);
        assert_int_equal(utf8_valid(samples[i].bytes, samples[i].len, NULL), valid);
    }
    assert_true(utf8_valid(NULL, 0, NULL));
}

static void any_pieces_give_the_same_answer(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT; i++)
        for (size_t step = 1; step <= samples[i].len; step++) {
            struct utf8_state s = {0};
            for (size_t at = 0; at < samples[i].len; at += step) {
                size_t left = samples[i].len - at;
                utf8_feed(&s, samples[i].bytes + at, left < step ? left : step);
            }
            bool valid = utf8_finish(&s);
            if (valid != (samples[i].error_at < 0) || (!valid && (long)s.error_at != samples[i].error_at))
                fail_msg("sample %zu, step %zu: valid %d, error at %zu", i, step, valid, (size_t)s.error_at);
        }
}

/* The same from the definition: decode, then look at the code point. */
static bool slow_valid(const unsigned char *at, size_t len)
{
    static const unsigned least[] = {0, 0, 0x80, 0x800, 0x10000};
    while (len > 0) {
        size_t n = at[0] < 0x80   ? 1
                   : at[0] < 0xC0 ? 0
                   : at[0] < 0xE0 ? 2
                   : at[0] < 0xF0 ? 3
                   : at[0] < 0xF8 ? 4
                                  : 0;
        if (n == 0 || n > len)
            return false;
        unsigned code = n == 1 ? at[0] : at[0] & (0x7Fu >> n);
        for (size_t i = 1; i < n; i++) {
            if ((at[i] & 0xC0) != 0x80)
                return false;
            code = code << 6 | (at[i] & 0x3Fu);
        }
        if (code < least[n] || code > 0x10FFFF || (code >= 0xD800 && code <= 0xDFFF))
            return false;
        at += n;
        len -= n;
    }
    return true;
}

static void random_bytes_agree_with_the_definition(void **state)
{
    (void)state;
    unsigned seed = 5;
    static const unsigned char likely[] = {0x41, 0x80, 0x8F, 0x90, 0x9F, 0xA0, 0xBF,
                                           0xC2, 0xE0, 0xE1, 0xED, 0xF0, 0xF4};
    for (int round = 0; round < 300000; round++) {
        unsigned char bytes[40];
        size_t len = (size_t)rand_r(&seed) % 7;
        size_t before = (size_t)rand_r(&seed) % 33;
        memset(bytes, 'x', before);
        for (size_t i = 0; i < len; i++)
            bytes[before + i] = rand_r(&seed) % 8 ? likely[(size_t)rand_r(&seed) % sizeof likely]
                                                  : (unsigned char)rand_r(&seed);
        assert_int_equal(utf8_valid((char *)bytes, before + len, NULL), slow_valid(bytes, before + len));
    }
}

static void characters_are_counted_not_bytes(void **state)
{
    (void)state;
    assert_int_equal(utf8_length("", 0), 0);
    assert_int_equal(utf8_length(DATA("caf\xC3\xA9")), 4);
    assert_int_equal(utf8_length(DATA("\xF0\x9F\x98\x80\xE2\x82\xAC\xC3\xA9 0123456789")), 14);
    assert_int_equal(utf8_prefix(DATA("caf\xC3\xA9s"), 4), 5);
    assert_int_equal(utf8_prefix(DATA("caf\xC3\xA9s"), 3), 3);
    assert_int_equal(utf8_prefix(DATA("caf"), 9), 3);
    unsigned seed = 3;
    char bytes[300];
    for (int round = 0; round < 2000; round++) {
        size_t len = (size_t)rand_r(&seed) % sizeof bytes, slow = 0;
        for (size_t i = 0; i < len; i++) {
            bytes[i] = (char)rand_r(&seed);
            slow += ((unsigned char)bytes[i] & 0xC0) != 0x80;
        }
        assert_int_equal(utf8_length(bytes, len), slow);
    }
}

static void a_prefix_of_bytes_that_are_not_utf8_is_no_longer_than_one_that_is(void **state)
{
    (void)state;
    char bytes[300];
    memset(bytes, 0x80, sizeof bytes);
    assert_true(utf8_prefix(bytes, sizeof bytes, 60) <= 240);
    bytes[0] = 'a';
    assert_true(utf8_prefix(bytes, sizeof bytes, 1) <= 4);
    assert_int_equal(utf8_prefix(bytes, sizeof bytes, 0), 0);
    assert_int_equal(utf8_prefix(bytes + 1, sizeof bytes - 1, 0), 0);
}

static void every_character_is_read_as_it_was_written(void **state)
{
    (void)state;
    for (uint32_t c = 0; c <= 0x10FFFF; c++) {
        char bytes[4];
        uint32_t read;
        if (c == 0xD800)
            c = 0xE000;
        size_t len = utf8_encode(c, bytes);
        if (!utf8_valid(bytes, len, NULL) || utf8_length(bytes, len) != 1)
            fail_msg("U+%04X is not UTF-8", c);
        if (utf8_decode(bytes, len, &read) != len || read != c)
            fail_msg("U+%04X reads as U+%04X", c, read);
        if (len > 1 && (utf8_decode(bytes, len - 1, &read) != 1 || read != UTF8_NONE))
            fail_msg("U+%04X, cut, reads as U+%04X", c, read);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_table_of_rfc_3629),
        cmocka_unit_test(any_pieces_give_the_same_answer),
        cmocka_unit_test(random_bytes_agree_with_the_definition),
        cmocka_unit_test(characters_are_counted_not_bytes),
        cmocka_unit_test(a_prefix_of_bytes_that_are_not_utf8_is_no_longer_than_one_that_is),
        cmocka_unit_test(every_character_is_read_as_it_was_written),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
