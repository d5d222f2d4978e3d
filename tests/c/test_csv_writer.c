/* The text that the CSV writer makes of cells, beside that of a plain rule, byte by byte. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <sys/mman.h>

#include "tests/c/csv_reading.h"

#define PAGE   ((size_t)4096)
#define SLOTS  ((size_t)20)
#define FULL   ((size_t)64 << 10) /* where the writer's buffer is given out */
#define LONGER ((size_t)100 << 10)

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
            assert_int_equal(csv_cell(row, 1).len, 1);
            assert_memory_equal(csv_cell(row, 1).data, &bytes[c], 1);
            assert_int_equal(csv_cell(row, 2).len, c);
            assert_memory_equal(csv_cell(row, 2).data, bytes, c);
            assert_int_equal(csv_cell(row, 3).len, c == 9 ? big : 3);
            assert_memory_equal(csv_cell(row, 3).data, long_cell, csv_cell(row, 3).len);
        }
        assert_int_equal(csv_reader_next(reader, &row, &err), CSV_END);
        csv_reader_free(reader);
        buf_free(&out);
    }
    free(long_cell);
}

/* ---- the rule ---- */

static bool is_blank(char c)
{
    return c == ' ' || c == '\t';
}

static bool wants_quotes(struct csv_slice cell, char delimiter, char quote)
{
    for (size_t i = 0; i < cell.len; i++)
        if (cell.data[i] == delimiter || cell.data[i] == quote || cell.data[i] == '\r' || cell.data[i] == '\n')
            return true;
    return cell.len > 0 && (is_blank(cell.data[0]) || is_blank(cell.data[cell.len - 1]));
}

static void expect_cell(struct buf *out, struct csv_slice cell, bool quoted, char quote)
{
    if (quoted)
        buf_addc(out, quote);
    for (size_t i = 0; i < cell.len; i++) {
        if (cell.data[i] == quote)
            buf_addc(out, quote);
        buf_addc(out, cell.data[i]);
    }
    if (quoted)
        buf_addc(out, quote);
}

static void expect_row(struct buf *out, const struct csv_slice *cells, size_t count, char delimiter, char quote)
{
    for (size_t i = 0; i < count; i++) {
        bool lone = count == 1 && cells[i].len == 0;
        expect_cell(out, cells[i], lone || wants_quotes(cells[i], delimiter, quote), quote);
        buf_addc(out, i + 1 < count ? delimiter : '\n');
    }
}

/* ---- what is written, and what was expected ---- */

struct both {
    struct csv_writer *writer;
    struct buf written, expected;
    char delimiter, quote;
};

static void begin(struct both *both, char delimiter, char quote)
{
    struct err err;
    struct csv_options options = {.delimiter = (unsigned char)delimiter, .quote = (unsigned char)quote};
    err_clear(&err);
    buf_init(&both->written, (size_t)1 << 30);
    buf_init(&both->expected, (size_t)1 << 30);
    both->delimiter = delimiter;
    both->quote = quote;
    both->writer = csv_writer_new(keep_bytes, &both->written, &options, &err);
    assert_non_null(both->writer);
}

static void write_both(struct both *both, const struct csv_slice *cells, size_t count)
{
    struct err err;
    err_clear(&err);
    assert_true(csv_writer_row(both->writer, cells, count, &err));
    expect_row(&both->expected, cells, count, both->delimiter, both->quote);
}

static void end(struct both *both)
{
    struct err err;
    err_clear(&err);
    assert_true(csv_writer_close(both->writer, &err));
    csv_writer_free(both->writer);
    assert_int_equal(both->written.len, both->expected.len);
    if (both->written.len > 0)
        assert_memory_equal(both->written.data, both->expected.data, both->expected.len);
    buf_free(&both->written);
    buf_free(&both->expected);
}

/* ---- cells at the edges of memory that can be read ---- */

/* Pages of which every other one cannot be read. */
static char *fenced;

static int make_fences(void **state)
{
    (void)state;
    fenced = mmap(NULL, (2 * SLOTS + 1) * PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (fenced == MAP_FAILED)
        return -1;
    for (size_t i = 0; i < SLOTS; i++)
        if (mprotect(fenced + (2 * i + 1) * PAGE, PAGE, PROT_READ | PROT_WRITE) < 0)
            return -1;
    return 0;
}

static int remove_fences(void **state)
{
    (void)state;
    return munmap(fenced, (2 * SLOTS + 1) * PAGE);
}

/* Room for a cell that ends where its page does, or begins there. */
static char *place(size_t slot, size_t len, bool at_end)
{
    assert_true(len <= PAGE);
    return fenced + (2 * slot + 1) * PAGE + (at_end ? PAGE - len : 0);
}

static uint64_t random_state = 7;

static size_t below(size_t n)
{
    random_state = random_state * 6364136223846793005u + 1442695040888963407u;
    return (size_t)(random_state >> 33) % n;
}

/* Bytes of any kind, or of those that matter, or letters with some of those. */
static void fill(char *at, size_t len)
{
    static const char some[] = ",;\"' \t\r\n\0x";
    size_t kind = below(4);
    for (size_t i = 0; i < len; i++)
        if (kind == 0)
            at[i] = (char)below(256);
        else
            at[i] = kind == 1 || below(64) == 0 ? some[below(sizeof some - 1)] : (char)('a' + below(26));
}

static size_t random_length(void)
{
    static const size_t most[] = {1, 4, 9, 17, 33, 70, 201, PAGE + 1};
    return below(most[below(sizeof most / sizeof *most)]);
}

static void random_cells_are_written_as_the_rule_says(void **state)
{
    (void)state;
    static const char kinds[][2] = {{',', '"'}, {';', '\''}, {'\t', '"'}, {' ', 'x'}, {(char)0xFE, (char)0x80}};
    for (size_t kind = 0; kind < sizeof kinds / sizeof *kinds; kind++) {
        struct both both;
        begin(&both, kinds[kind][0], kinds[kind][1]);
        struct csv_slice header = {"id", 2}; /* so that no random cell is a byte-order mark */
        write_both(&both, &header, 1);
        for (int row = 0; row < 4000; row++) {
            struct csv_slice cells[SLOTS];
            size_t count = 1 + below(SLOTS);
            for (size_t i = 0; i < count; i++) {
                size_t len = random_length();
                char *at = place(i, len, below(2));
                fill(at, len);
                cells[i] = (struct csv_slice){len > 0 ? at : NULL, len};
            }
            write_both(&both, cells, count);
        }
        end(&both);
    }
}

static void every_byte_at_every_place_of_short_cells(void **state)
{
    (void)state;
    for (size_t len = 1; len <= 70; len++) {
        struct both both;
        char *at = place(0, len, true);
        struct csv_slice cells[] = {{"-", 1}, {at, len}};
        memset(at, 'a', len);
        begin(&both, ',', '"');
        for (size_t i = 0; i < len; i++) {
            for (int c = 0; c < 256; c++) {
                at[i] = (char)c;
                write_both(&both, cells, 2);
            }
            at[i] = 'a';
        }
        end(&both);
    }
}

static void long_cells_are_written_whole(void **state)
{
    (void)state;
    static const size_t lengths[] = {PAGE - 1, PAGE, PAGE + 1, 2 * PAGE, FULL - 1, FULL, FULL + 1, LONGER, LONGER + 15};
    char *data = malloc(LONGER + 15);
    assert_non_null(data);
    for (size_t i = 0; i < sizeof lengths / sizeof *lengths; i++) {
        size_t len = lengths[i];
        static const char fillers[] = "a\", \t\r\n";
        struct both both;
        begin(&both, ',', '"');
        for (size_t f = 0; f < sizeof fillers - 1; f++) {
            struct csv_slice cells[] = {{"x", 1}, {data, len}, {NULL, 0}, {data, len}};
            memset(data, fillers[f], len);
            write_both(&both, cells, 4);
            memset(data, 'a', len);
            data[below(len)] = fillers[f];
            write_both(&both, cells, 4);
            data[len - 1] = fillers[f];
            write_both(&both, cells, 2);
            memset(data, 'a', len);
            data[len - 2] = fillers[f];
            write_both(&both, cells, 2);
        }
        fill(data, len);
        struct csv_slice lone = {data, len};
        write_both(&both, &lone, 1);
        end(&both);
    }
    free(data);
}

static void raw_both(struct both *both, const char *bytes, size_t len)
{
    struct err err;
    err_clear(&err);
    assert_true(csv_writer_raw(both->writer, bytes, len, &err));
    buf_add(&both->expected, bytes, len);
}

/* Rows that begin at every place about the one where the buffer is given out. */
static void no_byte_is_lost_where_the_buffer_is_given_out(void **state)
{
    (void)state;
    static char before[FULL + 64], quotes[3 * PAGE];
    memset(before, '-', sizeof before);
    memset(quotes, '"', sizeof quotes);
    static const size_t lengths[] = {0, 1, 7, 15, 16, 17, 40, PAGE - 1, PAGE, PAGE + 1, 2 * PAGE, 3 * PAGE};
    for (size_t at = FULL - 100; at < FULL + 20; at++)
        for (size_t i = 0; i < sizeof lengths / sizeof *lengths; i++) {
            struct both both;
            struct csv_slice cells[] = {
                {quotes, lengths[i]}, {"plain text of some length", 25}, {quotes, lengths[i]}, {before, lengths[i]}};
            begin(&both, ',', '"');
            raw_both(&both, before, at);
            write_both(&both, cells, 4);
            write_both(&both, cells + 1, 1);
            raw_both(&both, "x\n", 2);
            end(&both);
        }
}

static void expect_text(const struct csv_slice *cells, size_t count, const char *raw, const char *expected)
{
    struct both both;
    begin(&both, ',', '"');
    raw_both(&both, raw, strlen(raw));
    struct err err;
    err_clear(&err);
    assert_true(csv_writer_row(both.writer, cells, count, &err));
    assert_true(csv_writer_row(both.writer, cells, count, &err));
    buf_adds(&both.expected, expected);
    end(&both);
}

static void spaces_at_the_ends_are_kept_from_readers_that_trim(void **state)
{
    (void)state;
    struct csv_slice cells[] = {{" a", 2}, {"a\t", 2}, {"a b", 3}, {" ", 1}, {"\t", 1}};
    expect_text(cells, 5, "", "\" a\",\"a\t\",a b,\" \",\"\t\"\n\" a\",\"a\t\",a b,\" \",\"\t\"\n");
}

static void a_file_begins_with_no_byte_order_mark_that_a_cell_holds(void **state)
{
    (void)state;
    static const char *marks[] = {"\xEF\xBB\xBF", "\xFF\xFE", "\xFE\xFF"};
    for (size_t i = 0; i < 3; i++) {
        const char *mark = marks[i];
        struct csv_slice cells[] = {{mark, strlen(mark)}, {mark, strlen(mark)}};
        char expected[64];
        snprintf(expected, sizeof expected, "\"%s\",%s\n%s,%s\n", mark, mark, mark, mark);
        expect_text(cells, 2, "", expected);
        snprintf(expected, sizeof expected, "%s,%s\n%s,%s\n", mark, mark, mark, mark);
        expect_text(cells, 2, "a,b\n", expected);
    }
    struct csv_slice half = {"\xEF\xBB", 2};
    expect_text(&half, 1, "", "\xEF\xBB\n\xEF\xBB\n");
}

static void rows_without_a_visible_cell(void **state)
{
    (void)state;
    struct csv_slice cells[] = {{NULL, 0}, {NULL, 0}};
    expect_text(cells, 0, "", "\n\n");
    expect_text(cells, 1, "", "\"\"\n\"\"\n");
    expect_text(cells, 2, "", ",\n,\n");
}

/* libcsv has the say in how quotes are doubled. */
static void quoted_cells_are_those_of_libcsv(void **state)
{
    (void)state;
    for (int i = 0; i < 20000; i++) {
        size_t len = 1 + random_length();
        char *cell = malloc(len), *quoted = malloc(2 * len + 3);
        assert_non_null(cell);
        assert_non_null(quoted);
        fill(cell, len);
        cell[below(len)] = '"';
        quoted[csv_quote(quoted, cell, len, '"')] = '\n';
        struct both both;
        struct csv_slice slice = {cell, len};
        begin(&both, ',', '"');
        write_both(&both, &slice, 1);
        assert_memory_equal(both.expected.data, quoted, both.expected.len);
        end(&both);
        free(quoted);
        free(cell);
    }
}

static void a_record_that_was_read_has_the_quotes_that_it_needs(void **state)
{
    (void)state;
    static const char input[] = "\"a\",\"b,c\",d\"e, f\n\n\"\"\n\"two\nlines\",\"\"\n";
    struct text text = {DATA(input), 0, 1};
    struct csv_reader *reader = open_text(&text, &plain);
    const struct csv_row *row;
    struct both both;
    struct err err;
    err_clear(&err);
    begin(&both, ',', '"');
    while (csv_reader_next(reader, &row, &err) == CSV_ROW)
        assert_true(csv_writer_record(both.writer, row, &err));
    buf_adds(&both.expected, "a,\"b,c\",\"d\"\"e\",\" f\"\n\"\"\n\"two\nlines\",\n");
    end(&both);
    csv_reader_free(reader);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_written_reads_back_byte_for_byte),
        cmocka_unit_test(random_cells_are_written_as_the_rule_says),
        cmocka_unit_test(every_byte_at_every_place_of_short_cells),
        cmocka_unit_test(long_cells_are_written_whole),
        cmocka_unit_test(no_byte_is_lost_where_the_buffer_is_given_out),
        cmocka_unit_test(spaces_at_the_ends_are_kept_from_readers_that_trim),
        cmocka_unit_test(a_file_begins_with_no_byte_order_mark_that_a_cell_holds),
        cmocka_unit_test(rows_without_a_visible_cell),
        cmocka_unit_test(quoted_cells_are_those_of_libcsv),
        cmocka_unit_test(a_record_that_was_read_has_the_quotes_that_it_needs),
    };
    return cmocka_run_group_tests(tests, make_fences, remove_fences);
}
