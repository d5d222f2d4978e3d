/* The CSV reader and writer on files. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/c/csv_reading.h"

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
    assert_int_equal(csv_cell(row, 0).len, 0);
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
        cmocka_unit_test(files_that_cannot_be_opened),
        cmocka_unit_test(a_source_that_fails_ends_the_reader),
        cmocka_unit_test(a_written_file_is_private_and_reads_back),
        cmocka_unit_test(what_is_written_reads_back_byte_for_byte),
        cmocka_unit_test(a_full_disk_is_an_error_that_stays),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
