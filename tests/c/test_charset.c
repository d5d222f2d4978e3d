/* Character sets: what is converted, in pieces of any size; what cannot be is marked or told; which set bytes are in. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>
#include <iconv.h>

#include "core/charset.h"
#include "core/utf8.h"
#include "tests/c/inputting.h"

#define MOST ((size_t)256 << 20)

/* UTF-8 text in another set, by another converter than ours. */
static void encode(const char *set, const char *text, struct buf *out)
{
    iconv_t to = iconv_open(set, "UTF-8");
    char *in = (char *)(uintptr_t)text;
    size_t in_len = strlen(text), room = in_len * 4 + 16;
    char *at = buf_reserve(out, room);
    size_t left = room;
    if (to == (iconv_t)-1 || iconv(to, &in, &in_len, &at, &left) == (size_t)-1)
        fail_msg("iconv cannot write %s", set);
    out->len += room - left;
    iconv_close(to);
}

static void conversions_are_those_of_another_converter_whatever_the_pieces(void **state)
{
    (void)state;
    static const struct {
        const char *set, *text;
    } samples[] = {
        {"WINDOWS-1252", "Name;Ort\r\nJos\u00E9;K\u00F6ln \u201Ex\u201C 5 \u20AC\r\n"},
        {"ISO-8859-15", "5 \u20AC;\u0153uvre \u0160\n"},
        {"WINDOWS-1250", "Wa\u0142\u0119sa;\u0141\u00F3d\u017A\n"},
        {"WINDOWS-1251", "\u0418\u0432\u0430\u043D;\u2116 5\n"},
        {"KOI8-R", "\u0418\u0432\u0430\u043D\n"},
        {"UTF-16LE", "a\t\u00E9\t\u4E2D\t\U0001F600\r\n"},
        {"UTF-16BE", "a\t\u00E9\t\u4E2D\t\U0001F600\r\n"},
        {"UTF-32LE", "a\t\u00E9\t\u4E2D\t\U0001F600\r\n"},
        {"SHIFT_JIS", "\u5C71\u7530,\u30BD\u8868,\u6771\u4EAC\n"},
        {"GB18030", "\u5F20\u4F1F,\u5317\u4EAC,\u20AC\n"},
        {"EUC-KR", "\uAE40\uCCA0\uC218\n"},
        {"MACINTOSH", "J\u00FCrgen\rRen\u00E9\r"},
        {"IBM850", "J\u00FCrgen\n"},
    };
    for (size_t i = 0; i < sizeof samples / sizeof samples[0]; i++) {
        struct buf bytes, found;
        struct err err;
        struct input_options options = {.encoding = samples[i].set};
        buf_init(&bytes, MOST);
        buf_init(&found, MOST);
        encode(samples[i].set, samples[i].text, &bytes);
        for (size_t in = 1; in <= bytes.len; in++)
            for (size_t out = 1; out < 9; out++) {
                buf_reset(&found);
                if (!read_bytes_as(bytes.data, bytes.len, in, out, &options, &found, &err))
                    fail_msg("%s: %s", samples[i].set, err.message);
                if (found.len != strlen(samples[i].text) || memcmp(found.data, samples[i].text, found.len) != 0)
                    fail_msg("%s in pieces of %zu: \"%s\"", samples[i].set, in, found.data);
            }
        buf_free(&bytes);
        buf_free(&found);
    }
}

/* Longer than every buffer, with what is not ASCII at every distance. */
static void long_texts_are_converted_whole(void **state)
{
    (void)state;
    static const char *const sets[] = {"WINDOWS-1252", "UTF-16LE", "UTF-16BE", "UTF-8"};
    struct buf text;
    buf_init(&text, MOST);
    for (int i = 0; text.len < 300000; i++) {
        buf_addf(&text, "%d,%.*s\u00E9\u20AC\n", i, i % 40, "0123456789012345678901234567890123456789");
    }
    for (size_t i = 0; i < sizeof sets / sizeof sets[0]; i++) {
        struct buf bytes, found;
        struct err err;
        struct input_options options = {.encoding = sets[i]};
        buf_init(&bytes, MOST);
        buf_init(&found, MOST);
        encode(sets[i], text.data, &bytes);
        for (size_t in = 4091; in < 70000; in = in * 4 + 1) {
            buf_reset(&found);
            assert_true(read_bytes_as(bytes.data, bytes.len, in, in / 3, &options, &found, &err));
            assert_int_equal(found.len, text.len);
            assert_memory_equal(found.data, text.data, text.len);
        }
        buf_free(&bytes);
        buf_free(&found);
    }
    buf_free(&text);
}

static void unicode_is_recognised_with_and_without_its_mark(void **state)
{
    (void)state;
    static const char *const sets[] = {"UTF-16LE", "UTF-16BE", "UTF-32LE", "UTF-32BE"};
    static const char text[] = "Id\tName\r\n1\tJos\u00E9\r\n2\t\u4E2D\u6587\r\n";
    for (size_t i = 0; i < sizeof sets / sizeof sets[0]; i++)
        for (int marked = 0; marked < 2; marked++) {
            struct buf bytes, found;
            struct err err;
            buf_init(&bytes, MOST);
            buf_init(&found, MOST);
            if (marked)
                encode(sets[i], "\uFEFF", &bytes);
            encode(sets[i], text, &bytes);
            int fd = file_with(bytes.data, bytes.len);
            struct input *input = input_open_fd(fd, "t.csv", NULL, &err);
            assert_true(read_all(input, 0, &found, &err));
            assert_string_equal(found.data, text);
            assert_string_equal(input_encoding(input), sets[i]);
            assert_int_equal(input_had_mark(input), marked);
            /* Told without its order, the mark says it. */
            struct input_options options = {.encoding = i < 2 ? "utf16" : "utf-32"};
            buf_reset(&found);
            assert_true(input_rewind(input, &options, &err) && read_all(input, 3, &found, &err));
            assert_string_equal(found.data, text);
            input_close(input);
            close(fd);
            buf_free(&bytes);
            buf_free(&found);
        }
}

/* The bytes, and what becomes of them with keep_invalid. */
static void what_is_no_text_is_never_replaced_by_what_reads_well(void **state)
{
    (void)state;
    static const struct {
        const char *set;
        const char *bytes;
        size_t len;
        const char *text;
        long line;
    } samples[] = {
        {"windows-1252", "a\r\nb\x81" "c\n", 7, "a\r\nb\xFF" "c\n", 2},
        {"windows-1253", "\xD2\n", 2, "\xFF\n", 1},
        {"UTF-16LE", "a\0\n\0\0\xD8" "b\0", 8, "a\n\xFF" "b", 2},             /* half a pair */
        {"UTF-16LE", "\0\xDC" "b\0", 4, "\xFF" "b", 1},                        /* the other half */
        {"UTF-16LE", "a\0b", 3, "a\xFF", 1},                                   /* half a unit */
        {"UTF-16LE", "a\0\0\xD8", 4, "a\xFF", 1},                              /* half a pair at the end */
        {"UTF-16BE", "\xFF\xFE\0b", 4, "\xFF" "b", 1},                         /* a noncharacter */
        {"UTF-32LE", "a\0\0\0\0\0\x11\0", 8, "a\xFF", 1},                      /* above U+10FFFF */
        {"Shift_JIS", "a\x82", 2, "a\xFF", 1},                                 /* cut */
        {"GB18030", "x\ry\xFFz", 5, "x\ry\xFFz", 2},
    };
    for (size_t i = 0; i < sizeof samples / sizeof samples[0]; i++)
        for (size_t step = 1; step <= samples[i].len; step++) {
            struct buf found;
            struct err err;
            struct input_options options = {.encoding = samples[i].set, .keep_invalid = true};
            buf_init(&found, MOST);
            assert_true(read_bytes_as(samples[i].bytes, samples[i].len, step, step, &options, &found, &err));
            if (found.len != strlen(samples[i].text) || memcmp(found.data, samples[i].text, found.len) != 0)
                fail_msg("sample %zu in pieces of %zu: %zu bytes", i, step, found.len);
            buf_reset(&found);
            options.keep_invalid = false;
            assert_false(read_bytes_as(samples[i].bytes, samples[i].len, step, step, &options, &found, &err));
            assert_true(err_is(&err, ERR_INVALID_FILE));
            assert_int_equal(err.line, samples[i].line);
            assert_true(utf8_valid(found.data, found.len, NULL));
            assert_int_equal(found.len, strcspn(samples[i].text, "\xFF")); /* what stands before it is given */
            buf_free(&found);
        }
}

static void a_set_that_nobody_knows_is_a_usage_error_with_the_nearest(void **state)
{
    (void)state;
    static const struct {
        const char *name, *near;
    } names[] = {{"windows-1525", "windows-125"}, {"utf-61", "UTF-16"}, {"shift-jsi", "shift"}, {"../../etc/passwd", "such are"},
                 {"", "such are"}, {"x\ny", "such are"}};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        struct err err;
        struct input_options options = {.encoding = names[i].name};
        err_clear(&err);
        assert_null(input_open_source(read_pieces, NULL, "t.csv", &options, &err));
        assert_true(err_is(&err, ERR_USAGE));
        if (!strcasestr(err.message, names[i].near))
            fail_msg("%s: %s", names[i].name, err.message);
    }
}

static void aliases_have_the_name_that_iana_prefers(void **state)
{
    (void)state;
    static const struct {
        const char *alias, *name;
    } names[] = {{"cp1252", "windows-1252"}, {"latin1", "ISO-8859-1"}, {"sjis", "Shift_JIS"}, {"utf-16le", "UTF-16LE"},
                 {"WINDOWS-1250", "windows-1250"}, {"cp850", "IBM850"}};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        char found[CHARSET_NAME];
        struct err err;
        assert_true(charset_module.canonical(names[i].alias, found, &err));
        assert_string_equal(found, names[i].name);
    }
}

static void the_set_is_guessed_from_names_and_towns(void **state)
{
    (void)state;
    static const struct {
        const char *set, *text, *guess;
    } samples[] = {
        {"WINDOWS-1252", "M\u00FCller\n", "windows-1252"},
        {"WINDOWS-1252", "M\u00DCLLER,K\u00D6LN\nGROSSE STRA\u00DFE\n", "windows-1252"},
        {"WINDOWS-1252", "Jos\u00E9 Garc\u00EDa,M\u00E1laga\nMu\u00F1oz\n", "windows-1252"},
        {"WINDOWS-1252", "Ren\u00E9,H\u00E9l\u00E8ne,Fran\u00E7ois\n", "windows-1252"},
        {"WINDOWS-1252", "Jo\u00E3o,S\u00E3o Paulo\nConcei\u00E7\u00E3o\n", "windows-1252"},
        {"WINDOWS-1252", "S\u00F8ren Kj\u00E6rg\u00E5rd,\u00C5rhus\n", "windows-1252"},
        {"WINDOWS-1252", "O\u2019Brien\n", "windows-1252"},
        {"WINDOWS-1252", "5 \u20AC\n", "windows-1252"},
        {"ISO-8859-15", "C\u0153ur,5 \u20AC\nLef\u0153vre\n", "ISO-8859-15"},
        {"WINDOWS-1250", "Lech Wa\u0142\u0119sa,\u0141\u00F3d\u017A\nZbigniew,Gda\u0144sk\n", "windows-1250"},
        {"WINDOWS-1250", "Anton\u00EDn Dvo\u0159\u00E1k,Plze\u0148\nN\u011Bmec,\u010Cesk\u00E9\n", "windows-1250"},
        {"WINDOWS-1251", "\u0418\u0432\u0430\u043D \u041F\u0435\u0442\u0440\u043E\u0432,\u041C\u043E\u0441\u043A\u0432\u0430\n",
         "windows-1251"},
        {"KOI8-R", "\u0418\u0432\u0430\u043D \u041F\u0435\u0442\u0440\u043E\u0432,\u041C\u043E\u0441\u043A\u0432\u0430\n",
         "KOI8-R"},
        {"WINDOWS-1253", "\u0393\u03B9\u03CE\u03C1\u03B3\u03BF\u03C2,\u0391\u03B8\u03AE\u03BD\u03B1\n", "windows-1253"},
        {"WINDOWS-1254", "\u015E\u00FCkr\u00FC Y\u0131lmaz,\u0130stanbul\nG\u00FCne\u015F\n", "windows-1254"},
        {"IBM850", "J\u00FCrgen M\u00FCller\nGro\u00DF\n", "IBM850"},
        {"MACINTOSH", "J\u00FCrgen M\u00FCller\rRen\u00E9\r", "macintosh"},
        {"SHIFT_JIS", "\u5C71\u7530\u592A\u90CE,\u6771\u4EAC\u90FD\n\u30B9\u30BA\u30AD\n", "Shift_JIS"},
        {"GBK", "\u5F20\u4F1F,\u5317\u4EAC\n\u738B\u82B3,\u4E0A\u6D77\n", "GB18030"},
        {"EUC-KR", "\uAE40\uCCA0\uC218,\uC11C\uC6B8\n\uC774\uC601\uD76C,\uBD80\uC0B0\n", "EUC-KR"},
    };
    for (size_t i = 0; i < sizeof samples / sizeof samples[0]; i++) {
        struct buf bytes;
        uint64_t counts[256] = {0};
        struct charset_guess guess;
        struct err err;
        buf_init(&bytes, MOST);
        encode(samples[i].set, samples[i].text, &bytes);
        for (size_t k = 0; k < bytes.len; k++)
            counts[(unsigned char)bytes.data[k]]++;
        struct charset_evidence evidence = {bytes.data, bytes.len, counts, strchr(samples[i].text, '\r') != NULL};
        assert_true(charset_module.guess(&evidence, &guess, &err));
        if (strcmp(guess.name, samples[i].guess) != 0)
            fail_msg("%s is taken for %s (%d %%)", samples[i].set, guess.name, guess.confidence);
        assert_in_range(guess.confidence, 5, 95);
        buf_free(&bytes);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(conversions_are_those_of_another_converter_whatever_the_pieces),
        cmocka_unit_test(long_texts_are_converted_whole),
        cmocka_unit_test(unicode_is_recognised_with_and_without_its_mark),
        cmocka_unit_test(what_is_no_text_is_never_replaced_by_what_reads_well),
        cmocka_unit_test(a_set_that_nobody_knows_is_a_usage_error_with_the_nearest),
        cmocka_unit_test(aliases_have_the_name_that_iana_prefers),
        cmocka_unit_test(the_set_is_guessed_from_names_and_towns),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
