/* The CSV reader: what is a record, what is not, and on which line. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <csv.h>

#include "tests/c/csv_reading.h"

static void every_line_end_ends_a_record(void **state)
{
    (void)state;
    expect_with(DATA("a,b\nc,d\n"), plain, "1:[a][b] 2:[c][d] =2");
    expect_with(DATA("a,b\r\nc,d\r\n"), plain, "1:[a][b] 2:[c][d] =2");
    expect_with(DATA("a,b\rc,d\r"), plain, "1:[a][b] 2:[c][d] =2");
    expect_with(DATA("a\nb\r\nc\rd"), plain, "1:[a] 2:[b] 3:[c] 4:[d] =4");
    expect_with(DATA("a,b\nc,d"), plain, "1:[a][b] 2:[c][d] =2");
    expect_with(DATA("a,\n,b\n,"), plain, "1:[a][] 2:[][b] 3:[][] =3");
    expect_with(DATA("\"a\"\r\"b\"\r\n\"c\"\n\"d\""), plain, "1:[a] 2:[b] 3:[c] 4:[d] =4");
}

static void blank_lines_are_dropped_and_counted(void **state)
{
    (void)state;
    expect_with(DATA("\n\r\n\ra\n\n\r\r\nb\n\n"), plain, "4:[a] 8:[b] =9");
    expect_with(DATA("\n\n"), plain, "=2");
    expect_with(DATA(""), plain, "=0");
    expect_with(DATA("\"\"\n \n"), plain, "1:[] 2:[ ] =2");
}

static void cells_keep_every_byte(void **state)
{
    (void)state;
    expect_with(DATA(" a , b\t\n\" c \",\t\n"), plain, "1:[ a ][ b\\x09] 2:[ c ][\\x09] =2");
    expect_with(DATA("a\0b,\"\0\"\n\0\n"), plain, "1:[a\\x00b][\\x00] 2:[\\x00] =2");
    expect_with(DATA("\xff\xfd,\xc3\xa9\n"), plain, "1:[\\xff\\xfd][\\xc3\\xa9] =1");
    expect_with(DATA("\"a\"\"b\",\"\"\"\"\n"), plain, "1:[a\"b][\"] =1");
}

static void quoted_line_ends_count_as_lines(void **state)
{
    (void)state;
    expect_with(DATA("\"a\r\nb\",c\nd\n"), plain, "1:[a\\r\\nb][c] 3:[d] =3");
    expect_with(DATA("\"a\rb\nc\n\n\"\nd\n"), plain, "1:[a\\rb\\nc\\n\\n] 6:[d] =6");
    expect_with(DATA("x,\"a\nb\""), plain, "1:[x][a\\nb] =2");
    expect_with(DATA("\"a\n\"\"\n\"\r\nz\r\n"), plain, "1:[a\\n\"\\n] 4:[z] =4");
    expect_with(DATA("\"\r\""), plain, "1:[\\r] =2");
}

static void a_quote_inside_a_cell_is_harmless_unless_strict(void **state)
{
    (void)state;
    expect_with(DATA("5\" pipe,x\nb\n"), plain, "1:[5\" pipe][x] 2:[b] =2");
    expect_with(DATA("x,5\" pipe"), plain, "1:[x][5\" pipe] =1");
    expect_with(DATA("a\"b\"c,\"d\"\n"), plain, "1:[a\"b\"c][d] =1");
    expect_with(DATA("\"a\"b\",c\n"), plain, "1:[a\"b][c] =1");
    expect_with(DATA("5\" pipe,x\nb\n"), strict,
                "1!1!a quote stands inside cell 1, which does not begin with one 2:[b] =2");
    expect_with(DATA("a,\"b\" ,c\n"), strict, "1!2!text follows the closing quote of cell 2 =1");
}

static void leniency_ends_with_the_line(void **state)
{
    (void)state;
    expect_with(DATA("\"abc\" ,x\nb,c\n"), plain, "1!1!text follows the closing quote of cell 1 2:[b][c] =2");
    expect_with(DATA("\"abc\" ,x"), plain, "1!1!text follows the closing quote of cell 1 =1");
    expect_with(DATA("5\" pipe,\"abc\nb\n"), plain,
                "1!2!the quote that opens cell 2 is not closed on this line 2:[b] =2");
}

static void a_quote_never_closed_costs_one_line(void **state)
{
    (void)state;
    expect_with(DATA("a,\"b\nc,d\ne,f\n"), plain,
                "1!2!the quote that opens cell 2 is never closed 2:[c][d] 3:[e][f] =3");
    expect_with(DATA("a\nb,c,\"d"), plain, "1:[a] 2!3!the quote that opens cell 3 is never closed =2");
    expect_with(DATA("\""), plain, "1!1!the quote that opens cell 1 is never closed =1");
    expect_with(DATA("\"\n\n"), plain, "1!1!the quote that opens cell 1 is never closed =2");
    expect_with(DATA("a,\"b\nc\nd,\"e\"\nf\n"), plain,
                "1!2!the quote that opens cell 2 is not closed on this line, nor properly up to line 3 2:[c] "
                "3:[d][e] 4:[f] =4");
}

static void files_of_quotes_only(void **state)
{
    (void)state;
    expect_with(DATA("\"\""), plain, "1:[] =1");
    expect_with(DATA("\"\"\"\""), plain, "1:[\"] =1");
    expect_with(DATA("\"\"\""), plain, "1!1!the quote that opens cell 1 is never closed =1");
    expect_with(DATA("\"\"\n\"\"\"\"\n"), plain, "1:[] 2:[\"] =2");
}

static void delimiters_and_quotes_are_any_byte(void **state)
{
    (void)state;
    struct csv_options options = {.no_header = true};
    options.delimiter = ';';
    expect_with(DATA("a;\"b;c\";d,e\n"), options, "1:[a][b;c][d,e] =1");
    options.delimiter = '\t';
    expect_with(DATA("a\t\"b\tc\"\t d \n"), options, "1:[a][b\\x09c][ d ] =1");
    options.delimiter = '|';
    expect_with(DATA("a||\"b|\"\n"), options, "1:[a][][b|] =1");
    options.delimiter = 0xA7;
    expect_with(DATA("a\xA7"
                     "b\n"),
                options, "1:[a][b] =1");
    options.delimiter = ' ';
    expect_with(DATA("a \"b c\"\n"), options, "1:[a][b c] =1");
    options.delimiter = 0;
    options.quote = '\'';
    expect_with(DATA("'a,b',\"c\n"), options, "1:[a,b][\"c] =1");
}

static void impossible_options_are_refused(void **state)
{
    (void)state;
    static const struct csv_options wrong[] = {
        {.delimiter = '"'}, {.delimiter = '\n'}, {.quote = '\r'}, {.quote = ','}};
    for (size_t i = 0; i < 4; i++) {
        struct err err;
        err_clear(&err);
        assert_null(csv_reader_new(read_text, NULL, "x", &wrong[i], &err));
        assert_string_equal(err.code, ERR_USAGE);
        err_clear(&err);
        assert_null(csv_writer_new(NULL, NULL, &wrong[i], &err));
        assert_string_equal(err.code, ERR_USAGE);
    }
}

static void the_header_stays_and_names_columns(void **state)
{
    (void)state;
    static const char input[] = "id,\"na\nme\",id,\nr1,r2,r3,r4\n\"x\"\n";
    struct text text = {input, sizeof input - 1, 0, 1};
    struct csv_reader *reader = open_text(&text, &headed);
    const struct csv_row *header, *row;
    struct err err;
    err_clear(&err);
    assert_int_equal(csv_reader_column(reader, "na\nme", 5), 1);
    assert_int_equal(csv_reader_next(reader, &row, &err), CSV_ROW);
    assert_int_equal(row->line, 3);
    assert_int_equal(csv_reader_next(reader, &row, &err), CSV_ROW);
    assert_int_equal(csv_reader_next(reader, &row, &err), CSV_END);
    assert_int_equal(csv_reader_next(reader, &row, &err), CSV_END);
    assert_true(csv_reader_header(reader, &header, &err));
    assert_int_equal(header->count, 4);
    assert_memory_equal(csv_cell(header, 1).data, "na\nme", 5);
    assert_memory_equal(header->raw.data, "id,\"na\nme\",id,", header->raw.len);
    assert_int_equal(csv_reader_column(reader, "id", 2), 0);
    assert_int_equal(csv_reader_column(reader, "", 0), 3);
    assert_int_equal(csv_reader_column(reader, "ID", 2), -1);
    csv_reader_free(reader);
}

static void headers_that_are_none(void **state)
{
    (void)state;
    expect_with(DATA(""), headed, "header!the file is empty: it needs a header row");
    expect_with(DATA("\n\r\n"), headed, "header!the file is empty: it needs a header row");
    expect_with(DATA("\xEF\xBB\xBF"), headed, "header!the file is empty: it needs a header row");
    expect_with(DATA("a,\"b\nc\n"), headed,
                "header!the header cannot be read: the quote that opens cell 2 is never closed");
    expect_with(DATA("a,b\n"), headed, "h1:[a][b] =1");
}

static void a_failed_header_fails_again(void **state)
{
    (void)state;
    struct text text = {"", 0, 0, 0};
    struct csv_reader *reader = open_text(&text, &headed);
    const struct csv_row *row;
    for (int i = 0; i < 2; i++) {
        struct err err;
        err_clear(&err);
        assert_false(csv_reader_header(reader, &row, &err));
        assert_string_equal(err.code, ERR_INVALID_FILE);
        assert_string_equal(err.file, "t.csv");
        err_clear(&err);
        assert_int_equal(csv_reader_next(reader, &row, &err), CSV_FAILED);
        assert_string_equal(err.code, ERR_INVALID_FILE);
    }
    csv_reader_free(reader);
}

static void byte_order_marks(void **state)
{
    (void)state;
    struct csv_options keep = {.keep_bom = true};
    expect_with(DATA("\xEF\xBB\xBFid,b\n1,2\n"), headed, "h1:[id][b] 2:[1][2] =2");
    expect_with(DATA("\xEF\xBB\xBF\"id\",b\n"), headed, "h1:[id][b] =1");
    expect_with(DATA("\xEF\xBB\xBFid,b\n"), keep, "h1:[\\xef\\xbb\\xbfid][b] =1");
    expect_with(DATA("\xEF\xBBid\n"), headed, "h1:[\\xef\\xbbid] =1");
    expect_with(DATA("\xFF\xFEi\0d\0\n\0"), headed,
                "header!the file is UTF-16: save it as UTF-8 and try again");
    expect_with(DATA("\xFE\xFF\0i\0d\0\n"), plain,
                "0F!the file is UTF-16: save it as UTF-8 and try again =0");

    struct text text = {DATA("\xEF\xBB\xBFid\n1\n"), 0, 0};
    struct csv_reader *reader = open_text(&text, &headed);
    const struct csv_row *row;
    struct err err;
    err_clear(&err);
    assert_true(csv_reader_header(reader, &row, &err));
    assert_int_equal(row->offset, 3);
    assert_true(csv_reader_had_bom(reader));
    csv_reader_free(reader);
}

/* Inputs in which something can go wrong at every byte. */
static const struct {
    const char *data;
    size_t len;
} nasty[] = {
    {DATA("a,b\r\nc,d\r\r\n\n\re,f\r")},
    {DATA("\"a\r\nb\",\"\"\"\"\r\n5\" pipe,x\r\n\"abc\" ,x\r\nz")},
    {DATA("a,\"b\nc,\"\"d\"\"\n\n\"e\r\n\"\"f\"\"\r\"\r\"g\" h\ni,\"j\n")},
    {DATA("\xEF\xBB\xBF\"h\",b\n\0,\"\0\"\n,,\n\"\"\n\"\"\"\n\"\n")},
    {DATA("\"\"\"\"\"\"\n\"\"\"\n\"\r\"\"\r\n,\"\n\"\",\"\"\n\n")},
};

static void any_split_of_the_input_reads_the_same(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof nasty / sizeof *nasty; i++) {
        char *whole = read_all(nasty[i].data, nasty[i].len, 0, plain, true);
        for (size_t step = 1; step <= nasty[i].len; step++) {
            char *split = read_all(nasty[i].data, nasty[i].len, step, plain, true);
            assert_string_equal(split, whole);
            free(split);
        }
        free(whole);
    }
}

/* The window is 256 KiB at first: its end falls on every byte of the input in turn. */
static void the_windows_end_may_fall_anywhere(void **state)
{
    (void)state;
    const size_t window = (size_t)256 << 10;
    char *padded = malloc(window + 4096);
    assert_non_null(padded);
    for (size_t i = 0; i < sizeof nasty / sizeof *nasty; i++) {
        size_t len = nasty[i].len;
        if (memcmp(nasty[i].data, "\xEF\xBB\xBF", 3) == 0)
            continue;
        for (size_t before = window - len - 2; before <= window + 2; before++) {
            /* Rows of 'p', then the input: alone it must read the same from line 1 on. */
            memset(padded, 'p', before);
            for (size_t at = 99; at + 1 < before; at += 100)
                padded[at] = '\n';
            padded[before - 1] = '\n';
            memcpy(padded + before, nasty[i].data, len);
            char *got = read_all(padded, before + len, 0, plain, true);
            struct csv_options resumed = {.no_header = true, .start_offset = before};
            for (size_t at = 0; at < before; at++)
                resumed.start_line += padded[at] == '\n';
            resumed.start_line++;
            char *alone = read_all(nasty[i].data, len, 0, resumed, true);
            assert_true(strlen(got) > strlen(alone));
            assert_string_equal(got + strlen(got) - strlen(alone), alone);
            free(alone);
            free(got);
        }
    }
    free(padded);
}

static void reading_resumes_at_any_record(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof nasty / sizeof *nasty; i++) {
        struct text text = {nasty[i].data, nasty[i].len, 0, 0};
        struct csv_reader *reader = open_text(&text, &plain);
        char *whole = read_all(nasty[i].data, nasty[i].len, 0, plain, true);
        const struct csv_row *row;
        struct err err;
        err_clear(&err);
        while (csv_reader_next(reader, &row, &err) != CSV_END) {
            struct csv_options from = {
                .no_header = true, .start_offset = row->end, .start_line = csv_reader_line(reader) + 1};
            char *rest = read_all(nasty[i].data + row->end, nasty[i].len - row->end, 0, from, true);
            assert_string_equal(whole + strlen(whole) - strlen(rest), rest);
            free(rest);
        }
        free(whole);
        csv_reader_free(reader);
    }
}

/* ---- random input against libcsv itself ---- */

static void add_cell(void *cell, size_t len, void *arg)
{
    struct buf *out = arg;
    buf_addc(out, '[');
    show(out, (struct csv_slice){cell, len});
    buf_addc(out, ']');
}

static void add_end(int c, void *arg)
{
    (void)c;
    buf_addc(arg, ' ');
}

static int no_space(unsigned char c)
{
    (void)c;
    return 0;
}

/* What libcsv alone makes of one record. */
static char *libcsv_reads(struct csv_slice raw)
{
    struct csv_parser parser;
    struct buf out;
    buf_init(&out, 1 << 20);
    csv_init(&parser, 0);
    csv_set_space_func(&parser, no_space);
    csv_parse(&parser, raw.data, raw.len, add_cell, add_end, &out);
    csv_parse(&parser, "\n", 1, add_cell, add_end, &out);
    csv_free(&parser);
    return buf_take(&out);
}

static long lines_before(const char *data, size_t offset)
{
    long lines = 0;
    for (size_t i = 0; i < offset; i++)
        lines += data[i] == '\n' ? 1 : data[i] == '\r' && data[i + 1] != '\n';
    return lines;
}

static void random_input_reads_as_libcsv_reads_it(void **state)
{
    (void)state;
    static const char alphabet[] = {'a', ',', '"', '"', '\n', '\r', ' ', 0};
    unsigned seed = 7;
    for (int round = 0; round < 20000; round++) {
        char data[64] = {0};
        size_t len = (size_t)rand_r(&seed) % (sizeof data - 1);
        for (size_t i = 0; i < len; i++)
            data[i] = alphabet[(size_t)rand_r(&seed) % sizeof alphabet];
        struct text text = {data, len, 0, (size_t)rand_r(&seed) % 5};
        struct csv_reader *reader = open_text(&text, &plain);
        const struct csv_row *row;
        struct err err;
        err_clear(&err);
        enum csv_status status;
        size_t end = 0;
        while ((status = csv_reader_next(reader, &row, &err)) != CSV_END) {
            assert_int_not_equal(status, CSV_FAILED);
            for (; end < row->offset; end++)
                assert_true(data[end] == '\n' || data[end] == '\r');
            assert_memory_equal(row->raw.data, data + row->offset, row->raw.len);
            assert_int_equal(row->line, lines_before(data, row->offset) + 1);
            end = row->end;
            char *oracle = libcsv_reads(row->raw);
            struct buf ours;
            buf_init(&ours, 1 << 20);
            for (size_t i = 0; i < row->count; i++)
                add_cell((void *)(size_t)csv_cell(row, i).data, csv_cell(row, i).len, &ours);
            buf_addc(&ours, ' ');
            if (status == CSV_ROW)
                assert_string_equal(ours.data, oracle);
            else /* nor does libcsv come to an end of the record, which is what a space shows */
                assert_true(oracle[0] == '\0' || oracle[strlen(oracle) - 1] == ']');
            buf_free(&ours);
            free(oracle);
        }
        csv_reader_free(reader);
        for (; end < len; end++)
            assert_true(data[end] == '\n' || data[end] == '\r');
    }
}

/* Windows that slide and grow while records are refused and read again. */
static void long_random_input_reads_the_same_in_any_pieces(void **state)
{
    (void)state;
    static const char alphabet[] = "aaaaaaaa,,\"\"\n\r \n";
    static const size_t steps[] = {1, 999, 77777};
    unsigned seed = 21;
    size_t len = 700000;
    char *data = malloc(len);
    assert_non_null(data);
    for (size_t i = 0; i < len; i++)
        data[i] = alphabet[(size_t)rand_r(&seed) % (sizeof alphabet - 1)];
    /* In places nothing but text, so that records are longer than a window. */
    memset(data + 100000, 'b', 290000);
    char *whole = read_all(data, len, 0, plain, true);
    assert_true(strlen(whole) > len);
    for (size_t i = 0; i < sizeof steps / sizeof *steps; i++) {
        char *split = read_all(data, len, steps[i], plain, true);
        assert_true(strcmp(split, whole) == 0); /* too long to show */
        free(split);
    }
    free(whole);
    free(data);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_line_end_ends_a_record),
        cmocka_unit_test(blank_lines_are_dropped_and_counted),
        cmocka_unit_test(cells_keep_every_byte),
        cmocka_unit_test(quoted_line_ends_count_as_lines),
        cmocka_unit_test(a_quote_inside_a_cell_is_harmless_unless_strict),
        cmocka_unit_test(leniency_ends_with_the_line),
        cmocka_unit_test(a_quote_never_closed_costs_one_line),
        cmocka_unit_test(files_of_quotes_only),
        cmocka_unit_test(delimiters_and_quotes_are_any_byte),
        cmocka_unit_test(impossible_options_are_refused),
        cmocka_unit_test(the_header_stays_and_names_columns),
        cmocka_unit_test(headers_that_are_none),
        cmocka_unit_test(a_failed_header_fails_again),
        cmocka_unit_test(byte_order_marks),
        cmocka_unit_test(any_split_of_the_input_reads_the_same),
        cmocka_unit_test(the_windows_end_may_fall_anywhere),
        cmocka_unit_test(reading_resumes_at_any_record),
        cmocka_unit_test(random_input_reads_as_libcsv_reads_it),
        cmocka_unit_test(long_random_input_reads_the_same_in_any_pieces),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
