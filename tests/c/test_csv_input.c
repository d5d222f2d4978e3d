/* The CSV reader on what people and their programs write, by every path of its scan. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "core/csv_scan.h"
#include "tests/c/csv_reading.h"

/* Calls `read` once for each path that this machine has. */
static void by_every_path(void (*read)(const void *arg), const void *arg)
{
    for (const char *const *path = csv_scan_paths; *path; path++)
        if (csv_scan_select(*path))
            read(arg);
    assert_true(csv_scan_select(NULL));
}

struct expectation {
    const char *input;
    size_t len;
    struct csv_options options;
    const char *expected;
};

static void read_as_expected(const void *arg)
{
    const struct expectation *e = arg;
    expect_with(e->input, e->len, e->options, e->expected);
}

static void expect(const char *input, size_t len, struct csv_options options, const char *expected)
{
    struct expectation expectation = {input, len, options, expected};
    by_every_path(read_as_expected, &expectation);
}

/* ---- what every reader is asked to read ---- */

static void a_delimiter_in_quotes_divides_nothing(void **state)
{
    (void)state;
    expect(DATA("name,street,town,code\nAda Byron,7 Mill Rd.,\"Ely, Cambs\",00417"), headed,
           "h1:[name][street][town][code] 2:[Ada Byron][7 Mill Rd.][Ely, Cambs][00417] =2");
}

static void empty_cells_are_cells_with_and_without_quotes(void **state)
{
    (void)state;
    expect(DATA("x,y,z\n7,\"\",\"\"\n8,,9"), headed, "h1:[x][y][z] 2:[7][][] 3:[8][][9] =3");
    expect(DATA("x,y,z\r\n7,\"\",\"\"\r\n8,,9"), headed, "h1:[x][y][z] 2:[7][][] 3:[8][][9] =3");
    expect(DATA("\"\",\"\"\n,\n\"\",\n,\"\"\n"), plain, "1:[][] 2:[][] 3:[][] 4:[][] =4");
}

static void doubled_quotes_are_one(void **state)
{
    (void)state;
    expect(DATA("no,remark\n1,\"said \"\"no\"\" twice\"\n2,\"\"\"\"\n3,\"\"\"a\"\"\"\n"), headed,
           "h1:[no][remark] 2:[1][said \"no\" twice] 3:[2][\"] 4:[3][\"a\"] =4");
}

static void json_in_a_cell_is_left_alone(void **state)
{
    (void)state;
    expect(DATA("id,shape\n9,\"{\"\"kind\"\": \"\"dot\"\", \"\"at\"\": [4.5, -1]}\"\n"), headed,
           "h1:[id][shape] 2:[9][{\"kind\": \"dot\", \"at\": [4.5, -1]}] =2");
}

static void line_ends_in_quotes_belong_to_the_cell(void **state)
{
    (void)state;
    expect(DATA("a,b\n\"one \ntwo\",3\n4,5\n"), headed, "h1:[a][b] 2:[one \\ntwo][3] 4:[4][5] =4");
    expect(DATA("a,b\r\n\"one \r\ntwo\",3\r\n4,5\r\n"), headed, "h1:[a][b] 2:[one \\r\\ntwo][3] 4:[4][5] =4");
    expect(DATA("a,b\n6,\"she \n\"\"said\"\" \nso\"\n7,8\n"), headed, "h1:[a][b] 2:[6][she \\n\"said\" \\nso] 5:[7][8] =5");
}

static void plain_rows(void **state)
{
    (void)state;
    expect(DATA("q,r,s\n4,5,6\n"), headed, "h1:[q][r][s] 2:[4][5][6] =2");
    expect(DATA("q,r,s\r\n4,5,6\r\n"), headed, "h1:[q][r][s] 2:[4][5][6] =2");
    expect(DATA("q,r\n4,\xC3\xA5\xE6\x97\xA5\n"), headed, "h1:[q][r] 2:[4][\\xc3\\xa5\\xe6\\x97\\xa5] =2");
}

/* Degrees in Latin-1, minutes and seconds: a quote inside a cell that has none around it. */
static void a_place_in_degrees_minutes_and_seconds_is_read(void **state)
{
    (void)state;
    expect(DATA("phone,place,town\n5550100,52\xB0"
                "24'6.1\"N 0\xB0"
                "15'44.0\"E,Ely"),
           headed, "h1:[phone][place][town] 2:[5550100][52\\xb024'6.1\"N 0\\xb015'44.0\"E][Ely] =2");
}

/* ---- RFC 4180, section 2, in its order ---- */

static void rfc_4180_is_kept(void **state)
{
    (void)state;
    expect(DATA("red,green,blue\r\none,two,three\r\n"), plain, "1:[red][green][blue] 2:[one][two][three] =2");
    expect(DATA("red,green,blue\r\none,two,three"), plain, "1:[red][green][blue] 2:[one][two][three] =2");
    expect(DATA("colour_a,colour_b\r\nred,green\r\n"), headed, "h1:[colour_a][colour_b] 2:[red][green] =2");
    expect(DATA("red, green , blue \r\n"), plain, "1:[red][ green ][ blue ] =1");
    expect(DATA("\"red\",\"green\",\"blue\"\r\none,two,three"), plain, "1:[red][green][blue] 2:[one][two][three] =2");
    expect(DATA("\"red\",\"gr\r\neen\",\"blue\"\r\none,two,three"), plain,
           "1:[red][gr\\r\\neen][blue] 3:[one][two][three] =3");
    expect(DATA("\"red\",\"gr\"\"een\",\"blue\""), plain, "1:[red][gr\"een][blue] =1");
}

/* ---- spreadsheets ---- */

static const struct csv_options semicolons = {.delimiter = ';'};

static void a_mark_semicolons_and_decimal_commas(void **state)
{
    (void)state;
    expect(DATA("\xEF\xBB\xBFKunde;Saldo;Ort\r\nM\xC3\xBCller;1.204,50;\"Halle; Saale\"\r\nKoch;-3,00;\r\n"), semicolons,
           "h1:[Kunde][Saldo][Ort] 2:[M\\xc3\\xbcller][1.204,50][Halle; Saale] 3:[Koch][-3,00][] =3");
}

static void columns_and_rows_that_are_empty_at_the_end_stay(void **state)
{
    (void)state;
    expect(DATA("id,name,,\r\n1,Ann,,\r\n,,,\r\n,,,\r\n"), headed, "h1:[id][name][][] 2:[1][Ann][][] 3:[][][][] 4:[][][][] =4");
}

static void a_line_break_typed_into_a_cell_is_lf_among_cr_lf(void **state)
{
    (void)state;
    expect(DATA("id,address\r\n1,\"3 Hill St\nRye\"\r\n2,\"\n\"\r\n"), headed,
           "h1:[id][address] 2:[1][3 Hill St\\nRye] 4:[2][\\n] =5");
}

static void a_text_with_tabs_between(void **state)
{
    (void)state;
    struct csv_options tabs = {.delimiter = '\t'};
    expect(DATA("id\tsize\n1\t5\" x 3\"\n2\t\"a\tb\"\n3\t\n"), tabs, "h1:[id][size] 2:[1][5\" x 3\"] 3:[2][a\\x09b] 4:[3][] =4");
}

/* ---- what is left when files are joined, cut or damaged ---- */

static void every_kind_of_line_end_in_one_file(void **state)
{
    (void)state;
    expect(DATA("a,b\r\nc,d\ne,f\rg,\"h\r\ni\nj\rk\"\r\n\r\n\n\rl,m"), plain,
           "1:[a][b] 2:[c][d] 3:[e][f] 4:[g][h\\r\\ni\\nj\\rk] 11:[l][m] =11");
}

static void empty_lines_at_the_beginning_within_and_at_the_end(void **state)
{
    (void)state;
    expect(DATA("\n\r\nid\n\n1\n\r\r2\n\n\n"), headed, "h3:[id] 5:[1] 8:[2] =10");
}

static void a_mark_before_what_is_empty_or_in_quotes(void **state)
{
    (void)state;
    expect(DATA("\xEF\xBB\xBF"), plain, "=0");
    expect(DATA("\xEF\xBB\xBF\n\"a,b\"\n"), plain, "2:[a,b] =2");
    expect(DATA("a\n\xEF\xBB\xBF\"b\"\n"), plain, "1:[a] 2:[\\xef\\xbb\\xbf\"b\"] =2");
}

static void nuls_are_bytes_like_others(void **state)
{
    (void)state;
    char zeros[200] = {0};
    struct buf expected;
    buf_init(&expected, 1 << 16);
    zeros[99] = ',';
    zeros[150] = '\n';
    for (size_t i = 0; i < sizeof zeros; i++)
        buf_adds(&expected, i == 0 ? "1:[\\x00" : i == 99 ? "][" : i == 150 ? "] 2:[" : "\\x00");
    buf_adds(&expected, "] =2");
    expect(zeros, sizeof zeros, plain, expected.data);
    buf_free(&expected);
}

/* ---- trimmed ---- */

static void trimming_takes_spaces_and_tabs_and_nothing_else(void **state)
{
    (void)state;
    struct csv_options trim = {.no_header = true, .trim = true};
    expect(DATA(" a b ,\tc\t,\x0B d\x0C,\xC2\xA0\n"), trim, "1:[a b][c][\\x0b d\\x0c][\\xc2\\xa0] =1");
    expect(DATA("  \" a \"  ,\t\"b\"\t\n\"c\" ,\"d\"\n"), trim, "1:[ a ][b] 2:[c][d] =2");
    expect(DATA(" , \n  \n\t\r\n \"\" \n"), trim, "1:[][] 4:[] =4");
    expect(DATA(" 5\" pipe , x\n \"a\" b\n"), trim, "1:[5\" pipe][x] 2!1!text follows the closing quote of cell 1 =2");
    expect(DATA(" \"a\nb\" , c \n d"), trim, "1:[a\\nb][c] 3:[d] =3");
    trim.delimiter = '\t';
    expect(DATA(" a \t b \t\n\t\n \n"), trim, "1:[a][b][] 2:[][] =3");
}

/* ---- large ---- */

static struct csv_reader *open_at_record(struct text *text, const struct csv_options *options, const struct csv_row **row)
{
    struct err err;
    err_clear(&err);
    struct csv_reader *reader = open_text(text, options);
    assert_int_equal(csv_reader_next(reader, row, &err), CSV_ROW);
    return reader;
}

#define COLUMNS ((size_t)1000000)

static void read_a_million_columns(const void *arg)
{
    struct text text = *(const struct text *)arg;
    const struct csv_row *row;
    struct csv_reader *reader = open_at_record(&text, &headed, &row);
    assert_int_equal(row->count, COLUMNS);
    assert_int_equal(row->line, 2);
    assert_memory_equal(csv_cell(row, COLUMNS - 1).data, "0999999", 7);
    assert_int_equal(csv_cell(row, 0).len, 7);
    assert_int_equal(csv_reader_column(reader, "0999999", 7), COLUMNS - 1);
    csv_reader_free(reader);
}

static void a_million_columns(void **state)
{
    (void)state;
    struct buf rows;
    buf_init(&rows, (size_t)64 << 20);
    for (int line = 0; line < 2; line++)
        for (size_t i = 0; i < COLUMNS; i++)
            buf_addf(&rows, "%07zu%c", i, i + 1 < COLUMNS ? ',' : '\n');
    struct text text = {rows.data, rows.len, 0, 0};
    by_every_path(read_a_million_columns, &text);
    buf_free(&rows);
}

static void read_quotes_only(const void *arg)
{
    struct text text = *(const struct text *)arg;
    const struct csv_row *row;
    struct csv_reader *reader = open_at_record(&text, &plain, &row);
    assert_int_equal(row->count, 1);
    struct csv_slice cell = csv_cell(row, 0);
    assert_int_equal(cell.len, text.len / 2 - 1);
    for (size_t i = 0; i < cell.len; i++)
        assert_true(cell.data[i] == '"');
    csv_reader_free(reader);
}

static void read_an_odd_number_of_quotes(const void *arg)
{
    struct text text = *(const struct text *)arg;
    text.len--;
    char *got = read_all(text.data, text.len, 0, plain, false);
    assert_string_equal(got, "1!1!the quote that opens cell 1 is never closed =1");
    free(got);
}

static void a_file_of_a_million_quotes(void **state)
{
    (void)state;
    size_t len = 1000000;
    char *quotes = malloc(len);
    assert_non_null(quotes);
    memset(quotes, '"', len);
    struct text text = {quotes, len, 0, 0};
    by_every_path(read_quotes_only, &text);
    by_every_path(read_an_odd_number_of_quotes, &text);
    free(quotes);
}

/* The quotes of a record of 17 MiB are as they must be; but no one could tell before its end, so one is taken to be missing. */
static void read_what_is_too_long_in_quotes(const void *arg)
{
    struct text text = *(const struct text *)arg;
    const struct csv_row *row;
    struct err err;
    err_clear(&err);
    struct csv_reader *reader = open_at_record(&text, &plain, &row);
    assert_int_equal(csv_reader_next(reader, &row, &err), CSV_BAD);
    assert_int_equal(err.line, 2);
    assert_int_equal(err.column, 2);
    assert_string_equal(err.message, "the quote that opens cell 2 is not closed within 16777216 bytes, the most that a record "
                                     "may have");
    assert_int_equal(csv_reader_next(reader, &row, &err), CSV_ROW);
    assert_int_equal(row->line, 3);
    csv_reader_free(reader);

    uint64_t rows = 0;
    text.at = 0;
    reader = open_text(&text, &plain);
    assert_int_equal(csv_reader_count(reader, UINT64_MAX / 2, &rows, &err), CSV_BAD);
    assert_int_equal(rows, 1);
    assert_int_equal(err.line, 2);
    csv_reader_free(reader);
}

static void a_record_of_17_mib_in_quotes_names_the_line_where_it_began(void **state)
{
    (void)state;
    size_t len = (size_t)17 << 20;
    char *data = malloc(len);
    assert_non_null(data);
    memset(data, 'x', len);
    for (size_t i = 79; i < len; i += 80)
        data[i] = '\n';
    memcpy(data, "a\nb,\"", 5);
    memcpy(data + len - 4, "\"\nz\n", 4);
    struct text text = {data, len, 0, 0};
    by_every_path(read_what_is_too_long_in_quotes, &text);
    free(data);
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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_source_that_fails_ends_the_reader),
        cmocka_unit_test(a_delimiter_in_quotes_divides_nothing),
        cmocka_unit_test(empty_cells_are_cells_with_and_without_quotes),
        cmocka_unit_test(doubled_quotes_are_one),
        cmocka_unit_test(json_in_a_cell_is_left_alone),
        cmocka_unit_test(line_ends_in_quotes_belong_to_the_cell),
        cmocka_unit_test(plain_rows),
        cmocka_unit_test(a_place_in_degrees_minutes_and_seconds_is_read),
        cmocka_unit_test(rfc_4180_is_kept),
        cmocka_unit_test(a_mark_semicolons_and_decimal_commas),
        cmocka_unit_test(columns_and_rows_that_are_empty_at_the_end_stay),
        cmocka_unit_test(a_line_break_typed_into_a_cell_is_lf_among_cr_lf),
        cmocka_unit_test(a_text_with_tabs_between),
        cmocka_unit_test(every_kind_of_line_end_in_one_file),
        cmocka_unit_test(empty_lines_at_the_beginning_within_and_at_the_end),
        cmocka_unit_test(a_mark_before_what_is_empty_or_in_quotes),
        cmocka_unit_test(nuls_are_bytes_like_others),
        cmocka_unit_test(trimming_takes_spaces_and_tabs_and_nothing_else),
        cmocka_unit_test(a_million_columns),
        cmocka_unit_test(a_file_of_a_million_quotes),
        cmocka_unit_test(a_record_of_17_mib_in_quotes_names_the_line_where_it_began),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
