/* Nameless files, with a system that does things by halves: pwrite, pread and open are those below. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "core/scratch.h"

static bool by_halves, no_nameless_files;
static unsigned calls;
static size_t disk_room = SIZE_MAX; /* for bytes that are written */

/* Every other call is interrupted, the others do up to seven bytes. */
static bool interrupted(size_t *len)
{
    if (!by_halves)
        return false;
    *len = *len > 7 ? 7 : *len;
    errno = EINTR;
    return calls++ % 2 == 0;
}

ssize_t pwrite(int fd, const void *bytes, size_t len, off_t offset)
{
    if (interrupted(&len))
        return -1;
    len = len < disk_room ? len : disk_room;
    disk_room -= len;
    errno = ENOSPC;
    return len > 0 ? syscall(SYS_pwrite64, fd, bytes, len, offset) : -1;
}

ssize_t pread(int fd, void *bytes, size_t len, off_t offset)
{
    return interrupted(&len) ? -1 : syscall(SYS_pread64, fd, bytes, len, offset);
}

int open(const char *path, int flags, ...)
{
    va_list args;
    va_start(args, flags);
    int mode = va_arg(args, int);
    va_end(args);
    if (no_nameless_files && (flags & O_TMPFILE) == O_TMPFILE) {
        errno = EOPNOTSUPP;
        return -1;
    }
    return (int)syscall(SYS_openat, AT_FDCWD, path, flags, mode);
}

static void expect_private(const struct scratch *scratch)
{
    struct stat info;
    assert_int_equal(fstat(scratch->fd, &info), 0);
    assert_int_equal(info.st_nlink, 0);
    assert_int_equal(info.st_mode & 07777, 0600);
    assert_int_not_equal(fcntl(scratch->fd, F_GETFD) & FD_CLOEXEC, 0);
}

static void interrupted_and_short_calls_lose_bytes(void **state)
{
    (void)state;
    struct err err;
    struct scratch scratch;
    char text[1000], read[1000];
    for (size_t i = 0; i < sizeof text; i++)
        text[i] = (char)(i % 101);
    assert_true(scratch_open(&scratch, NULL, &err));
    by_halves = true;
    assert_true(scratch_append(&scratch, text, 300, &err));
    assert_true(scratch_append(&scratch, text + 300, 700, &err));
    assert_true(scratch_read(&scratch, 13, read, sizeof read - 13, &err));
    by_halves = false;
    assert_int_equal(scratch.size, sizeof text);
    assert_memory_equal(read, text + 13, sizeof text - 13);
    scratch_close(&scratch);
}

static void the_file_has_a_name(void **state)
{
    (void)state;
    struct err err;
    struct scratch scratch;
    char directory[] = "/tmp/scratch-XXXXXX";
    assert_non_null(mkdtemp(directory));
    for (int i = 0; i < 2; i++) {
        no_nameless_files = i == 1;
        assert_true(scratch_open(&scratch, directory, &err));
        no_nameless_files = false;
        expect_private(&scratch);
        assert_true(scratch_append(&scratch, "x", 1, &err));
        scratch_close(&scratch);
        scratch_close(&scratch);
    }
    assert_int_equal(rmdir(directory), 0);
}

static void a_file_is_not_where_it_was_told(void **state)
{
    (void)state;
    struct err err;
    struct scratch scratch;
    char directory[] = "/tmp/scratch-XXXXXX";
    assert_non_null(mkdtemp(directory));
    setenv("TMPDIR", directory, 1);
    assert_true(scratch_open(&scratch, NULL, &err));
    assert_string_equal(scratch.directory, directory);
    scratch_close(&scratch);
    setenv("TMPDIR", "/nonexistent/place", 1);
    assert_false(scratch_open(&scratch, NULL, &err));
    assert_string_equal(err.file, "/nonexistent/place");
    assert_non_null(strstr(err.message, "TMPDIR"));
    scratch_close(&scratch);
    unsetenv("TMPDIR");
    assert_int_equal(rmdir(directory), 0);
}

static void a_full_disk_is_not_told(void **state)
{
    (void)state;
    struct err err;
    struct scratch scratch;
    static const char text[3 << 20];
    assert_true(scratch_open(&scratch, NULL, &err));
    disk_room = sizeof text - 5;
    assert_false(scratch_append(&scratch, text, sizeof text, &err));
    disk_room = SIZE_MAX;
    assert_int_equal(scratch.size, sizeof text - 5);
    assert_string_equal(err.file, scratch.directory);
    assert_non_null(strstr(err.message, "beyond 2 MiB"));
    assert_non_null(strstr(err.message, strerror(ENOSPC)));
    scratch_close(&scratch);
}

static void bytes_that_are_not_there_are_read(void **state)
{
    (void)state;
    struct err err;
    struct scratch scratch;
    char read[8];
    assert_true(scratch_open(&scratch, NULL, &err));
    assert_true(scratch_append(&scratch, "12345678", 8, &err));
    assert_true(scratch_read(&scratch, 0, read, 8, &err));
    assert_false(scratch_read(&scratch, 1, read, 8, &err));
    assert_string_equal(err.code, ERR_SYSTEM);
    scratch_close(&scratch);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(interrupted_and_short_calls_lose_bytes),
        cmocka_unit_test(the_file_has_a_name),
        cmocka_unit_test(a_file_is_not_where_it_was_told),
        cmocka_unit_test(a_full_disk_is_not_told),
        cmocka_unit_test(bytes_that_are_not_there_are_read),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
