/* The check before an import: what is kept back, and what is left to send. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include "tests/c/checking.h"

static void expect_parted(const char *data, size_t len, const char *good, const char *bad)
{
    struct check_options options = usual();
    struct stat st;
    options.plan.reject = true;
    options.plan.rejects_path = rejects;
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
        DATA(HEADER "1,\"a\nb\",,,\n,,,x\n9,a,,\n"), HEADER "9,a,,\n",
        REJECTS_HEADER
        "1,\"a\nb\",,,,\"the row has 5 cells, the header has 4\"\n"
        ",,,x,\"column \"\"Id\"\" (1): is empty, and it is the unique key; column \"\"Email\"\" (2): "
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
    options.plan.reject = true;
    options.plan.rejects_path = rejects;
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
    options.plan.reject = true;
    options.plan.rejects_path = rejects;
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
    options.plan.reject = true;
    options.plan.rejects_path = "/nonexistent/rejects.csv";
    write_input(DATA(HEADER "1,,,\n"));
    struct check *check = run(&options);
    assert_true(check_result(check)->fatal);
    assert_string_equal(check_result(check)->err.code, ERR_FILE);
    assert_string_equal(check_result(check)->err.file, options.plan.rejects_path);
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
    options.plan.reject = true;
    options.plan.rejects_path = rejects;
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
    options.plan.reject = true;
    options.plan.rejects_path = rejects;
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

/* ---- what is split, before the check has ended ---- */

/* Of rows of 40 bytes whose keys all stand twice; the first lacks its address. */
static struct check *begin_split(void)
{
    struct check_options options = usual();
    struct buf data;
    buf_init(&data, (size_t)1 << 20);
    buf_addf(&data, HEADER "0,,x,y\n");
    for (int i = 0; i < 200; i++)
        buf_addf(&data, "%d,somebody@example.com,a note,more\n", 1 + i % 100);
    options.plan.reject = options.plan.settles = true;
    options.plan.rejects_path = rejects;
    options.plan.split = (struct check_split_plan){.salt = "salt", .part_bytes = 2048, .slots = 64};
    write_input(data.data, data.len);
    buf_free(&data);
    unlink(rejects);
    struct err err;
    err_clear(&err);
    struct check *check = check_new(&options, &err);
    assert_non_null(check);
    return check;
}

static struct check *settle(void)
{
    struct check *check = begin_split();
    while (!check_is_settled(check))
        assert_true(check_slice(check));
    return check;
}

static void what_is_split_is_settled_before_keys_are_compared(void **state)
{
    struct check *check = settle();
    const struct check_result *result = check_result(check);
    (void)state;
    assert_false(result->finished);
    assert_int_equal(result->rows, 201);
    assert_int_equal(result->bad_rows, 1);
    assert_int_equal(result->counts[CHECK_DUPLICATE_KEY], 0);
    assert_true(result->rejects_written);
    char *text = read_path(rejects);
    assert_string_equal(text, REJECTS_HEADER "0,,x,y,\"column \"\"Email\"\" (2): is empty, and the mapping requires it\"\n");
    free(text);
    assert_true(result->part_count > 1);
    uint64_t rows = 0;
    for (size_t i = 0; i < result->part_count; i++) {
        rows += result->parts[i].plan.rows;
        close(check_take_part(check, i));
    }
    assert_int_equal(rows, 200);
    while (check_slice(check))
        assert_false(result->fatal);
    assert_false(result->fatal);
    assert_int_equal(result->counts[CHECK_DUPLICATE_KEY], 100);
    assert_true(result->rejects_written);
    assert_int_equal(result->parts[0].fd, -1);
    assert_true(result->problem_count > 1);
    check_free(check);
    unlink(rejects);
}

static void what_was_settled_is_void_when_the_file_has_changed(void **state)
{
    struct check *check = settle();
    (void)state;
    write_input(DATA(HEADER "1,a,b,c\n"));
    while (check_slice(check))
        ;
    assert_true(check_result(check)->fatal);
    assert_null(check_result(check)->parts);
    check_free(check);
    unlink(rejects);
}

static void what_has_changed_while_it_was_read_is_not_settled(void **state)
{
    struct check *check = begin_split();
    struct err err;
    (void)state;
    err_clear(&err);
    assert_true(check_open(check, &err));
    write_input(DATA(HEADER "1,a,b,c\n"));
    while (check_slice(check))
        assert_false(check_is_settled(check));
    assert_true(check_result(check)->fatal);
    assert_false(check_result(check)->rejects_written);
    assert_int_equal(access(rejects, F_OK), -1);
    check_free(check);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rejected_rows_stay_as_they_were),
        cmocka_unit_test(rows_rejected_again_have_one_reason),
        cmocka_unit_test(nothing_rejected_makes_no_files),
        cmocka_unit_test(mended_rejects_are_an_input_like_any),
        cmocka_unit_test(a_fatal_end_leaves_no_rejects_behind),
        cmocka_unit_test(rejects_without_a_place_are_fatal),
        cmocka_unit_test(a_full_disk_is_fatal),
        cmocka_unit_test(a_file_that_changes_is_fatal),
        cmocka_unit_test(a_large_file_is_parted_in_short_slices),
        cmocka_unit_test(what_is_split_is_settled_before_keys_are_compared),
        cmocka_unit_test(what_was_settled_is_void_when_the_file_has_changed),
        cmocka_unit_test(what_has_changed_while_it_was_read_is_not_settled),
    };
    return cmocka_run_group_tests(tests, make_dir, remove_dir);
}
