/* Is it still the file that was looked at? What happened to it is told. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/file_identity.h"

struct fixture {
    char directory[64], path[128], other[128];
    int fd;
    struct file_identity was;
    struct err err;
};

static void write_file(const char *path, const char *text)
{
    FILE *f = fopen(path, "wb");
    assert_non_null(f);
    fputs(text, f);
    fclose(f);
}

/* Times differ whatever the clock of the file system is worth. */
static void set_time(const char *path, long seconds, long nanoseconds)
{
    struct timespec times[2] = {{.tv_nsec = UTIME_OMIT}, {.tv_sec = seconds, .tv_nsec = nanoseconds}};
    assert_int_equal(utimensat(AT_FDCWD, path, times, 0), 0);
}

static int set_up(void **state)
{
    struct fixture *f = calloc(1, sizeof *f);
    struct stat info;
    strcpy(f->directory, "/tmp/upjob-identity-XXXXXX");
    if (!mkdtemp(f->directory))
        return -1;
    snprintf(f->path, sizeof f->path, "%s/file.csv", f->directory);
    snprintf(f->other, sizeof f->other, "%s/other.csv", f->directory);
    write_file(f->path, "a,b\n1,2\n");
    set_time(f->path, 1700000000, 123456789);
    f->fd = open(f->path, O_RDONLY);
    if (f->fd < 0 || fstat(f->fd, &info) != 0)
        return -1;
    file_identity_of(&info, &f->was);
    *state = f;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *f = *state;
    close(f->fd);
    unlink(f->path);
    unlink(f->other);
    rmdir(f->directory);
    free(f);
    return 0;
}

static bool check(struct fixture *f, const char *path)
{
    err_clear(&f->err);
    return file_identity_check(&f->was, f->fd, path, &f->err);
}

static void expect(struct fixture *f, const char *path, const char *happened)
{
    char message[256];
    assert_false(check(f, path));
    assert_string_equal(f->err.code, ERR_FILE);
    snprintf(message, sizeof message, "%s: start again when nothing writes to it any more", happened);
    assert_string_equal(f->err.message, message);
    assert_string_equal(f->err.file, path ? path : "");
}

static void an_untouched_file_is_the_same(void **state)
{
    struct fixture *f = *state;
    assert_true(check(f, f->path));
    assert_true(check(f, NULL));
    assert_int_equal(f->was.size, 8);
    assert_true(f->was.modified == 1700000000123456789);
}

static void a_file_that_grew_or_shrank_is_told_as_such(void **state)
{
    struct fixture *f = *state;
    assert_int_equal(truncate(f->path, 9), 0);
    expect(f, f->path, "has grown while it was read");
    expect(f, NULL, "has grown while it was read");
    assert_int_equal(truncate(f->path, 7), 0);
    expect(f, f->path, "has become shorter while it was read");
}

static void a_change_within_the_same_size_is_seen_by_its_nanoseconds(void **state)
{
    struct fixture *f = *state;
    set_time(f->path, 1700000000, 123456790);
    expect(f, f->path, "has changed while it was read");
    expect(f, NULL, "has changed while it was read");
    set_time(f->path, 1700000000, 123456789);
    assert_true(check(f, f->path));
}

static void a_file_that_was_replaced_under_its_name_is_told_though_the_open_one_is_the_same(void **state)
{
    struct fixture *f = *state;
    write_file(f->other, "a,b\n1,2\n");
    set_time(f->other, 1700000000, 123456789);
    assert_int_equal(rename(f->other, f->path), 0);
    expect(f, f->path, "was replaced while it was read");
    assert_true(check(f, NULL)); /* without a name the open one counts */
}

static void a_file_that_was_removed_is_told(void **state)
{
    struct fixture *f = *state;
    assert_int_equal(unlink(f->path), 0);
    expect(f, f->path, "was removed while it was read");
    assert_true(check(f, NULL));
}

static void another_file_than_the_one_that_was_checked_is_told(void **state)
{
    struct fixture *f = *state;
    write_file(f->other, "a,b\n1,2\n");
    close(f->fd);
    f->fd = open(f->other, O_RDONLY);
    expect(f, f->other, "is not the file that was checked: it was replaced");
}

static void a_descriptor_that_is_gone_is_told(void **state)
{
    struct fixture *f = *state;
    int fd = f->fd;
    f->fd = -1;
    expect(f, f->path, "cannot be looked at any more");
    f->fd = fd;
}

static void text_carries_every_field(void **state)
{
    (void)state;
    static const struct file_identity ends[] = {
        {1, 2, 3, 4}, {UINT64_MAX, UINT64_MAX, UINT64_MAX, INT64_MAX}, {0, 0, 0, INT64_MIN}, {0xFD00, 0xABCDEF, 0, -1}};
    for (size_t i = 0; i < sizeof ends / sizeof *ends; i++) {
        char text[FILE_IDENTITY_TEXT];
        struct file_identity back;
        memset(&back, 0xA5, sizeof back);
        file_identity_text(&ends[i], text);
        assert_true(file_identity_parse(text, &back));
        assert_memory_equal(&back, &ends[i], sizeof back);
    }
}

static void text_that_is_no_identity_is_refused(void **state)
{
    (void)state;
    static const char *const bad[] = {"", "1:2:3", "1:2:3:", "1:2:3:4x", "1:2:3:4:5", "x:2:3:4", "1,2,3,4"};
    struct file_identity ignored;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        if (file_identity_parse(bad[i], &ignored))
            fail_msg("\"%s\" was taken for an identity", bad[i]);
}

int main(void)
{
#define WITH_FILE(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        WITH_FILE(an_untouched_file_is_the_same),
        WITH_FILE(a_file_that_grew_or_shrank_is_told_as_such),
        WITH_FILE(a_change_within_the_same_size_is_seen_by_its_nanoseconds),
        WITH_FILE(a_file_that_was_replaced_under_its_name_is_told_though_the_open_one_is_the_same),
        WITH_FILE(a_file_that_was_removed_is_told),
        WITH_FILE(another_file_than_the_one_that_was_checked_is_told),
        WITH_FILE(a_descriptor_that_is_gone_is_told),
        cmocka_unit_test(text_carries_every_field),
        cmocka_unit_test(text_that_is_no_identity_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
