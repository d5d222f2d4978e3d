/* What a process may use, as its environment tells it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "host/limits.h"

struct outcome {
    int status, signal;
    char text[500]; /* that it printed */
};

/* Runs `act` in a process that has these limits, and a group of its own. */
static struct outcome run(const char *limits, int (*act)(size_t memory))
{
    struct outcome outcome = {0};
    int out[2], status;
    assert_int_equal(pipe(out), 0);
    pid_t pid = fork();
    if (pid == 0) {
        setpgid(0, 0);
        dup2(out[1], STDERR_FILENO);
        close(out[0]);
        close(out[1]);
        setenv("UPJOB_LIMITS", limits, 1);
        _exit(act(limits_set()));
    }
    close(out[1]);
    size_t len = 0;
    for (ssize_t got; (got = read(out[0], outcome.text + len, sizeof outcome.text - 1 - len)) > 0;)
        len += (size_t)got;
    close(out[0]);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    outcome.status = WIFEXITED(status) ? WEXITSTATUS(status) : 0;
    outcome.signal = WIFSIGNALED(status) ? WTERMSIG(status) : 0;
    return outcome;
}

static int tell_memory(size_t memory)
{
    fprintf(stderr, "%zu %s", memory, getenv("UPJOB_LIMITS") ? "still there" : "gone");
    return 0;
}

static void memory_is_returned_and_the_variable_is_gone(void **state)
{
    (void)state;
    assert_string_equal(run("files=64,memory=536870912.000", tell_memory).text, "536870912 gone");
    assert_string_equal(run("", tell_memory).text, "0 gone");
    assert_string_equal(run("memory=x,,=,wall", tell_memory).text, "0 gone");
    assert_string_equal(run("memory=-5", tell_memory).text, "0 gone");
}

static int open_many(size_t memory)
{
    int last = 0;
    (void)memory;
    for (int fd; (fd = open("/dev/null", O_RDONLY)) >= 0; last = fd)
        ;
    return last;
}

static void no_more_files_are_open_than_may_be(void **state)
{
    (void)state;
    assert_int_equal(run("files=40", open_many).status, 39);
}

static int most_files(size_t memory)
{
    struct rlimit limit;
    (void)memory;
    return getrlimit(RLIMIT_NOFILE, &limit) == 0 ? (int)limit.rlim_max : 0;
}

static void programs_that_it_starts_cannot_open_more_either(void **state)
{
    (void)state;
    assert_int_equal(run("files=40", most_files).status, 40);
}

static int compute(size_t memory)
{
    (void)memory;
    for (volatile unsigned i = 1; i; i |= 1)
        ;
    return 0;
}

static void one_that_computes_for_too_long_says_so_and_ends(void **state)
{
    struct outcome outcome = run("cpu=1", compute);
    (void)state;
    assert_int_equal(outcome.signal, SIGXCPU);
    assert_non_null(strstr(outcome.text, "has used the CPU time that it may"));
}

static int wait_long(size_t memory)
{
    (void)memory;
    signal(SIGTERM, SIG_IGN);
    for (int i = 0; i < 30; i++)
        sleep(1);
    return 9;
}

static void one_whose_time_is_up_says_so_and_ends(void **state)
{
    struct outcome outcome = run("wall=0.05", wait_long);
    (void)state;
    assert_int_equal(outcome.signal, SIGKILL);
    assert_string_equal(outcome.text, "upjob: the run has not ended within 0.05 s, and is ended\n");
}

static int wait_with_another(size_t memory)
{
    if (fork() == 0)
        _exit(wait_long(memory));
    return wait_long(memory);
}

static void what_it_has_started_ends_with_it(void **state)
{
    int status;
    (void)state;
    prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0);
    assert_int_equal(run("wall=0.2", wait_with_another).signal, SIGKILL);
    assert_true(waitpid(-1, &status, 0) > 0);
    assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
}

static int wait_with_full_pipe(size_t memory)
{
    int full[2];
    if (pipe(full) != 0 || fcntl(full[1], F_SETFL, O_NONBLOCK) != 0)
        return 1;
    while (write(full[1], "x", 1) == 1)
        ;
    fcntl(full[1], F_SETFL, 0);
    dup2(full[1], STDERR_FILENO);
    return wait_long(memory);
}

static void standard_error_that_nobody_reads_does_not_keep_it(void **state)
{
    (void)state;
    assert_int_equal(run("wall=0.2", wait_with_full_pipe).signal, SIGKILL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(memory_is_returned_and_the_variable_is_gone),
        cmocka_unit_test(no_more_files_are_open_than_may_be),
        cmocka_unit_test(programs_that_it_starts_cannot_open_more_either),
        cmocka_unit_test(one_that_computes_for_too_long_says_so_and_ends),
        cmocka_unit_test(one_whose_time_is_up_says_so_and_ends),
        cmocka_unit_test(what_it_has_started_ends_with_it),
        cmocka_unit_test(standard_error_that_nobody_reads_does_not_keep_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
