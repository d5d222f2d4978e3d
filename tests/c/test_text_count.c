/* What a text consists of: the fast count against one that goes byte by byte, in pieces of any size. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/text_count.h"
#include "core/utf8.h"

static struct text_count count_slowly(const char *bytes, size_t len)
{
    struct text_count count = {0};
    for (size_t i = 0; i < len; i++) {
        count.lf += bytes[i] == '\n';
        count.cr += bytes[i] == '\r';
        count.crlf += bytes[i] == '\n' && i > 0 && bytes[i - 1] == '\r';
        count.nuls += bytes[i] == '\0';
    }
    for (size_t at = 0, n; at < len; at += n) {
        bool whole = utf8_next(bytes + at, len - at, &n) == UTF8_WHOLE;
        count.multibyte += whole && n > 1;
        count.invalid += !whole;
        for (size_t i = 0; !whole && i < n; i++)
            count.in_invalid[(unsigned char)bytes[at + i]]++;
    }
    return count;
}

/* In pieces of `step` bytes; what a piece leaves comes again with the next. Stops count as pieces. */
static struct text_count count_in_pieces(const char *bytes, size_t len, size_t step, enum text_stop stop)
{
    struct text_count count = {0};
    for (size_t at = 0, end = step; at < len;) {
        end = end < len ? end : len;
        size_t n = text_count_feed(&count, bytes + at, end - at, end == len, stop);
        at += n;
        if (at == end || n == 0)
            end += step;
    }
    return count;
}

static void require_same(const struct text_count *a, const struct text_count *b, const char *what, size_t n)
{
    struct text_count left = *a, right = *b;
    left.after_cr = right.after_cr = false;
    if (memcmp(&left, &right, sizeof left) != 0)
        fail_msg("%s %zu: lf %lu %lu, cr %lu %lu, crlf %lu %lu, nuls %lu %lu, multibyte %lu %lu, invalid %lu %lu", what, n, a->lf,
                 b->lf, a->cr, b->cr, a->crlf, b->crlf, a->nuls, b->nuls, a->multibyte, b->multibyte, a->invalid, b->invalid);
}

static void the_fast_count_is_the_slow_one(void **state)
{
    (void)state;
    static const char *const likely[] = {"\n", "\r", "\r\n", "\0", "\xC3\xA9", "\xE2\x82\xAC", "\xF0\x9F\x98\x80", "\xE9",
                                         "\xE2\x82", "\x80"};
    unsigned seed = 11;
    for (size_t round = 0; round < 4000; round++) {
        char bytes[400];
        size_t len = 0, rare = 1 + (size_t)rand_r(&seed) % 60;
        while (len < sizeof bytes - 8) {
            if ((size_t)rand_r(&seed) % rare) {
                bytes[len++] = 'x';
                continue;
            }
            const char *add = likely[(size_t)rand_r(&seed) % 10];
            size_t n = *add ? strlen(add) : 1;
            memcpy(bytes + len, add, n);
            len += n;
        }
        struct text_count slow = count_slowly(bytes, len);
        for (size_t step = 1; step < len; step = step * 2 + 1)
            for (int stop = TEXT_STOP_NEVER; stop <= TEXT_STOP_NOT_ASCII; stop++) {
                struct text_count fast = count_in_pieces(bytes, len, step, (enum text_stop)stop);
                require_same(&fast, &slow, "round", round);
            }
    }
}

/* The counters of a block hold 255 each. */
static void long_runs_do_not_overflow(void **state)
{
    (void)state;
    enum { LEN = 1 << 20 };
    char *bytes = malloc(LEN);
    static const char fills[] = {'\n', '\r', '\0', 'x'};
    for (size_t i = 0; i < sizeof fills; i++) {
        memset(bytes, fills[i], LEN);
        struct text_count slow = count_slowly(bytes, LEN), fast = {0};
        assert_int_equal(text_count_feed(&fast, bytes, LEN, true, TEXT_STOP_NEVER), LEN);
        require_same(&fast, &slow, "fill", i);
    }
    for (size_t i = 0; i < LEN; i++)
        bytes[i] = i % 2 ? '\n' : '\r';
    struct text_count slow = count_slowly(bytes, LEN), fast = count_in_pieces(bytes, LEN, 4095, TEXT_STOP_NEVER);
    require_same(&fast, &slow, "pairs", 0);
    assert_int_equal(text_count_lines(&fast), LEN / 2);
    free(bytes);
}

static void it_stops_behind_what_it_is_told_to(void **state)
{
    (void)state;
    static const char text[] = "plain text that is longer than one block \xC3\xA9 and then \xE9 and more";
    size_t len = sizeof text - 1;
    struct text_count count = {0};
    size_t e = (size_t)(strstr(text, "\xC3") - text) + 2, bad = (size_t)(strchr(text, '\xE9') - text) + 1;
    assert_int_equal(text_count_feed(&count, text, len, true, TEXT_STOP_NOT_ASCII), e);
    assert_int_equal(text_count_feed(&count, text + e, len - e, true, TEXT_STOP_INVALID), bad - e);
    assert_int_equal(count.invalid, 1);
    assert_int_equal(text_count_feed(&count, text + bad, len - bad, true, TEXT_STOP_INVALID), len - bad);
    /* A character that the end cuts is left, unless nothing follows. */
    memset(&count, 0, sizeof count);
    assert_int_equal(text_count_feed(&count, "ab\xE2\x82", 4, false, TEXT_STOP_NEVER), 2);
    assert_int_equal(text_count_feed(&count, "\xE2\x82", 2, true, TEXT_STOP_NEVER), 2);
    assert_int_equal(count.invalid, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_fast_count_is_the_slow_one),
        cmocka_unit_test(long_runs_do_not_overflow),
        cmocka_unit_test(it_stops_behind_what_it_is_told_to),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
