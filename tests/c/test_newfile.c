/* A file that appears whole or not at all. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <sys/stat.h>

#include "core/check.h"
#include "core/newfile.h"
#include "tests/c/checking.h"

/* Not every file system has files without a name. */
static bool has_nameless(void)
{
    int fd = open(dir, O_TMPFILE | O_WRONLY | O_CLOEXEC, 0600);
    if (fd >= 0)
        close(fd);
    return fd >= 0;
}

static void a_kill_before_it_is_finished_leaves_it_behind(void **state)
{
    (void)state;
    struct err err;
    err_clear(&err);
    write_input(DATA("before"));
    struct newfile *file = newfile_open(input, "the test", &err);
    assert_non_null(file);
    assert_true(newfile_write(file, "x", 1, &err));
    /* What is in the directory now is what a kill would leave. */
    assert_int_equal(files_in_dir(), has_nameless() ? 1 : 2);
    newfile_free(file);
}

static void an_earlier_one_is_not_kept(void **state)
{
    (void)state;
    struct err err;
    char kept[512];
    err_clear(&err);
    write_input(DATA("before"));
    struct newfile *file = newfile_open(input, "the test", &err);
    assert_non_null(file);
    assert_true(newfile_write(file, "after", 5, &err));
    assert_true(newfile_finish(file, true, &err));
    newfile_free(file);
    snprintf(kept, sizeof kept, "%s~", input);
    char *text = read_path(kept);
    assert_string_equal(text, "before");
    free(text);
    text = read_path(input);
    assert_string_equal(text, "after");
    free(text);
    assert_int_equal(unlink(kept), 0);
    assert_int_equal(files_in_dir(), 1);
}

static void it_is_there_once_it_is_finished_and_for_its_owner_only(void **state)
{
    (void)state;
    struct err err;
    struct stat st;
    err_clear(&err);
    write_input(DATA("before"));
    struct newfile *file = newfile_open(input, "the test", &err);
    assert_non_null(file);
    assert_true(newfile_write(file, "af", 2, &err));
    assert_true(newfile_write(file, "ter", 3, &err));
    char *text = read_path(input);
    assert_string_equal(text, "before");
    free(text);
    assert_true(newfile_finish(file, false, &err));
    newfile_free(file);
    text = read_path(input);
    assert_string_equal(text, "after");
    free(text);
    assert_int_equal(stat(input, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
    assert_int_equal(files_in_dir(), 1);
}

static void one_that_is_given_up_leaves_nothing(void **state)
{
    (void)state;
    struct err err;
    err_clear(&err);
    write_input(DATA("before"));
    struct newfile *file = newfile_open(input, "the test", &err);
    assert_non_null(file);
    assert_true(newfile_write(file, "x", 1, &err));
    newfile_free(file);
    assert_int_equal(files_in_dir(), 1);
    char *text = read_path(input);
    assert_string_equal(text, "before");
    free(text);
}

static void a_place_that_is_none_is_named(void **state)
{
    (void)state;
    struct err err;
    err_clear(&err);
    assert_null(newfile_open("/nonexistent/x", "the test", &err));
    assert_string_equal(err.code, ERR_FILE);
    assert_string_equal(err.file, "/nonexistent/x");
    assert_non_null(strstr(err.message, "a file for the test cannot be made here"));
    /* A directory in its place is only noticed at the end. */
    char path[128];
    snprintf(path, sizeof path, "%s/d", dir);
    assert_int_equal(mkdir(path, 0700), 0);
    struct newfile *file = newfile_open(path, "the test", &err);
    assert_non_null(file);
    assert_false(newfile_finish(file, false, &err));
    assert_string_equal(err.code, ERR_SYSTEM);
    newfile_free(file);
    rmdir(path);
    assert_int_equal(files_in_dir(), 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_kill_before_it_is_finished_leaves_it_behind),
        cmocka_unit_test(an_earlier_one_is_not_kept),
        cmocka_unit_test(it_is_there_once_it_is_finished_and_for_its_owner_only),
        cmocka_unit_test(one_that_is_given_up_leaves_nothing),
        cmocka_unit_test(a_place_that_is_none_is_named),
    };
    return cmocka_run_group_tests(tests, make_dir, remove_dir);
}
