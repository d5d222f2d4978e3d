/* The CSV reader and writer: what is a record, what is not, and on which line. */
#include <csv.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "core/buf.h"
#include "core/csv.h"

/* A source that gives `step` bytes at a time. */
struct text {
    const char *data;
    size_t len, at, step;
};

static long read_text(void *arg, char *into, size_t size, struct err *err)
{
    struct text *text = arg;
    size_t n = text->len - text->at;
    (void)err;
    if (n > size)
        n = size;
    if (text->step && n > text->step)
        n = text->step;
    memcpy(into, text->data + text->at, n);
    text->at += n;
    return (long)n;
}

static struct csv_reader *open_text(struct text *text, const struct csv_options *options)
{
    struct err err;
    err_clear(&err);
    struct csv_reader *reader = csv_reader_new(read_text, text, "t.csv", options, &err);
    assert_non_null(reader);
    return reader;
}

/* Writes bytes so that a person can read them in a failed test. */
static void show(struct buf *out, struct csv_slice s)
{
    for (size_t i = 0; i < s.len; i++) {
        unsigned char c = (unsigned char)s.data[i];
        if (c == '\n')
            buf_adds(out, "\\n");
        else if (c == '\r')
            buf_adds(out, "\\r");
        else if (c < ' ' || c > 126)
            buf_addf(out, "\\x%02x", c);
        else
            buf_addc(out, (char)c);
    }
}

static void show_row(struct buf *out, const struct csv_row *row)
{
    buf_addf(out, "%ld:", row->line);
    for (size_t i = 0; i < row->count; i++) {
        buf_addc(out, '[');
        show(out, row->cells[i]);
        buf_addc(out, ']');
    }
    buf_addc(out, ' ');
}

/* Everything that the reader gives, as one text: "1:[a][b] 2!message 3F!message". */
static char *read_all(const char *data, size_t len, size_t step, struct csv_options options, bool places)
{
    struct text text = {data, len, 0, step};
    struct csv_reader *reader = open_text(&text, &options);
    struct buf out;
    buf_init(&out, (size_t)1 << 30);
    const struct csv_row *row;
    struct err err;
    err_clear(&err);
    if (!options.no_header) {
        if (!csv_reader_header(reader, &row, &err)) {
            buf_addf(&out, "header!%s", err.message);
            csv_reader_free(reader);
            return buf_take(&out);
        }
        buf_adds(&out, "h");
        show_row(&out, row);
    }
    enum csv_status status;
    while ((status = csv_reader_next(reader, &row, &err)) != CSV_END) {
        if (status == CSV_FAILED) {
            buf_addf(&out, "%ldF!%s ", err.line, err.message);
            break;
        }
        if (status == CSV_BAD)
            buf_addf(&out, "%ld!%ld!%s ", row->line, err.column, err.message);
        else
            show_row(&out, row);
        if (places) {
            buf_addf(&out, "@%llu-%llu<", (unsigned long long)row->offset, (unsigned long long)row->end);
            show(&out, row->raw);
            buf_addf(&out, ">%ld,%llu ", csv_reader_line(reader),
                     (unsigned long long)csv_reader_offset(reader));
        }
    }
    buf_addf(&out, "=%ld", csv_reader_line(reader));
    csv_reader_free(reader);
    return buf_take(&out);
}

static void expect_with(const char *input, size_t len, struct csv_options options, const char *expected)
{
    for (size_t step = 0; step < 4; step++) {
        char *got = read_all(input, len, step, options, false);
        assert_string_equal(got, expected);
        free(got);
    }
}

#define DATA(text) (text), sizeof(text) - 1
static const struct csv_options plain = {.no_header = true};
static const struct csv_options headed = {0};
static const struct csv_options strict = {.no_header = true, .strict = true};

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
    assert_memory_equal(header->cells[1].data, "na\nme", 5);
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
                add_cell((void *)(size_t)row->cells[i].data, row->cells[i].len, &ours);
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

/* ---- sizes ---- */

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
        assert_int_equal(row->cells[0].len, len - 6 - (quoted ? 2 : 0));
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

/* ---- files ---- */

static void files_that_cannot_be_opened(void **state)
{
    (void)state;
    struct err err;
    char text[1024];
    err_clear(&err);
    assert_null(csv_reader_open("/nonexistent/x.csv", &plain, &err));
    assert_string_equal(err.code, ERR_FILE);
    assert_string_equal(err_text(&err, text, sizeof text),
                        "/nonexistent/x.csv: cannot be opened: No such file or directory");
    err_clear(&err);
    assert_null(csv_reader_open("/tmp", &plain, &err));
    assert_string_equal(err.code, ERR_FILE);
    assert_string_equal(err_text(&err, text, sizeof text), "/tmp: is a directory, not a CSV file");
    if (geteuid() != 0) {
        err_clear(&err);
        assert_null(csv_reader_open("/etc/shadow", &plain, &err));
        assert_string_equal(err.code, ERR_FILE);
    }
}

static long failing_source(void *arg, char *into, size_t size, struct err *err)
{
    int *left = arg;
    (void)size;
    if ((*left)-- > 0) {
        memcpy(into, "a,b\n", 4);
        return 4;
    }
    err_set(err, ERR_FILE, "the disk is gone");
    return -1;
}

static void a_source_that_fails_ends_the_reader(void **state)
{
    (void)state;
    int left = 1;
    struct err err;
    err_clear(&err);
    const struct csv_row *row;
    struct csv_reader *reader = csv_reader_new(failing_source, &left, "t.csv", &plain, &err);
    assert_non_null(reader);
    assert_int_equal(csv_reader_next(reader, &row, &err), CSV_ROW);
    for (int i = 0; i < 2; i++) {
        err_clear(&err);
        assert_int_equal(csv_reader_next(reader, &row, &err), CSV_FAILED);
        assert_string_equal(err.message, "the disk is gone");
        assert_string_equal(err.file, "t.csv");
    }
    csv_reader_free(reader);
}

/* A file of its own for the test, removed by it. */
static void temp_path(char *path)
{
    strcpy(path, "/tmp/test_csv_XXXXXX");
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    close(fd);
}

static void a_written_file_is_private_and_reads_back(void **state)
{
    (void)state;
    char path[32];
    struct err err;
    err_clear(&err);
    temp_path(path);
    chmod(path, 0644);
    struct csv_writer *writer = csv_writer_open(path, &plain, &err);
    assert_non_null(writer);
    struct csv_slice cells[] = {{"a", 1}, {"b\"c", 3}, {NULL, 0}};
    assert_true(csv_writer_row(writer, cells, 3, &err));
    assert_true(csv_writer_row(writer, cells + 2, 1, &err));
    assert_true(csv_writer_raw(writer, "x,y\r\n", 5, &err));
    assert_true(csv_writer_close(writer, &err));
    assert_true(csv_writer_close(writer, &err));
    assert_false(csv_writer_row(writer, cells, 3, &err));
    csv_writer_free(writer);
    struct stat st;
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
    assert_int_equal(st.st_size, (long)strlen("a,\"b\"\"c\",\n\"\"\nx,y\r\n"));

    struct csv_options from = {.no_header = true, .start_offset = 10, .start_line = 2};
    struct csv_reader *reader = csv_reader_open(path, &from, &err);
    const struct csv_row *row;
    assert_non_null(reader);
    assert_int_equal(csv_reader_next(reader, &row, &err), CSV_ROW);
    assert_int_equal(row->line, 2);
    assert_int_equal(row->offset, 10);
    assert_int_equal(row->count, 1);
    assert_int_equal(row->cells[0].len, 0);
    csv_reader_free(reader);
    unlink(path);
}

static bool keep_bytes(void *arg, const char *bytes, size_t len, struct err *err)
{
    (void)err;
    return buf_add(arg, bytes, len);
}

static void what_is_written_reads_back_byte_for_byte(void **state)
{
    (void)state;
    struct err err;
    err_clear(&err);
    static const struct csv_options kinds[] = {{.no_header = true},
                                               {.no_header = true, .delimiter = ';', .quote = '\''}};
    size_t big = 300000;
    char *long_cell = malloc(big);
    assert_non_null(long_cell);
    for (size_t i = 0; i < big; i++)
        long_cell[i] = i % 3 ? '"' : '\'';
    for (size_t kind = 0; kind < 2; kind++) {
        struct buf out;
        buf_init(&out, (size_t)1 << 28);
        struct csv_writer *writer = csv_writer_new(keep_bytes, &out, &kinds[kind], &err);
        assert_non_null(writer);
        char bytes[256];
        for (size_t c = 0; c < 256; c++) {
            bytes[c] = (char)c;
            struct csv_slice cells[] = {{"x", 1}, {&bytes[c], 1}, {bytes, c}, {long_cell, c == 9 ? big : 3}};
            assert_true(csv_writer_row(writer, cells, 4, &err));
        }
        assert_true(csv_writer_close(writer, &err));
        csv_writer_free(writer);
        struct text text = {out.data, out.len, 0, 0};
        struct csv_options options = kinds[kind];
        options.strict = true;
        struct csv_reader *reader = open_text(&text, &options);
        const struct csv_row *row;
        for (size_t c = 0; c < 256; c++) {
            assert_int_equal(csv_reader_next(reader, &row, &err), CSV_ROW);
            assert_int_equal(row->count, 4);
            assert_int_equal(row->cells[1].len, 1);
            assert_memory_equal(row->cells[1].data, &bytes[c], 1);
            assert_int_equal(row->cells[2].len, c);
            assert_memory_equal(row->cells[2].data, bytes, c);
            assert_int_equal(row->cells[3].len, c == 9 ? big : 3);
            assert_memory_equal(row->cells[3].data, long_cell, row->cells[3].len);
        }
        assert_int_equal(csv_reader_next(reader, &row, &err), CSV_END);
        csv_reader_free(reader);
        buf_free(&out);
    }
    free(long_cell);
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

static void a_full_disk_is_an_error_that_stays(void **state)
{
    (void)state;
    struct err err;
    err_clear(&err);
    struct csv_slice cell = {"some text", 9};
    struct csv_writer *writer = csv_writer_open("/dev/full", &plain, &err);
    assert_non_null(writer);
    assert_true(csv_writer_row(writer, &cell, 1, &err));
    assert_false(csv_writer_flush(writer, &err));
    assert_string_equal(err.code, ERR_FILE);
    assert_string_equal(err.file, "/dev/full");
    assert_non_null(strstr(err.message, "No space left on device"));
    err_clear(&err);
    assert_false(csv_writer_close(writer, &err));
    assert_non_null(strstr(err.message, "No space left on device"));
    csv_writer_free(writer);

    writer = csv_writer_open("/dev/full", &plain, &err);
    assert_non_null(writer);
    bool done = true;
    for (int i = 0; i < 10000 && done; i++)
        done = csv_writer_row(writer, &cell, 1, &err);
    assert_false(done);
    csv_writer_free(writer);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_line_end_ends_a_record),
        cmocka_unit_test(blank_lines_are_dropped_and_counted),
        cmocka_unit_test(a_reader_that_pauses_comes_back_within_blank_lines),
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
        cmocka_unit_test(a_record_of_15_mib_is_read),
        cmocka_unit_test(a_line_of_17_mib_fails_and_names_its_number),
        cmocka_unit_test(an_open_quote_with_17_mib_behind_it_costs_one_line),
        cmocka_unit_test(an_open_quote_before_a_line_that_is_too_long_is_told_first),
        cmocka_unit_test(max_record_counts_the_record_without_its_line_end),
        cmocka_unit_test(many_open_quotes_take_no_quadratic_time),
        cmocka_unit_test(files_that_cannot_be_opened),
        cmocka_unit_test(a_source_that_fails_ends_the_reader),
        cmocka_unit_test(a_written_file_is_private_and_reads_back),
        cmocka_unit_test(what_is_written_reads_back_byte_for_byte),
        cmocka_unit_test(a_full_disk_is_an_error_that_stays),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
