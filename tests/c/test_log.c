/* Lines that really go to standard error: as the environment has it, and with fields of the process. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "core/log.h"

static FILE *file;
static int terminal;

/* Standard error is a file of ours. */
static int redirect(void **state)
{
    (void)state;
    file = tmpfile();
    terminal = dup(STDERR_FILENO);
    unsetenv("UPJOB_LOG_FORMAT");
    unsetenv("JOURNAL_STREAM");
    return !file || dup2(fileno(file), STDERR_FILENO) < 0;
}

static int restore(void **state)
{
    (void)state;
    const struct log_fields none = {NULL, 0};
    dup2(terminal, STDERR_FILENO);
    close(terminal);
    fclose(file);
    unsetenv("JOURNAL_STREAM");
    log_start();
    log_set_format(LOG_TEXT);
    return !log_set_context(&none);
}

static void expect_written(const char *expected)
{
    char text[1024] = "";
    ssize_t n = pread(fileno(file), text, sizeof text - 1, 0);
    assert_true(n >= 0);
    assert_string_equal(text, expected);
}

static void set_journal(ino_t more)
{
    struct stat info;
    char stream[64];
    assert_int_equal(fstat(STDERR_FILENO, &info), 0);
    snprintf(stream, sizeof stream, "%llu:%llu", (unsigned long long)info.st_dev, (unsigned long long)(info.st_ino + more));
    setenv("JOURNAL_STREAM", stream, 1);
    log_start();
}

static void lines_for_the_journal_have_priorities(void **state)
{
    (void)state;
    set_journal(0);
    log_write(LOG_WARN, "disk %s", "full");
    log_write(LOG_INFO, "not in force");
    log_failure("", "boom\nstack traceback:\n\t?");
    expect_written("<4>upjob: warning: disk full\n<3>upjob: boom\n<3>stack traceback:\n<3>\t?\n");
}

static void another_stream_than_the_journals_has_none(void **state)
{
    (void)state;
    set_journal(1);
    log_write(LOG_WARN, "disk full");
    expect_written("upjob: warning: disk full\n");
    setenv("JOURNAL_STREAM", "nonsense", 1);
    log_start();
    log_write(LOG_WARN, "again");
    expect_written("upjob: warning: disk full\nupjob: warning: again\n");
}

static void what_is_logged_takes_the_place_of_a_line_of_progress(void **state)
{
    (void)state;
    log_start();
    log_progress(true);
    log_write(LOG_WARN, "disk full");
    log_write(LOG_WARN, "again");
    log_progress(true);
    log_progress(false);
    log_write(LOG_WARN, "and again");
    expect_written("\r\033[Kupjob: warning: disk full\nupjob: warning: again\nupjob: warning: and again\n");
}

static void the_environment_asks_for_json(void **state)
{
    (void)state;
    const struct log_field run = {.name = "run", .kind = LOG_INTEGER, .integer = 12};
    const struct log_fields context = {&run, 1};
    char text[1024] = "";
    setenv("UPJOB_LOG_FORMAT", "json", 1);
    set_journal(0);
    assert_int_equal(log_get_format(), LOG_JSON);
    assert_true(log_set_context(&context));
    log_write(LOG_WARN, "disk full");
    log_set_level(LOG_TRACE);
    log_wire('<', "HTTP/1.1 200");
    log_set_level(LOG_WARN);
    assert_true(pread(fileno(file), text, sizeof text - 1, 0) > 0);
    assert_non_null(strstr(text, "Z\",\"level\":\"warn\",\"message\":\"disk full\",\"run\":12}\n"));
    assert_non_null(strstr(text, "\"level\":\"trace\",\"message\":\"HTTP/1.1 200\",\"run\":12,\"wire\":\"received\"}\n"));
    assert_memory_equal(text, "{\"time\":\"", 9);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(lines_for_the_journal_have_priorities, redirect, restore),
        cmocka_unit_test_setup_teardown(another_stream_than_the_journals_has_none, redirect, restore),
        cmocka_unit_test_setup_teardown(what_is_logged_takes_the_place_of_a_line_of_progress, redirect, restore),
        cmocka_unit_test_setup_teardown(the_environment_asks_for_json, redirect, restore),
    };
    return cmocka_run_group_tests_name("log", tests, NULL, NULL);
}
