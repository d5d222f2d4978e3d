/* checking: a check of a file that a test writes. */
#ifndef UPJOB_TESTS_CHECKING_H
#define UPJOB_TESTS_CHECKING_H

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/buf.h"
#include "core/check.h"

#define DATA(text) (text), sizeof(text) - 1

static char dir[64], input[96], rejects[96];

static inline int make_dir(void **state)
{
    (void)state;
    strcpy(dir, "/tmp/test_check_XXXXXX");
    if (!mkdtemp(dir))
        return -1;
    snprintf(input, sizeof input, "%s/customers.csv", dir);
    snprintf(rejects, sizeof rejects, "%s/rejects.csv", dir);
    return 0;
}

static inline int files_in_dir(void)
{
    int n = 0;
    DIR *d = opendir(dir);
    assert_non_null(d);
    while (readdir(d))
        n++;
    closedir(d);
    return n - 2;
}

static inline int remove_dir(void **state)
{
    (void)state;
    unlink(input);
    unlink(rejects);
    return rmdir(dir);
}

static inline void write_input(const char *data, size_t len)
{
    FILE *f = fopen(input, "w");
    assert_non_null(f);
    assert_int_equal(fwrite(data, 1, len, f), len);
    assert_int_equal(fclose(f), 0);
}

static inline char *read_fd(int fd)
{
    struct buf out;
    char piece[4096];
    ssize_t n;
    buf_init(&out, (size_t)1 << 30);
    while ((n = read(fd, piece, sizeof piece)) > 0)
        buf_add(&out, piece, (size_t)n);
    return buf_take(&out);
}

static inline char *read_path(const char *path)
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

static inline struct check_options usual(void)
{
    return (struct check_options){.path = input, .fields = fields, .field_count = 3, .keys = keys};
}

static inline struct check *run(const struct check_options *options)
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

static inline struct check *run_on(const char *data, size_t len)
{
    struct check_options options = usual();
    write_input(data, len);
    return run(&options);
}

#define HEADER "Id,Email,Note,Extra\n"

static inline void expect_fatal(const char *data, size_t len, const char *code, const char *text)
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

#endif
