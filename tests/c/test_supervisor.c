/* What of the environment makes a service manager, and what goes to it. tests/service/test_supervisor.py has the rest. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

#include "core/supervisor.h"

static int clear(void **state)
{
    (void)state;
    unsetenv("NOTIFY_SOCKET");
    unsetenv("WATCHDOG_USEC");
    unsetenv("WATCHDOG_PID");
    return 0;
}

static void a_watchdog_is_that_of_this_process_with_a_time(void **state)
{
    (void)state;
    char pid[32];
    snprintf(pid, sizeof pid, "%ld", (long)getpid());
    setenv("WATCHDOG_USEC", "30000000", 1);
    assert_true(supervisor_watchdog() == 0);
    setenv("NOTIFY_SOCKET", "@nobody", 1);
    assert_true(supervisor_watchdog() == 30000000);
    setenv("WATCHDOG_PID", pid, 1);
    assert_true(supervisor_watchdog() == 30000000);
    static const char *const times[] = {"", "0", "-1", " 5", "5x", "99999999999999999999999"};
    for (size_t i = 0; i < sizeof times / sizeof times[0]; i++) {
        setenv("WATCHDOG_USEC", times[i], 1);
        assert_true(supervisor_watchdog() == 0);
    }
    setenv("WATCHDOG_USEC", "30000000", 1);
    setenv("WATCHDOG_PID", "1x", 1);
    assert_true(supervisor_watchdog() == 0);
}

static void a_status_is_one_line_however_long_it_is(void **state)
{
    (void)state;
    char name[64], text[2000], heard[4096];
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    struct err e;
    err_clear(&e);
    snprintf(name, sizeof name, "@upjob-test-supervisor-%ld", (long)getpid());
    memcpy(address.sun_path + 1, name + 1, strlen(name) - 1);
    int fd = socket(AF_UNIX, SOCK_DGRAM, 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&address, (socklen_t)(offsetof(struct sockaddr_un, sun_path) + strlen(name))), 0);
    setenv("NOTIFY_SOCKET", name, 1);
    memset(text, '\n', sizeof text - 1);
    text[0] = 'a';
    text[sizeof text - 1] = '\0';
    assert_true(supervisor_status(text, &e));
    ssize_t n = recv(fd, heard, sizeof heard - 1, 0);
    assert_true(n > 8 && n < 500);
    assert_memory_equal(heard, "STATUS=a ", 9);
    assert_null(memchr(heard, '\n', (size_t)n));
    close(fd);
}

static void who_cannot_be_told_is_an_error_that_no_other_try_mends(void **state)
{
    (void)state;
    struct err e;
    err_clear(&e);
    assert_true(supervisor_ready(&e)); /* nobody to tell */
    setenv("NOTIFY_SOCKET", "relative/path", 1);
    assert_false(supervisor_ready(&e));
    assert_true(err_is(&e, ERR_CONFIG) && !e.retryable);
    setenv("NOTIFY_SOCKET", "@upjob-test-nobody-listens", 1);
    err_clear(&e);
    assert_false(supervisor_ping(&e));
    assert_true(err_is(&e, ERR_SYSTEM) && !e.retryable);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_watchdog_is_that_of_this_process_with_a_time, clear, clear),
        cmocka_unit_test_setup_teardown(a_status_is_one_line_however_long_it_is, clear, clear),
        cmocka_unit_test_setup_teardown(who_cannot_be_told_is_an_error_that_no_other_try_mends, clear, clear),
    };
    return cmocka_run_group_tests_name("supervisor", tests, NULL, NULL);
}
