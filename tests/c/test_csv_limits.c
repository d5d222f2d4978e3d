/* The CSV reader on long records and on quotes that are not closed. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>

#include "tests/c/csv_reading.h"

static void a_record_of_15_mib_is_read(void **state)
{
    (void)state;
    size_t len = (size_t)15 << 20;
    char *data = malloc(len);
    assert_non_null(data);
    for (int quoted = 0; quoted < 2; quoted++) {
        memset(data, 'x', len);
        memcpy(data, "a\n", 2);
        if (quoted) {
            for (size_t i = 3; i < len - 8; i += 50)
                data[i] = '\n';
            data[2] = '"';
            data[len - 5] = '"';
        }
        memcpy(data + len - 4, ",y\nb", 4);
        struct text text = {data, len, 0, 0};
        struct csv_reader *reader = open_text(&text, &plain);
        const struct csv_row *row;
        struct err err;
        err_clear(&err);
        assert_int_equal(csv_reader_next(reader, &row, &err), CSV_ROW);
        assert_int_equal(csv_reader_next(reader, &row, &err), CSV_ROW);
        assert_int_equal(row->count, 2);
        assert_int_equal(csv_cell(row, 0).len, len - 6 - (quoted ? 2 : 0));
        assert_int_equal(row->raw.len, len - 4);
        assert_int_equal(csv_reader_next(reader, &row, &err), CSV_ROW);
        assert_int_equal(csv_reader_next(reader, &row, &err), CSV_END);
        csv_reader_free(reader);
    }
    free(data);
}

static void a_line_of_17_mib_fails_and_names_its_number(void **state)
{
    (void)state;
    size_t len = (size_t)17 << 20;
    char *data = malloc(len);
    assert_non_null(data);
    memset(data, 'x', len);
    memcpy(data, "a\nb\n", 4);
    char *got = read_all(data, len, 0, plain, false);
    assert_string_equal(got, "1:[a] 2:[b] 3F!line 3 is longer than 16777216 bytes, the most that a record may have: "
                             "a line end or a quote may be missing =2");
    free(got);
    free(data);
}

/* Reads to the end and counts the rows and the error records: those of `every` lines, from the first on. */
static void expect_bad_every(char *data, size_t len, long every, long lines)
{
    struct text text = {data, len, 0, 0};
    struct csv_reader *reader = open_text(&text, &plain);
    const struct csv_row *row;
    struct err err;
    long bad = 0, rows = 0;
    enum csv_status status;
    err_clear(&err);
    while ((status = csv_reader_next(reader, &row, &err)) == CSV_ROW || status == CSV_BAD) {
        rows++;
        assert_int_equal(row->line, rows);
        if (status == CSV_ROW)
            continue;
        assert_int_equal(row->line, bad * every + 1);
        assert_string_equal(err.message, "the quote that opens cell 2 is not closed within 16777216 bytes, the most that a "
                                         "record may have");
        bad++;
    }
    assert_int_equal(status, CSV_END);
    assert_int_equal(rows, lines);
    assert_int_equal(bad, lines / every);
    csv_reader_free(reader);
}

static void an_open_quote_with_17_mib_behind_it_costs_one_line(void **state)
{
    (void)state;
    /* Lines of 20 bytes: every so many opens a quote; the others have none, or quotes that leave it open. */
    static const char *const others[] = {"xxxxxxxxxxxxxxxxxxx\n", "xx,\"\",xxxxxxxxxxx\"\"\n"};
    const size_t unit = 20, every = ((size_t)17 << 20) / unit, times = 4;
    char *data = malloc(every * times * unit);
    assert_non_null(data);
    for (size_t kind = 0; kind < 2; kind++) {
        for (size_t i = 0; i < every * times; i++)
            memcpy(data + i * unit, i % every == 0 ? "a,\"bbbbbbbbbbbbbbbb\n" : others[kind], unit);
        expect_bad_every(data, every * times * unit, (long)every, (long)(every * times));
    }
    free(data);
}

static void an_open_quote_before_a_line_that_is_too_long_is_told_first(void **state)
{
    (void)state;
    struct csv_options options = {.no_header = true, .max_record = 5};
    expect_with(DATA("\"b\nabcdef\n"), options,
                "1!1!the quote that opens cell 1 is not closed within 5 bytes, the most that a record may have "
                "2F!line 2 is longer than 5 bytes, the most that a record may have: a line end or a quote may be missing =1");
    expect_with(DATA("\"b\nc\nd\ne\"\n"), options,
                "1!1!the quote that opens cell 1 is not closed within 5 bytes, the most that a record may have "
                "2:[c] 3:[d] 4:[e\"] =4");
}

static void max_record_counts_the_record_without_its_line_end(void **state)
{
    (void)state;
    struct csv_options options = {.no_header = true, .max_record = 5};
    expect_with(DATA("abcde\r\n12345"), options, "1:[abcde] 2:[12345] =2");
    expect_with(DATA("\"a\nb\"\r\n"), options, "1:[a\\nb] =2");
    expect_with(DATA("a\nabcdef\n"), options,
                "1:[a] 2F!line 2 is longer than 5 bytes, the most that a record may have: a line end or a quote may be missing =1");
    expect_with(DATA("\n\n\n\n\n\n\n\n\n\nabcde\n"), options, "11:[abcde] =11");
}

static void many_open_quotes_take_no_quadratic_time(void **state)
{
    (void)state;
    /* Each of the first lines opens a quote that runs on; and lines that are bad in themselves. */
    static const char *const kinds[] = {
        "a,\"b\n", "\"a\n", "a,\"\"\"b\n", "\"a\" b\n", "a\n\"b\nc\nd\"\"\n", "\"\n\"\" \n", "\"a\r\"b\n"};
    for (size_t kind = 0; kind < sizeof kinds / sizeof *kinds; kind++) {
        /* Behind a long record, which leaves a large window: no bad line may cost a look at all of it. */
        size_t before = (size_t)8 << 20, unit = strlen(kinds[kind]);
        size_t len = before + (kind == 0 ? 10000000 : 2000000) / unit * unit;
        char *data = malloc(len);
        assert_non_null(data);
        memset(data, 'x', before);
        data[before - 1] = '\n';
        for (size_t i = before; i < len; i += unit)
            memcpy(data + i, kinds[kind], unit);
        struct text text = {data, len, 0, 0};
        struct csv_reader *reader = open_text(&text, &plain);
        const struct csv_row *row;
        struct err err;
        err_clear(&err);
        enum csv_status status;
        while ((status = csv_reader_next(reader, &row, &err)) == CSV_ROW || status == CSV_BAD)
            ;
        assert_int_equal(status, CSV_END);
        assert_int_equal(csv_reader_offset(reader), len);
        csv_reader_free(reader);
        free(data);
    }
}

static void a_reader_that_pauses_comes_back_within_blank_lines(void **state)
{
    (void)state;
    size_t blank = (size_t)3 << 20, len = blank + 4;
    char *data = malloc(len);
    const struct csv_row *row;
    struct err err;
    err_clear(&err);
    memset(data, '\n', blank);
    memcpy(data + blank, "a,b\n", 4);
    struct text text = {data, len, 0, 100000};
    struct csv_options options = {.no_header = true, .pauses = true};
    struct csv_reader *reader = open_text(&text, &options);
    int pauses = 0;
    enum csv_status status;
    while ((status = csv_reader_next(reader, &row, &err)) == CSV_NOTHING_YET) {
        pauses++;
        assert_int_equal(csv_reader_line(reader), csv_reader_offset(reader));
        assert_true(csv_reader_offset(reader) <= blank);
    }
    assert_int_equal(status, CSV_ROW);
    assert_int_equal(row->line, blank + 1);
    assert_int_equal(row->offset, blank);
    assert_in_range(pauses, 2, 10);
    assert_int_equal(csv_reader_next(reader, &row, &err), CSV_END);
    csv_reader_free(reader);
    free(data);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_reader_that_pauses_comes_back_within_blank_lines),
        cmocka_unit_test(a_record_of_15_mib_is_read),
        cmocka_unit_test(a_line_of_17_mib_fails_and_names_its_number),
        cmocka_unit_test(an_open_quote_with_17_mib_behind_it_costs_one_line),
        cmocka_unit_test(an_open_quote_before_a_line_that_is_too_long_is_told_first),
        cmocka_unit_test(max_record_counts_the_record_without_its_line_end),
        cmocka_unit_test(many_open_quotes_take_no_quadratic_time),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
