/* Sockets that listen: on which addresses, and at which paths. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

#include "core/listening.h"

static char directory[] = "/tmp/upjob-listening-XXXXXX";
static char path[64];

static int make(void **state)
{
    (void)state;
    strcpy(directory + strlen(directory) - 6, "XXXXXX");
    if (!mkdtemp(directory))
        return -1;
    snprintf(path, sizeof path, "%s/socket", directory);
    return 0;
}

static int drop(void **state)
{
    (void)state;
    unlink(path);
    return rmdir(directory);
}

static void loopback_is_this_machine(void **state)
{
    (void)state;
    static const char *const inside[] = {"127.0.0.1", "127.255.0.9", "::1"};
    static const char *const outside[] = {"0.0.0.0", "::", "10.0.0.1", "128.0.0.1", "fe80::1", "::ffff:10.0.0.1", "localhost", ""};
    for (size_t i = 0; i < sizeof inside / sizeof inside[0]; i++)
        assert_true(listening_is_loopback(inside[i]));
    for (size_t i = 0; i < sizeof outside / sizeof outside[0]; i++)
        assert_false(listening_is_loopback(outside[i]));
    assert_true(listening_is_address("::"));
    assert_false(listening_is_address("localhost"));
    assert_false(listening_is_address("127.0.0.1:80"));
}

static void a_port_that_is_in_use_is_told(void **state)
{
    (void)state;
    struct err e;
    int port = 0, same = 0;
    err_clear(&e);
    int fd = listening_on_port("127.0.0.1", 0, &port, &e);
    assert_true(fd >= 0 && port > 0);
    assert_int_equal(listening_on_port("127.0.0.1", port, &same, &e), -1);
    assert_true(err_is(&e, ERR_CONFIG));
    assert_non_null(strstr(e.message, "in use by another program"));
    close(fd);
    fd = listening_on_port("127.0.0.1", port, &same, &e);
    assert_true(fd >= 0);
    assert_int_equal(same, port);
    close(fd);
    assert_int_equal(listening_on_port("nonsense", 0, &port, &e), -1);
    assert_non_null(strstr(e.message, "nonsense is not an address"));
}

static void a_socket_that_was_left_is_taken_away_and_one_in_use_is_not(void **state)
{
    (void)state;
    struct err e;
    struct stat info;
    err_clear(&e);
    int fd = listening_at_path(path, 0600, &e);
    assert_true(fd >= 0);
    assert_int_equal(stat(path, &info), 0);
    assert_int_equal(info.st_mode & 0777, 0600);
    ino_t inode = info.st_ino;
    assert_int_equal(listening_at_path(path, 0600, &e), -1);
    assert_non_null(strstr(e.message, "in use by another program"));
    assert_int_equal(stat(path, &info), 0);
    assert_true(info.st_ino == inode);
    close(fd);
    fd = listening_at_path(path, 0660, &e);
    assert_true(fd >= 0);
    assert_int_equal(stat(path, &info), 0);
    assert_int_equal(info.st_mode & 0777, 0660);
    close(fd);
}

static void what_is_no_socket_is_left_alone(void **state)
{
    (void)state;
    struct err e;
    struct stat info;
    err_clear(&e);
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    fclose(file);
    assert_int_equal(listening_at_path(path, 0600, &e), -1);
    assert_true(err_is(&e, ERR_CONFIG));
    assert_non_null(strstr(e.message, "something else than a socket"));
    assert_int_equal(stat(path, &info), 0);
    assert_true(S_ISREG(info.st_mode));
}

static void a_path_that_is_too_long_or_goes_nowhere_is_told(void **state)
{
    (void)state;
    struct err e;
    char longest[200];
    err_clear(&e);
    memset(longest, 'x', sizeof longest - 1);
    longest[0] = '/';
    longest[sizeof longest - 1] = '\0';
    assert_int_equal(listening_at_path(longest, 0600, &e), -1);
    assert_non_null(strstr(e.message, "shorter than"));
    assert_int_equal(listening_at_path("/nonexistent/socket", 0600, &e), -1);
    assert_non_null(strstr(e.message, "No such file"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(loopback_is_this_machine),
        cmocka_unit_test(a_port_that_is_in_use_is_told),
        cmocka_unit_test_setup_teardown(a_socket_that_was_left_is_taken_away_and_one_in_use_is_not, make, drop),
        cmocka_unit_test_setup_teardown(what_is_no_socket_is_left_alone, make, drop),
        cmocka_unit_test_setup_teardown(a_path_that_is_too_long_or_goes_nowhere_is_told, make, drop),
    };
    return cmocka_run_group_tests_name("listening", tests, NULL, NULL);
}
