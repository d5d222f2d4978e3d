/* The CSV reader on generated texts, by every path of its scan and with windows of several sizes, beside the reference.
 *     test_csv_paths [TEXTS [SEED]]      as many short texts, from that seed on
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/csv_scan.h"
#include "tests/reference/csv_compare.h"
#include "tests/reference/csv_generate.h"
#include "tests/reference/csv_sizes.h"

static uint64_t texts = 40000, first_seed = 1;
static const struct csv_sizes as_built = {(size_t)128 << 10, (size_t)128 << 10};

/* A text that stands in memory of just its size, so that a sanitizer sees a byte more. */
static char *exactly(const struct buf *text)
{
    char *copy = malloc(text->len ? text->len : 1);
    assert_non_null(copy);
    if (text->len > 0)
        memcpy(copy, text->data, text->len);
    return copy;
}

static void show_case(const struct buf *text, const struct csv_options *options, uint64_t seed, const struct buf *why)
{
    print_error("seed %llu, window %zu, scan %zu: %s\n", (unsigned long long)seed, csv_sizes.read, csv_sizes.scan, why->data);
    print_error("delimiter %d quote %d header %d strict %d trim %d pauses %d max_record %zu start %llu\n", options->delimiter,
                options->quote, !options->no_header, options->strict, options->trim, options->pauses, options->max_record,
                (unsigned long long)options->start_offset);
    for (size_t i = 0; i < text->len && i < 2000; i++)
        print_error("%02x", (unsigned char)text->data[i]);
    print_error("\n");
}

static void expect_the_same(uint64_t seed, size_t most)
{
    struct dice dice = {seed};
    struct csv_options options = csv_generate_options(&dice);
    struct buf text, why;
    buf_init(&text, (size_t)64 << 20);
    buf_init(&why, 1 << 20);
    csv_generate_text(&dice, &options, most, &text);
    char *data = exactly(&text);
    struct csv_reference *reference = csv_reference_read(data, text.len, &options);
    bool same = csv_paths_read_the_same(reference, seed, &why);
    if (!same)
        show_case(&text, &options, seed, &why);
    csv_reference_free(reference);
    free(data);
    buf_free(&text);
    buf_free(&why);
    assert_true(same);
}

static void short_texts_read_as_the_reference_reads_them(void **state)
{
    (void)state;
    static const size_t reads[] = {64, 65, 100, 256, 1000};
    static const size_t scans[] = {(size_t)128 << 10, 64, 100, 256};
    for (uint64_t seed = first_seed; seed < first_seed + texts; seed++) {
        csv_sizes.read = reads[seed % 5];
        csv_sizes.scan = scans[seed / 5 % 4];
        expect_the_same(seed, 300);
    }
}

static void long_texts_read_as_the_reference_reads_them(void **state)
{
    (void)state;
    csv_sizes = (struct csv_sizes){64, 128};
    for (uint64_t seed = 100001; seed <= 100100; seed++)
        expect_the_same(seed, 20000);
}

static void texts_longer_than_the_window_as_built_read_the_same(void **state)
{
    (void)state;
    csv_sizes = as_built;
    for (uint64_t seed = 200001; seed <= 200012; seed++)
        expect_the_same(seed, 900000);
}

/* A quoted cell that ends just where a block does, and a byte behind it that should not be there: here a block is the first. */
static void a_byte_behind_a_closing_quote_at_a_blocks_border_is_seen(void **state)
{
    (void)state;
    csv_sizes = as_built;
    for (size_t len = 1; len < 300; len++) {
        struct csv_options options = {.no_header = true};
        struct buf text, why;
        buf_init(&text, 1 << 20);
        buf_init(&why, 1 << 20);
        buf_adds(&text, "a\n\"");
        for (size_t i = 0; i < len; i++)
            buf_addc(&text, 'x');
        buf_adds(&text, "\"y\n");
        for (int i = 0; i < 40; i++)
            buf_adds(&text, "some,\"more\"\nrows,\"that\r\nfollow\"\n");
        char *data = exactly(&text);
        struct csv_reference *reference = csv_reference_read(data, text.len, &options);
        for (uint64_t seed = 0; seed < 8; seed++)
            if (!csv_paths_read_the_same(reference, seed, &why))
                fail_msg("%zu bytes in quotes: %s", len, why.data);
        csv_reference_free(reference);
        free(data);
        buf_free(&text);
        buf_free(&why);
    }
}

static void read_file(const char *path, struct buf *into)
{
    char piece[4096];
    size_t n;
    FILE *file = fopen(path, "rb");
    assert_non_null(file);
    while ((n = fread(piece, 1, sizeof piece, file)) > 0)
        assert_true(buf_add(into, piece, n));
    fclose(file);
}

static void files_that_are_in_use_read_the_same(void **state)
{
    (void)state;
    static const char *const paths[] = {"tests/data/chinook-customers.csv", "tests/data/legislators-current.csv",
                                        "tests/data/legislators-district-offices.csv"};
    static const struct csv_options ways[] = {{0}, {.strict = true, .trim = true}, {.delimiter = ' ', .no_header = true}};
    csv_sizes = (struct csv_sizes){1000, 256};
    for (size_t i = 0; i < 9; i++) {
        struct buf text, why;
        buf_init(&text, 1 << 24);
        buf_init(&why, 1 << 20);
        read_file(paths[i / 3], &text);
        struct csv_reference *reference = csv_reference_read(text.data, text.len, &ways[i % 3]);
        if (!csv_paths_read_the_same(reference, i, &why))
            fail_msg("%s: %s", paths[i / 3], why.data);
        csv_reference_free(reference);
        buf_free(&text);
        buf_free(&why);
    }
}

static void the_paths_of_this_machine_are_there(void **state)
{
    (void)state;
#if defined(__aarch64__)
    assert_true(csv_scan_select("neon"));
    assert_false(csv_scan_select("sse2"));
#elif defined(__x86_64__)
    assert_true(csv_scan_select("sse2"));
    assert_false(csv_scan_select("neon"));
#endif
    assert_false(csv_scan_select("abacus"));
    assert_true(csv_scan_select("portable"));
    assert_true(csv_scan_select(NULL));
}

int main(int argc, char **argv)
{
    if (argc > 1)
        texts = strtoull(argv[1], NULL, 10);
    if (argc > 2)
        first_seed = strtoull(argv[2], NULL, 10);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_paths_of_this_machine_are_there),
        cmocka_unit_test(a_byte_behind_a_closing_quote_at_a_blocks_border_is_seen),
        cmocka_unit_test(files_that_are_in_use_read_the_same),
        cmocka_unit_test(short_texts_read_as_the_reference_reads_them),
        cmocka_unit_test(long_texts_read_as_the_reference_reads_them),
        cmocka_unit_test(texts_longer_than_the_window_as_built_read_the_same),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
