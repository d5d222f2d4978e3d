/* The CSV reader on files. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(files_that_cannot_be_opened),
        cmocka_unit_test(a_source_that_fails_ends_the_reader),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
