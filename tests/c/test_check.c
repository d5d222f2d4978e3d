/* The check before an import: what is found, what it is called. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/c/checking.h"

static void a_good_file_has_no_problems(void **state)
{
    (void)state;
    static const char data[] = HEADER "1,a@b,,\r\n2,\"c\nd\",caf\xC3\xA9,x\n\n3,e,5\" pipe,";
    struct check *check = run_on(data, sizeof data - 1);
    const struct check_result *result = check_result(check);
    assert_false(result->fatal);
    assert_int_equal(result->rows, 3);
    assert_int_equal(result->bad_rows, 0);
    assert_int_equal(result->problem_count, 0);
    assert_int_equal(result->bytes, sizeof data - 1);
    assert_int_equal(result->total, sizeof data - 1);
    assert_int_equal(result->outgoing_fd, -1);
    check_free(check);
}

static void the_md5_is_that_of_the_file_and_only_of_what_is_sent(void **state)
{
    (void)state;
    struct check *check = run_on(DATA(HEADER "1,a@b,,\n2,c@d,,\n"));
    assert_string_equal(check_result(check)->md5, "3ORNe2rh/RerIikSLIMWXQ==");
    check_free(check);
    struct check_options options = usual();
    options.plan.no_digest = true;
    check = run(&options);
    assert_int_equal(check_result(check)->rows, 2);
    assert_string_equal(check_result(check)->md5, "");
    check_free(check);
}

static void files_that_cannot_be_imported(void **state)
{
    (void)state;
    expect_fatal(DATA(""), ERR_INVALID_FILE, ": the file is empty: it needs a header row");
    expect_fatal(DATA(HEADER), ERR_INVALID_FILE, ": has a header and no rows");
    expect_fatal(DATA(HEADER "\n\n"), ERR_INVALID_FILE, ": has a header and no rows");
    expect_fatal(DATA("Id,Note\n1,x\n"), ERR_INVALID_FILE,
                 ":1: the column \"Email\" is not in the header, which begins with \"Id\"");
    expect_fatal(DATA("Id,Emial,Note\n1,x,\n"), ERR_INVALID_FILE,
                 ":1: the column \"Email\" is not in the header (did you mean \"Emial\"?)");
    expect_fatal(DATA("\nCustomer,Email,Note\n1,x,\n"), ERR_INVALID_FILE,
                 ":2: the key column \"Id\" is not in the header, which begins with \"Customer\"");
    expect_fatal(DATA("Id^Email^Note\n1^x^\n"), ERR_INVALID_FILE,
                 ":1: the key column \"Id\" is not in the header, which begins with \"Id^Email^Note\"");
    expect_fatal(DATA("Id;Email\n"), ERR_INVALID_FILE,
                 ":1: the column \"Note\" is not in the header, which begins with \"Id\"");
    expect_fatal(DATA("Id,Email,Note,Email\n1,x,,\n"), ERR_INVALID_FILE,
                 ":1: the column \"Email\" occurs twice in the header (cells 2 and 4): rename or remove one");
    struct check_options as_utf8 = usual();
    as_utf8.encoding = "UTF-8";
    expect_fatal_with(as_utf8, DATA("Id,Email,Note,Pr\xE9nom\n1,x,,\n"), ERR_INVALID_FILE,
                      ":1: cell 4 of the header is not UTF-8: save the file as UTF-8");
    expect_fatal(DATA("Id,Em\0ail\n1,x\n"), ERR_INVALID_FILE,
                 ":1: cell 2 of the header holds a NUL byte: if the file is UTF-16, save it as UTF-8");
    expect_fatal(DATA("Id,\"Email\n1,x,,\n"), ERR_CSV,
                 ":1: the header cannot be read: the quote that opens cell 2 is never closed");
}

static void what_would_be_mended_is_refused_when_told_so(void **state)
{
    (void)state;
    struct check_options strict = usual();
    strict.strict = true;
    expect_fatal_with(
        strict, DATA("\xEF\xBB\xBF" HEADER "1,a,,\n"), ERR_INVALID_FILE,
        ": begins with a byte-order mark: save it without, or let it be dropped (without strict)");
    expect_fatal_with(strict, DATA("\xFF\xFEI\0d\0,\0E\0m\0"), ERR_INVALID_FILE,
                      ": is UTF-16LE, not UTF-8: save it as UTF-8, or let it be converted (without strict)");
    expect_fatal_with(
        strict, DATA("Id,Email,Note,Extra\n1,x,,Andr\xE9\n"), ERR_INVALID_FILE,
        ": is probably windows-1252, not UTF-8: save it as UTF-8, or let it be converted (without strict)");
    expect_fatal_with(strict, DATA("Id;Email;Note\n1;x;\n"), ERR_INVALID_FILE,
                      ": its cells are separated by \";\", and the service takes commas only: save it with "
                      "commas, or let it be "
                      "converted (without strict)");
    expect_fatal_with(strict, DATA("sep=,\nId,Email,Note\n1,x,\n"), ERR_INVALID_FILE,
                      ": begins with a line \"sep=\", which the service takes for the header: remove it, or "
                      "let it be dropped "
                      "(without strict)");
}

static void a_mapped_column_with_a_dot_is_refused_where_nothing_is_to_be_mended(void **state)
{
    (void)state;
    static const char *const columns[] = {"Home.City", NULL};
    static const struct mapping_field dotted[] = {
        {.key = "city", .target = "Address.City", .columns = columns}};
    struct check_options options = usual();
    char got[1024], expected[1024];
    options.plan.mapping = mapping_of(dotted, 1);
    options.strict = true;
    write_input(DATA("Id,Home.City\n1,x\n"));
    struct check *check = run(&options);
    snprintf(expected, sizeof expected,
             "%s:1: the column \"Home.City\" has a dot in its name: the service does not find such "
             "columns; rename it in the file",
             input);
    assert_string_equal(err_text(&check_result(check)->err, got, sizeof got), expected);
    check_free(check);
}

static void the_header_alone_can_be_looked_at(void **state)
{
    (void)state;
    struct check_options options = {.path = input};
    struct err err;
    long line;
    write_input(DATA("\nId,Name\n"));
    err_clear(&err);
    struct check *check = check_new(&options, &err);
    assert_true(check_open(check, &err));
    const char *const *names = check_header_names(check, &line);
    assert_int_equal(line, 2);
    assert_string_equal(names[0], "Id");
    assert_string_equal(names[1], "Name");
    assert_null(names[2]);
    check_free(check);
    write_input(DATA("Id,N\0ame\n"));
    check = check_new(&options, &err);
    assert_false(check_open(check, &err));
    assert_string_equal(err.file, input);
    assert_int_equal(err.line, 1);
    check_free(check);
}

static void an_unmapped_header_may_occur_twice(void **state)
{
    (void)state;
    struct check *check = run_on(DATA("Id,Email,Note,x,x\n1,a,,,\n"));
    assert_false(check_result(check)->fatal);
    check_free(check);
}

static void files_that_cannot_be_read(void **state)
{
    (void)state;
    struct check_options options = usual();
    static const struct {
        const char *path, *text;
    } samples[] = {
        {"/nonexistent/x.csv", "/nonexistent/x.csv: cannot be opened: No such file or directory"},
        {"/tmp", "/tmp: is a directory, not a CSV file"},
        {"/dev/null", "/dev/null: is a device, not a CSV file: give a file or a pipe"},
    };
    for (size_t i = 0; i < sizeof samples / sizeof *samples; i++) {
        char text[1024];
        options.path = samples[i].path;
        struct check *check = run(&options);
        assert_true(check_result(check)->fatal);
        assert_string_equal(check_result(check)->err.code, ERR_FILE);
        assert_string_equal(err_text(&check_result(check)->err, text, sizeof text), samples[i].text);
        check_free(check);
    }
}

static void a_gigabyte_is_too_much(void **state)
{
    (void)state;
    write_input(DATA(HEADER "1,a,,\n"));
    assert_int_equal(truncate(input, 1000000000), 0);
    struct check_options options = usual();
    struct check *check = run(&options);
    assert_true(check_result(check)->fatal);
    assert_string_equal(check_result(check)->err.message,
                        "has 1000000000 bytes; the service takes less than 1000000000: split the file");
    check_free(check);
}

static void an_open_quote_with_more_behind_it_than_the_limit_is_one_bad_row(void **state)
{
    (void)state;
    struct check_options options = usual();
    options.csv.max_record = 40;
    write_input(DATA(HEADER "1,a,,\n2,\"a,,\n3,a,,\n4,a,,\n5,a,,\n6,a,,\n7,a,,\n8,a,,\n9,a,,\n"));
    struct check *check = run(&options);
    const struct check_result *result = check_result(check);
    assert_false(result->fatal);
    assert_int_equal(result->rows, 9);
    assert_int_equal(result->bad_rows, 1);
    assert_int_equal(result->problems[0].line, 3);
    check_free(check);
}

static void a_line_past_the_limit_is_fatal(void **state)
{
    (void)state;
    struct check_options options = usual();
    options.csv.max_record = 40;
    write_input(DATA(HEADER "1,a,,\n2,aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa,,\n3,a,,\n"));
    struct check *check = run(&options);
    const struct check_result *result = check_result(check);
    assert_true(result->fatal);
    assert_string_equal(result->err.code, ERR_CSV);
    assert_int_equal(result->err.line, 3);
    check_free(check);
}

/* Expects exactly these problems, in order, as sentences with their values. */
static void expect_problems(const char *data, size_t len, const char *const *expected, uint64_t bad_rows)
{
    struct check_options options = usual();
    options.encoding = "UTF-8";
    write_input(data, len);
    struct check *check = run(&options);
    const struct check_result *result = check_result(check);
    size_t n = 0;
    assert_false(result->fatal);
    for (; expected[n]; n++) {
        char text[1024], line[1024];
        assert_true(n < result->problem_count);
        snprintf(line, sizeof line, "%s:%s", input, expected[n]);
        check_problem_text(&result->problems[n], input, true, text, sizeof text);
        assert_string_equal(text, line);
    }
    assert_int_equal(result->problem_count, n);
    assert_int_equal(result->bad_rows, bad_rows);
    check_free(check);
}

static void each_problem_names_its_place(void **state)
{
    (void)state;
    static const char data[] = HEADER "1,a,,\n"
                                      "2,a,\n"
                                      "3,\"a\nb\",,,,\n"
                                      ",,,x\n"
                                      "\"abc\" ,x,,\n"
                                      "8,a\0b,\xFFz,\n"
                                      "9,,x,caf\xE9\n"
                                      "10\n";
    static const char *const expected[] = {
        "3: the row has 3 cells, the header has 4",
        "4: the row has 6 cells, the header has 4",
        "6: column \"Id\" (1): is empty, and it is the unique key",
        "6: column \"Email\" (2): is empty, and the mapping requires it",
        "7: column \"Id\" (1): text follows the closing quote of cell 1",
        "8: column \"Email\" (2): \"a\\x00b\" holds a NUL byte",
        "8: column \"Note\" (3): \"\\xFFz\" is not UTF-8 (byte 1 of the cell is 0xFF)",
        "9: column \"Extra\" (4): \"caf\\xE9\" is not UTF-8 (byte 4 of the cell is 0xE9)",
        "9: column \"Email\" (2): is empty, and the mapping requires it",
        "10: the row has 1 cell, the header has 4",
        NULL,
    };
    expect_problems(data, sizeof data - 1, expected, 7);
}

static void classes_are_counted_and_the_first_problems_kept(void **state)
{
    (void)state;
    struct check_options options = usual();
    options.max_problems = 2;
    options.encoding = "UTF-8";
    write_input(DATA(HEADER "1,,,\n2\n3\n,a,,\n,,,x\n5,a,,,\n\"\n6,a,\0,\n7,a,\xC0,\n"));
    struct check *check = run(&options);
    const struct check_result *result = check_result(check);
    static const uint64_t expected[CHECK_CLASSES] = {
        [CHECK_UNREADABLE] = 1, [CHECK_TOO_FEW_CELLS] = 2,  [CHECK_TOO_MANY_CELLS] = 1, [CHECK_NUL] = 1,
        [CHECK_NOT_UTF8] = 1,   [CHECK_REQUIRED_EMPTY] = 2, [CHECK_KEY_EMPTY] = 2,
    };
    assert_int_equal(result->problem_count, 2);
    assert_int_equal(result->rows, 9);
    assert_int_equal(result->bad_rows, 9);
    for (size_t i = 0; i < CHECK_CLASSES; i++) {
        if (result->counts[i] != expected[i])
            fail_msg("%s: %zu, not %zu", check_class_name(i), (size_t)result->counts[i], (size_t)expected[i]);
        assert_true(check_class_name(i)[0] != '\0');
    }
    check_free(check);
}

static void lengths_are_of_characters_and_of_mapped_columns(void **state)
{
    (void)state;
    /* é is two bytes: 255 of them are as long as it may be. */
    static const size_t lengths[] = {255, 256, 1000, 1001};
    struct buf data;
    buf_init(&data, 1 << 20);
    buf_adds(&data, HEADER);
    for (size_t column = 1; column < 4; column++)
        for (size_t i = 0; i < 4; i++) {
            buf_addf(&data, "%zu%zu,", column, i);
            if (column != 1)
                buf_adds(&data, "a");
            for (size_t c = 1; c < column; c++)
                buf_adds(&data, ",");
            for (size_t n = 0; n < lengths[i]; n++)
                buf_adds(&data, "\xC3\xA9");
            for (size_t c = column; c < 3; c++)
                buf_adds(&data, ",");
            buf_adds(&data, "\n");
        }
#define FORTY "\"éééééééééééééééééééééééééééééééééééééééé…\" "
    static const char *const expected[] = {
        "3: column \"Email\" (2): " FORTY "has 256 characters, the service takes 255",
        "4: column \"Email\" (2): " FORTY "has 1000 characters, the service takes 255",
        "5: column \"Email\" (2): " FORTY "has 1001 characters, the service takes 255",
        "9: column \"Note\" (3): " FORTY "has 1001 characters, the service takes 1000",
        NULL,
    };
    expect_problems(data.data, data.len, expected, 4);
    buf_free(&data);
}

static void each_of_several_key_columns_is_needed(void **state)
{
    (void)state;
    static const char *const two[] = {"Id", "Extra", NULL};
    static const struct mapping_field both[] = {
        {.key = "both", .target = "Attributes.both", .columns = two, .is_key = true}};
    struct check_options options = usual();
    static const char *const others[] = {"Email", "Note", NULL};
    options.plan.mapping = mapping_of(both, 1);
    options.plan.skipped = others;
    write_input(DATA(HEADER "1,a,,\n,a,,x\n1,a,,x\n"));
    struct check *check = run(&options);
    const struct check_result *result = check_result(check);
    assert_int_equal(result->problem_count, 2);
    assert_int_equal(result->problems[0].column, 4);
    assert_string_equal(result->problems[0].reason, "is empty, and it is part of the unique key");
    assert_int_equal(result->problems[1].column, 1);
    check_free(check);
}

static void values_are_left_out_unless_asked_for(void **state)
{
    (void)state;
    char text[512];
    struct check_options options = usual();
    options.encoding = "UTF-8";
    write_input(DATA(HEADER "1,secret\xFF,,\n"));
    struct check *check = run(&options);
    check_problem_text(&check_result(check)->problems[0], "customers.csv", false, text, sizeof text);
    assert_string_equal(text,
                        "customers.csv:2: column \"Email\" (2): is not UTF-8 (byte 7 of the cell is 0xFF)");
    check_free(check);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_good_file_has_no_problems),
        cmocka_unit_test(the_md5_is_that_of_the_file_and_only_of_what_is_sent),
        cmocka_unit_test(files_that_cannot_be_imported),
        cmocka_unit_test(what_would_be_mended_is_refused_when_told_so),
        cmocka_unit_test(a_mapped_column_with_a_dot_is_refused_where_nothing_is_to_be_mended),
        cmocka_unit_test(the_header_alone_can_be_looked_at),
        cmocka_unit_test(an_unmapped_header_may_occur_twice),
        cmocka_unit_test(files_that_cannot_be_read),
        cmocka_unit_test(a_gigabyte_is_too_much),
        cmocka_unit_test(an_open_quote_with_more_behind_it_than_the_limit_is_one_bad_row),
        cmocka_unit_test(a_line_past_the_limit_is_fatal),
        cmocka_unit_test(each_problem_names_its_place),
        cmocka_unit_test(classes_are_counted_and_the_first_problems_kept),
        cmocka_unit_test(lengths_are_of_characters_and_of_mapped_columns),
        cmocka_unit_test(each_of_several_key_columns_is_needed),
        cmocka_unit_test(values_are_left_out_unless_asked_for),
    };
    return cmocka_run_group_tests(tests, make_dir, remove_dir);
}
