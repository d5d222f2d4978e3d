/* The check before an import: what is found, what it is called, what is kept back. */
#include <dirent.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "core/buf.h"
#include "core/check.h"

#define DATA(text) (text), sizeof(text) - 1

static char dir[64], input[96], rejects[96];

static int make_dir(void **state)
{
    (void)state;
    strcpy(dir, "/tmp/test_check_XXXXXX");
    if (!mkdtemp(dir))
        return -1;
    snprintf(input, sizeof input, "%s/customers.csv", dir);
    snprintf(rejects, sizeof rejects, "%s/rejects.csv", dir);
    return 0;
}

static int files_in_dir(void)
{
    int n = 0;
    DIR *d = opendir(dir);
    assert_non_null(d);
    while (readdir(d))
        n++;
    closedir(d);
    return n - 2;
}

static int remove_dir(void **state)
{
    (void)state;
    unlink(input);
    unlink(rejects);
    return rmdir(dir);
}

static void write_input(const char *data, size_t len)
{
    FILE *f = fopen(input, "w");
    assert_non_null(f);
    assert_int_equal(fwrite(data, 1, len, f), len);
    assert_int_equal(fclose(f), 0);
}

static char *read_fd(int fd)
{
    struct buf out;
    char piece[4096];
    ssize_t n;
    buf_init(&out, (size_t)1 << 30);
    while ((n = read(fd, piece, sizeof piece)) > 0)
        buf_add(&out, piece, (size_t)n);
    return buf_take(&out);
}

static char *read_path(const char *path)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    assert_true(fd >= 0);
    char *text = read_fd(fd);
    close(fd);
    return text;
}

static const struct check_field fields[] = {
    {.column = "Id"},
    {.column = "Email", .required = true},
    {.column = "Note", .max_length = CHECK_MAX_ADDITIONAL_INFORMATION},
};
static const char *const keys[] = {"Id", NULL};

static struct check_options usual(void)
{
    return (struct check_options){.path = input, .fields = fields, .field_count = 3, .keys = keys};
}

static struct check *run(const struct check_options *options)
{
    struct err err;
    err_clear(&err);
    struct check *check = check_new(options, &err);
    assert_non_null(check);
    while (check_slice(check))
        assert_false(check_result(check)->finished);
    assert_true(check_result(check)->finished);
    assert_false(check_slice(check));
    return check;
}

static struct check *run_on(const char *data, size_t len)
{
    struct check_options options = usual();
    write_input(data, len);
    return run(&options);
}

#define HEADER "Id,Email,Note,Extra\n"

static void expect_fatal(const char *data, size_t len, const char *code, const char *text)
{
    char got[1024], expected[1024];
    struct check *check = run_on(data, len);
    const struct check_result *result = check_result(check);
    assert_true(result->fatal);
    snprintf(expected, sizeof expected, "%s%s", input, text);
    assert_string_equal(err_text(&result->err, got, sizeof got), expected);
    assert_string_equal(result->err.code, code);
    check_free(check);
}

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

static void files_that_cannot_be_imported(void **state)
{
    (void)state;
    expect_fatal(DATA(""), ERR_INVALID_FILE, ": the file is empty: it needs a header row");
    expect_fatal(DATA(HEADER), ERR_INVALID_FILE, ": has a header and no rows");
    expect_fatal(DATA(HEADER "\n\n"), ERR_INVALID_FILE, ": has a header and no rows");
    expect_fatal(DATA("\xFF\xFEI\0d\0"), ERR_INVALID_FILE,
                 ": the file is UTF-16: save it as UTF-8 and try again");
    expect_fatal(DATA("\xEF\xBB\xBF" HEADER "1,a,,\n"), ERR_INVALID_FILE,
                 ": begins with a byte-order mark, with which the service does not find the first column "
                 "\"Id\": save it as "
                 "UTF-8 without one, or remove it with: tail -c +4 FILE > NEWFILE");
    expect_fatal(DATA("Id,Note\n1,x\n"), ERR_INVALID_FILE, ":1: the column \"Email\" is not in the header, which begins with \"Id\"");
    expect_fatal(DATA("Id,Emial,Note\n1,x,\n"), ERR_INVALID_FILE,
                 ":1: the column \"Email\" is not in the header (did you mean \"Emial\"?)");
    expect_fatal(DATA("\nCustomer,Email,Note\n1,x,\n"), ERR_INVALID_FILE,
                 ":2: the key column \"Id\" is not in the header, which begins with \"Customer\"");
    expect_fatal(DATA("Id;Email;Note\n1;x;\n"), ERR_INVALID_FILE,
                 ":1: the header is a single column: its cells seem to be separated by \";\", and the service takes commas "
                 "only: save the file with commas");
    expect_fatal(DATA("Id\tEmail\tNote\n1\tx\t\n"), ERR_INVALID_FILE,
                 ":1: the header is a single column: its cells seem to be separated by tabs, and the service takes commas "
                 "only: save the file with commas");
    expect_fatal(DATA("Id,Email,Note,Email\n1,x,,\n"), ERR_INVALID_FILE,
                 ":1: the column \"Email\" occurs twice in the header (cells 2 and 4): rename or remove one");
    expect_fatal(DATA("Id,Email,Note,Pr\xE9nom\n1,x,,\n"), ERR_INVALID_FILE,
                 ":1: cell 4 of the header is not UTF-8: save the file as UTF-8");
    expect_fatal(DATA("I\0d\0,\0\n"), ERR_INVALID_FILE,
                 ":1: cell 1 of the header holds a NUL byte: if the file is UTF-16, save it as UTF-8");
    expect_fatal(DATA("Id,\"Email\n1,x,,\n"), ERR_CSV,
                 ":1: the header cannot be read: the quote that opens cell 2 is never closed");
}

static void a_mapped_column_with_a_dot_is_refused(void **state)
{
    (void)state;
    static const struct check_field dotted[] = {{"Home.City", false, 0}};
    struct check_options options = usual();
    char got[1024], expected[1024];
    options.fields = dotted;
    options.field_count = 1;
    write_input(DATA("Id,Home.City\n1,x\n"));
    struct check *check = run(&options);
    snprintf(expected, sizeof expected, "%s:1: the column \"Home.City\" has a dot in its name: the service does not find such "
             "columns; rename it in the file", input);
    assert_string_equal(err_text(&check_result(check)->err, got, sizeof got), expected);
    check_free(check);
}

static void the_header_alone_can_be_looked_at(void **state)
{
    (void)state;
    static const char *const id[] = {"Id", NULL};
    struct check_options options = {.path = input, .keys = id};
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
    write_input(DATA("I\0d\n"));
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
        {"/dev/null", "/dev/null: is not a regular file: save the data in one first"},
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
    struct check *check = run_on(data, len);
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
                                      ",,,\n"
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
        "8: column \"Email\" (2): holds a NUL byte: \"a\\x00b\"",
        "8: column \"Note\" (3): is not UTF-8 (byte 1 of the cell is 0xFF): \"\\xFFz\"",
        "9: column \"Extra\" (4): is not UTF-8 (byte 4 of the cell is 0xE9): \"caf\\xE9\"",
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
    write_input(DATA(HEADER "1,,,\n2\n3\n,a,,\n,,,\n5,a,,,\n\"\n6,a,\0,\n7,a,\xC0,\n"));
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
            buf_adds(&data, "1,");
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
#define FORTY "éééééééééééééééééééééééééééééééééééééééé…\""
    static const char *const expected[] = {
        "3: column \"Email\" (2): has 256 characters, the service takes 255: \"" FORTY,
        "4: column \"Email\" (2): has 1000 characters, the service takes 255: \"" FORTY,
        "5: column \"Email\" (2): has 1001 characters, the service takes 255: \"" FORTY,
        "9: column \"Note\" (3): has 1001 characters, the service takes 1000: \"" FORTY,
        NULL,
    };
    expect_problems(data.data, data.len, expected, 4);
    buf_free(&data);
}

static void each_of_several_key_columns_is_needed(void **state)
{
    (void)state;
    static const char *const two[] = {"Id", "Extra", NULL};
    struct check_options options = usual();
    options.keys = two;
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
    struct check *check = run_on(DATA(HEADER "1,secret\xFF,,\n"));
    check_problem_text(&check_result(check)->problems[0], "customers.csv", false, text, sizeof text);
    assert_string_equal(text,
                        "customers.csv:2: column \"Email\" (2): is not UTF-8 (byte 7 of the cell is 0xFF)");
    check_free(check);
}

/* ---- rejecting ---- */

static void expect_parted(const char *data, size_t len, const char *good, const char *bad)
{
    struct check_options options = usual();
    struct stat st;
    options.reject = true;
    options.rejects_path = rejects;
    write_input(data, len);
    unlink(rejects);
    struct check *check = run(&options);
    const struct check_result *result = check_result(check);
    assert_false(result->fatal);
    assert_true(result->rejects_written);
    assert_int_equal(files_in_dir(), 2);
    assert_true(result->outgoing_fd >= 0);
    assert_int_equal(result->outgoing_bytes, strlen(good));
    assert_int_equal(fstat(result->outgoing_fd, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
    assert_int_equal(st.st_nlink, 0);
    int fd = check_take_outgoing(check);
    assert_int_equal(result->outgoing_fd, -1);
    check_free(check);
    char *text = read_fd(fd);
    close(fd);
    assert_string_equal(text, good);
    free(text);
    assert_int_equal(stat(rejects, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
    text = read_path(rejects);
    assert_string_equal(text, bad);
    free(text);
}

#define REJECTS_HEADER "Id,Email,Note,Extra,upjob_reason\n"

static void rejected_rows_stay_as_they_were(void **state)
{
    (void)state;
    expect_parted(DATA(HEADER "1, a ,\"x\",\r\n2,,\"q\"\"q\",\r\n3,b,,\r4\n5,c,,"),
                  HEADER "1, a ,\"x\",\r\n3,b,,\r5,c,,",
                  REJECTS_HEADER
                  "2,,\"q\"\"q\",,\"column \"\"Email\"\" (2): is empty, and the mapping requires it\"\n"
                  "4,,,,\"the row has 1 cell, the header has 4\"\n");
    /* The first and the last, and what no reader can read. */
    expect_parted(DATA(HEADER ",a,,\n1,a,,\n\"abc\" ,x,,\n\n2,\"x"), HEADER "1,a,,\n\n",
                  REJECTS_HEADER
                  ",a,,,\"column \"\"Id\"\" (1): is empty, and it is the unique key\"\n"
                  "\"abc\" ,x,,,\"column \"\"Id\"\" (1): text follows the closing quote of cell 1\"\n"
                  "2,\"x,\"column \"\"Email\"\" (2): the quote that opens cell 2 is never closed\"\n");
    /* All of them. */
    expect_parted(DATA("\n" HEADER "1,,,\n"), "\n" HEADER,
                  REJECTS_HEADER
                  "1,,,,\"column \"\"Email\"\" (2): is empty, and the mapping requires it\"\n");
    expect_parted(
        DATA(HEADER "1,\"a\nb\",,,\n,,,\n9,a,,\n"), HEADER "9,a,,\n",
        REJECTS_HEADER
        "1,\"a\nb\",,,,\"the row has 5 cells, the header has 4\"\n"
        ",,,,\"column \"\"Id\"\" (1): is empty, and it is the unique key; column \"\"Email\"\" (2): "
        "is empty, and the mapping requires it\"\n");
    unlink(rejects);
}

static void rows_rejected_again_have_one_reason(void **state)
{
    (void)state;
    expect_parted(DATA(REJECTS_HEADER "1,a,,,old\n2,,\"q,q\",,\"old, too\"\n3,,,\n4,a,,,x,y\n5,\"a\n"),
                  REJECTS_HEADER "1,a,,,old\n",
                  REJECTS_HEADER
                  "2,,\"q,q\",,\"column \"\"Email\"\" (2): is empty, and the mapping requires it\"\n"
                  "3,,,,\"the row has 4 cells, the header has 5\"\n"
                  "4,a,,,x,y,\"the row has 6 cells, the header has 5\"\n"
                  "5,\"a,\"column \"\"Email\"\" (2): the quote that opens cell 2 is never closed\"\n");
    unlink(rejects);
}

static void nothing_rejected_makes_no_files(void **state)
{
    (void)state;
    struct check_options options = usual();
    options.reject = true;
    options.rejects_path = rejects;
    write_input(DATA(HEADER "1,a,,\n"));
    struct check *check = run(&options);
    assert_false(check_result(check)->fatal);
    assert_false(check_result(check)->rejects_written);
    assert_int_equal(check_result(check)->outgoing_fd, -1);
    check_free(check);
    assert_int_equal(files_in_dir(), 1);
}

static void mended_rejects_are_an_input_like_any(void **state)
{
    (void)state;
    struct check *check = run_on(DATA(REJECTS_HEADER "2,b,x,,\"column \"\"Email\"\" (2): is empty\"\n"));
    assert_false(check_result(check)->fatal);
    assert_int_equal(check_result(check)->bad_rows, 0);
    check_free(check);
}

static void a_fatal_end_leaves_no_rejects_behind(void **state)
{
    (void)state;
    struct check_options options = usual();
    options.reject = true;
    options.rejects_path = rejects;
    options.csv.max_record = 30;
    write_input(DATA(HEADER "1,,,\n2,aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa,,\n3,a,,\n"));
    struct check *check = run(&options);
    assert_true(check_result(check)->fatal);
    assert_int_equal(check_result(check)->outgoing_fd, -1);
    assert_int_equal(files_in_dir(), 1);
    check_free(check);
    /* Given up in the middle. */
    struct err err;
    options.csv.max_record = 0;
    check = check_new(&options, &err);
    assert_non_null(check);
    assert_true(check_slice(check));
    assert_true(check_slice(check));
    check_free(check);
    assert_int_equal(files_in_dir(), 1);
}

static void rejects_without_a_place_are_fatal(void **state)
{
    (void)state;
    struct check_options options = usual();
    options.reject = true;
    options.rejects_path = "/nonexistent/rejects.csv";
    write_input(DATA(HEADER "1,,,\n"));
    struct check *check = run(&options);
    assert_true(check_result(check)->fatal);
    assert_string_equal(check_result(check)->err.code, ERR_FILE);
    assert_string_equal(check_result(check)->err.file, options.rejects_path);
    check_free(check);
}

static void a_full_disk_is_fatal(void **state)
{
    (void)state;
    /* A limit on file sizes stands in for the full disk. */
    struct rlimit old, limit;
    struct check_options options = usual();
    struct buf data;
    buf_init(&data, 1 << 22);
    buf_adds(&data, HEADER);
    for (int i = 0; i < 100000; i++)
        buf_adds(&data, "1,a,,\n");
    buf_adds(&data, "2,,,\n");
    write_input(data.data, data.len);
    buf_free(&data);
    signal(SIGXFSZ, SIG_IGN);
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &old), 0);
    limit = old;
    limit.rlim_cur = 300000;
    options.reject = true;
    options.rejects_path = rejects;
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
    struct check *check = run(&options);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &old), 0);
    assert_true(check_result(check)->fatal);
    assert_string_equal(check_result(check)->err.code, ERR_SYSTEM);
    check_free(check);
    assert_int_equal(files_in_dir(), 1);
}

static void a_file_that_changes_is_fatal(void **state)
{
    (void)state;
    struct check_options options = usual();
    struct err err;
    err_clear(&err);
    write_input(DATA(HEADER "1,a,,\n"));
    struct check *check = check_new(&options, &err);
    assert_non_null(check);
    assert_true(check_slice(check));
    FILE *f = fopen(input, "a");
    assert_non_null(f);
    fputs("2,a,,\n", f);
    fclose(f);
    while (check_slice(check))
        ;
    assert_true(check_result(check)->fatal);
    assert_string_equal(check_result(check)->err.message,
                        "has grown while it was read: start again when nothing writes to it any more");
    check_free(check);
}

/* 20 MB with a bad row now and then, against what a few lines here make of it. */
static void a_large_file_is_parted_in_short_slices(void **state)
{
    (void)state;
    struct buf data, good, bad;
    unsigned seed = 11;
    buf_init(&data, (size_t)1 << 28);
    buf_init(&good, (size_t)1 << 28);
    buf_init(&bad, (size_t)1 << 28);
    buf_adds(&data, HEADER);
    buf_adds(&good, HEADER);
    buf_adds(&bad, REJECTS_HEADER);
    for (int i = 0; i < 500000; i++) {
        bool wrong = i > 400000 && rand_r(&seed) % 3 == 0;
        char row[128];
        snprintf(row, sizeof row, "%d,%s,\"a note, or\nso\",%d", i, wrong ? "" : "user@example.com", i % 77);
        buf_addf(&data, "%s\n", row);
        if (wrong)
            buf_addf(&bad, "%s,\"column \"\"Email\"\" (2): is empty, and the mapping requires it\"\n", row);
        else
            buf_addf(&good, "%s\n", row);
    }
    write_input(data.data, data.len);
    struct check_options options = usual();
    options.reject = true;
    options.rejects_path = rejects;
    struct err err;
    err_clear(&err);
    struct check *check = check_new(&options, &err);
    assert_non_null(check);
    int slices = 0;
    while (check_slice(check))
        slices++;
    assert_false(check_result(check)->fatal);
    assert_true((size_t)slices >= data.len >> 20);
    assert_int_equal(check_result(check)->outgoing_bytes, good.len);
    char *text = read_fd(check_result(check)->outgoing_fd);
    assert_memory_equal(text, good.data, good.len);
    free(text);
    check_free(check);
    text = read_path(rejects);
    assert_string_equal(text, bad.data);
    free(text);
    buf_free(&data);
    buf_free(&good);
    buf_free(&bad);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_good_file_has_no_problems),
        cmocka_unit_test(files_that_cannot_be_imported),
        cmocka_unit_test(a_mapped_column_with_a_dot_is_refused),
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
        cmocka_unit_test(rejected_rows_stay_as_they_were),
        cmocka_unit_test(rows_rejected_again_have_one_reason),
        cmocka_unit_test(nothing_rejected_makes_no_files),
        cmocka_unit_test(mended_rejects_are_an_input_like_any),
        cmocka_unit_test(a_fatal_end_leaves_no_rejects_behind),
        cmocka_unit_test(rejects_without_a_place_are_fatal),
        cmocka_unit_test(a_full_disk_is_fatal),
        cmocka_unit_test(a_file_that_changes_is_fatal),
        cmocka_unit_test(a_large_file_is_parted_in_short_slices),
    };
    return cmocka_run_group_tests(tests, make_dir, remove_dir);
}
