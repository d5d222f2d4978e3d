/* The CSV writer on files, pipes and what fails. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/c/csv_reading.h"

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

    char text[64];
    FILE *file = fopen(path, "r");
    size_t len = fread(text, 1, sizeof text, file);
    fclose(file);
    assert_int_equal(len, st.st_size);
    assert_memory_equal(text, "a,\"b\"\"c\",\n\"\"\nx,y\r\n", len);
    unlink(path);
}

/* A sink that takes `left` calls and then fails. */
struct failing {
    int left, calls;
};

static bool fail_later(void *arg, const char *bytes, size_t len, struct err *err)
{
    struct failing *sink = arg;
    (void)bytes, (void)len;
    sink->calls++;
    if (sink->left-- > 0)
        return true;
    return err_set(err, ERR_SYSTEM, "call %d failed", sink->calls);
}

static void expect_failure(bool done, struct err *err, const char *message)
{
    assert_false(done);
    assert_string_equal(err->message, message);
    err_clear(err);
}

static void a_sink_that_failed_is_not_called_again_and_its_error_stays(void **state)
{
    (void)state;
    struct err err;
    struct failing sink = {.left = 2};
    struct csv_slice cell = {"some text", 9};
    err_clear(&err);
    struct csv_writer *writer = csv_writer_new(fail_later, &sink, &plain, &err);
    assert_non_null(writer);
    bool done = true;
    for (int i = 0; i < 100000 && done; i++)
        done = csv_writer_row(writer, &cell, 1, &err);
    expect_failure(done, &err, "call 3 failed");
    expect_failure(csv_writer_row(writer, &cell, 1, &err), &err, "call 3 failed");
    expect_failure(csv_writer_raw(writer, "x", 1, &err), &err, "call 3 failed");
    expect_failure(csv_writer_flush(writer, &err), &err, "call 3 failed");
    expect_failure(csv_writer_close(writer, &err), &err, "call 3 failed");
    expect_failure(csv_writer_close(writer, &err), &err, "call 3 failed");
    assert_int_equal(sink.calls, 3);
    csv_writer_free(writer);
}

static void a_long_cell_stops_where_the_sink_fails(void **state)
{
    (void)state;
    struct err err;
    static char quotes[1 << 20];
    memset(quotes, '"', sizeof quotes);
    struct csv_slice cell = {quotes, sizeof quotes};
    for (int left = 0; left < 3; left++) {
        struct failing sink = {.left = left};
        err_clear(&err);
        struct csv_writer *writer = csv_writer_new(fail_later, &sink, &plain, &err);
        assert_non_null(writer);
        assert_false(csv_writer_row(writer, &cell, 1, &err));
        assert_int_equal(sink.calls, left + 1);
        csv_writer_free(writer);
    }
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

static void a_file_that_takes_a_part_has_that_part_and_an_error(void **state)
{
    (void)state;
    char path[32];
    struct err err;
    struct rlimit limit, small;
    struct csv_slice cell = {"some text", 9};
    err_clear(&err);
    temp_path(path);
    struct csv_writer *writer = csv_writer_open(path, &plain, &err);
    assert_non_null(writer);
    signal(SIGXFSZ, SIG_IGN);
    getrlimit(RLIMIT_FSIZE, &limit);
    small = limit;
    small.rlim_cur = 100000;
    setrlimit(RLIMIT_FSIZE, &small);
    bool done = true;
    for (int i = 0; i < 100000 && done; i++)
        done = csv_writer_row(writer, &cell, 1, &err);
    setrlimit(RLIMIT_FSIZE, &limit);
    assert_false(done);
    assert_string_equal(err.file, path);
    assert_string_equal(err.message, "cannot be written: File too large");
    assert_false(csv_writer_close(writer, &err));
    csv_writer_free(writer);
    struct stat st;
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_size, 100000);
    unlink(path);
}

static void pipe_path(char *path)
{
    temp_path(path);
    unlink(path);
    assert_int_equal(mkfifo(path, 0600), 0);
}

static void a_named_pipe_that_nobody_reads_is_an_error_not_a_wait(void **state)
{
    (void)state;
    char path[32];
    struct err err;
    err_clear(&err);
    pipe_path(path);
    alarm(200); /* ends a test that waits */
    assert_null(csv_writer_open(path, &plain, &err));
    alarm(0);
    assert_string_equal(err.code, ERR_FILE);
    assert_string_equal(err.file, path);
    assert_string_equal(err.message, "is a named pipe that nobody reads: start its reader first");
    unlink(path);
}

static void a_reader_that_leaves_is_an_error(void **state)
{
    (void)state;
    char path[32];
    struct err err;
    struct csv_slice cell = {"x", 1};
    err_clear(&err);
    pipe_path(path);
    signal(SIGPIPE, SIG_IGN);
    int reader = open(path, O_RDONLY | O_NONBLOCK);
    struct csv_writer *writer = csv_writer_open(path, &plain, &err);
    assert_non_null(writer);
    assert_true(csv_writer_row(writer, &cell, 1, &err));
    close(reader);
    assert_false(csv_writer_close(writer, &err));
    assert_string_equal(err.message, "cannot be written: Broken pipe");
    csv_writer_free(writer);
    unlink(path);
}

/* Reads numbered rows at `path`, in another process, whose status is 0 when it saw all of them in their order. */
static pid_t count_in_child(const char *path, int expected)
{
    pid_t child = fork();
    if (child != 0)
        return child;
    char line[32];
    int seen = 0;
    FILE *file = fopen(path, "r");
    while (file && fgets(line, sizeof line, file) && atoi(line) == seen)
        seen++;
    _exit(seen != expected);
}

static void a_full_pipe_loses_and_repeats_nothing(void **state)
{
    (void)state;
    char path[32];
    struct err err;
    char number[16];
    int status;
    err_clear(&err);
    pipe_path(path);
    pid_t child = count_in_child(path, 200000);
    assert_true(child > 0);
    int held = open(path, O_WRONLY); /* waits for the child */
    struct csv_writer *writer = csv_writer_open(path, &plain, &err);
    assert_non_null(writer);
    close(held);
    signal(SIGPIPE, SIG_IGN);
    for (int i = 0; i < 200000; i++) {
        struct csv_slice cell = {number, (size_t)snprintf(number, sizeof number, "%d", i)};
        assert_true(csv_writer_row(writer, &cell, 1, &err));
    }
    assert_true(csv_writer_close(writer, &err));
    csv_writer_free(writer);
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
    unlink(path);
}

static void a_place_that_cannot_be_written_is_named(void **state)
{
    (void)state;
    struct err err;
    err_clear(&err);
    assert_null(csv_writer_open("/nonexistent/x.csv", &plain, &err));
    assert_string_equal(err.code, ERR_FILE);
    assert_string_equal(err.file, "/nonexistent/x.csv");
    assert_string_equal(err.message, "cannot be written: No such file or directory");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_written_file_is_private_and_reads_back),
        cmocka_unit_test(a_sink_that_failed_is_not_called_again_and_its_error_stays),
        cmocka_unit_test(a_long_cell_stops_where_the_sink_fails),
        cmocka_unit_test(a_full_disk_is_an_error_that_stays),
        cmocka_unit_test(a_file_that_takes_a_part_has_that_part_and_an_error),
        cmocka_unit_test(a_named_pipe_that_nobody_reads_is_an_error_not_a_wait),
        cmocka_unit_test(a_reader_that_leaves_is_an_error),
        cmocka_unit_test(a_full_pipe_loses_and_repeats_nothing),
        cmocka_unit_test(a_place_that_cannot_be_written_is_named),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
