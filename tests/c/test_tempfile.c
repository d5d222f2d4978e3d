/* Temporary files: without a name, for nobody else, where there is room; modules that are not there. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <dirent.h>
#include <limits.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "core/module.h"
#include "core/tempfile.h"

static size_t files_in(const char *directory)
{
    size_t count = 0;
    DIR *list = opendir(directory);
    while (readdir(list))
        count++;
    closedir(list);
    return count;
}

static void a_temporary_file_has_no_name_and_is_for_its_owner_alone(void **state)
{
    (void)state;
    char directory[] = "/tmp/upjob-test-XXXXXX", chosen[PATH_MAX], back[4];
    struct stat info;
    struct err err;
    assert_non_null(mkdtemp(directory));
    size_t before = files_in(directory);
    setenv("TMPDIR", directory, 1);
    int fd = tempfile_open(NULL, 0, chosen, &err);
    assert_true(fd >= 0);
    assert_string_equal(chosen, directory);
    assert_int_equal(files_in(directory), before);
    assert_int_equal(fstat(fd, &info), 0);
    assert_int_equal(info.st_mode & 07777, 0600);
    assert_true(tempfile_write(fd, "abcd", 4, chosen, "a test", &err));
    assert_int_equal(pread(fd, back, 4, 0), 4);
    assert_memory_equal(back, "abcd", 4);
    close(fd);
    unsetenv("TMPDIR");
    assert_int_equal(rmdir(directory), 0);
}

static void without_tmpdir_it_is_where_there_is_room(void **state)
{
    (void)state;
    char chosen[PATH_MAX];
    struct err err;
    unsetenv("TMPDIR");
    /* Nowhere is room for so much: it is the place with the most. */
    const uint64_t sizes[] = {0, 1, UINT64_MAX};
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        int fd = tempfile_open(NULL, sizes[i], chosen, &err);
        assert_true(fd >= 0);
        assert_true(strcmp(chosen, "/var/tmp") == 0 || strcmp(chosen, "/tmp") == 0 || strcmp(chosen, ".") == 0);
        close(fd);
    }
}

static void a_directory_that_is_not_there_is_told(void **state)
{
    (void)state;
    struct err err;
    err_clear(&err);
    assert_int_equal(tempfile_open("/nowhere", 0, NULL, &err), -1);
    assert_true(err_is(&err, ERR_SYSTEM));
    assert_string_equal(err.file, "/nowhere");
    assert_non_null(strstr(err.message, "TMPDIR"));
}

static void a_module_that_is_not_there_is_named(void **state)
{
    (void)state;
    struct err err;
    err_clear(&err);
    module_set_program("/nowhere/bin/upjob");
    assert_null(module_find("nonsense.so", "nonsense_symbol", &err));
    assert_true(err_is(&err, ERR_INTERNAL));
    assert_non_null(strstr(err.message, "nonsense.so"));
    assert_non_null(strstr(err.message, "neither beside the program nor in ../lib/upjob"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_temporary_file_has_no_name_and_is_for_its_owner_alone),
        cmocka_unit_test(without_tmpdir_it_is_where_there_is_room),
        cmocka_unit_test(a_directory_that_is_not_there_is_told),
        cmocka_unit_test(a_module_that_is_not_there_is_named),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
