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

/* Mappings live as long as the test program. */
static struct mapping *mappings[64];
static size_t mapping_total;

static inline struct mapping *mapping_of(const struct mapping_field *fields, size_t count)
{
    struct err err;
    err_clear(&err);
    struct mapping *mapping = mapping_new(fields, count, NULL, NULL, &err);
    assert_non_null(mapping);
    assert_true(mapping_total < sizeof mappings / sizeof *mappings);
    mappings[mapping_total++] = mapping;
    return mapping;
}

static inline int remove_dir(void **state)
{
    (void)state;
    while (mapping_total > 0)
        mapping_free(mappings[--mapping_total]);
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

static const char *const id_column[] = {"Id", NULL}, *const email_column[] = {"Email", NULL},
                         *const note_column[] = {"Note", NULL};
static const struct mapping_field usual_fields[] = {
    {.key = "id", .target = "Attributes.id", .columns = id_column, .is_key = true},
    {.key = "email", .target = "EmailAddress", .columns = email_column, .required = true},
    {.key = "note",
     .target = "AdditionalInformation",
     .columns = note_column,
     .max_length = CHECK_MAX_ADDITIONAL_INFORMATION},
};

static inline struct check_options usual(void)
{
    static struct mapping *mapping;
    static const char *const skipped[] = {"Extra", NULL};
    if (!mapping)
        mapping = mapping_of(usual_fields, 3);
    return (struct check_options){.path = input, .plan = {.mapping = mapping, .skipped = skipped}};
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

static inline void expect_fatal_with(struct check_options options, const char *data, size_t len,
                                     const char *code, const char *text)
{
    char got[1024], expected[1024];
    write_input(data, len);
    struct check *check = run(&options);
    const struct check_result *result = check_result(check);
    assert_true(result->fatal);
    snprintf(expected, sizeof expected, "%s%s", input, text);
    assert_string_equal(err_text(&result->err, got, sizeof got), expected);
    assert_string_equal(result->err.code, code);
    check_free(check);
}

static inline void expect_fatal(const char *data, size_t len, const char *code, const char *text)
{
    expect_fatal_with(usual(), data, len, code, text);
}

#endif
