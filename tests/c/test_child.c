/* Programs that are run beside this one: their group, their descriptors, their output, how they end. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "core/buf.h"
#include "core/child.h"

struct seen {
    struct loop *loop;
    struct child *child;
    struct child_end end;
    int ends, lines;
    struct buf text; /* each line, and a bar */
    bool stop;       /* it is freed at its first line */
};

static void on_line(void *arg, const char *text, size_t size)
{
    struct seen *seen = arg;
    assert_int_equal(seen->ends, 0);
    seen->lines++;
    assert_true(buf_add(&seen->text, text, size) && buf_addc(&seen->text, '|'));
    if (seen->stop) {
        child_free(seen->child);
        seen->child = NULL;
    }
}

static void on_end(void *arg, const struct child_end *end)
{
    struct seen *seen = arg;
    seen->end = *end;
    seen->ends++;
}

static int begin(void **state)
{
    struct seen *seen = calloc(1, sizeof *seen);
    struct err err;
    signal(SIGPIPE, SIG_IGN);
    seen->loop = loop_new(&err);
    buf_init(&seen->text, CHILD_LINE_MOST * 2);
    *state = seen;
    return seen->loop ? 0 : -1;
}

static void finish(struct seen *seen)
{
    while (loop_turn(seen->loop, true))
        ;
}

static int end(void **state)
{
    struct seen *seen = *state;
    child_free(seen->child);
    loop_free(seen->loop);
    buf_free(&seen->text);
    free(seen);
    /* Nothing is left as a zombie. */
    return waitpid(-1, NULL, WNOHANG) < 0 && errno == ECHILD ? 0 : -1;
}

static void start(struct seen *seen, struct child_options options)
{
    struct err err;
    if (options.output == 0)
        options.output = -1;
    options.line = options.output < 0 ? on_line : NULL;
    options.ended = on_end;
    options.arg = seen;
    seen->child = child_start(seen->loop, &options, &err);
    if (!seen->child)
        fail_msg("%s", err.message);
}

static char *const *shell(const char *script)
{
    static char *words[4] = {"sh", "-c", NULL, NULL};
    words[2] = (char *)script;
    return words;
}

/* What the script prints, each line followed by a bar. */
static const char *output_of(struct seen *seen, const char *script)
{
    start(seen, (struct child_options){.argv = shell(script)});
    finish(seen);
    assert_int_equal(seen->ends, 1);
    return buf_addc(&seen->text, '\0') ? seen->text.data : "";
}

static void its_lines_are_told_the_last_without_an_end_too(void **state)
{
    assert_string_equal(output_of(*state, "printf 'a\\n\\nb b\\nc'"), "a||b b|c|");
}

static void a_line_that_comes_in_pieces_is_one(void **state)
{
    assert_string_equal(output_of(*state, "printf a; sleep 0.05; printf b; sleep 0.05; echo c"), "abc|");
}

static void a_line_without_end_is_cut(void **state)
{
    struct seen *seen = *state;
    start(seen, (struct child_options){.argv = shell("head -c 20000000 /dev/zero; echo; echo after")});
    finish(seen);
    assert_int_equal(seen->lines, 2);
    assert_int_equal(seen->text.len, CHILD_LINE_MOST + strlen("|after|"));
}

static void how_it_ended_is_told(void **state)
{
    struct seen *seen = *state;
    output_of(seen, "exit 7");
    assert_int_equal(seen->end.status, 7);
    assert_int_equal(seen->end.signal, 0);
}

static void a_signal_that_ended_it_is_told(void **state)
{
    struct seen *seen = *state;
    output_of(seen, "kill -SEGV $$");
    assert_int_equal(seen->end.signal, SIGSEGV);
}

static void it_has_no_descriptor_of_ours(void **state)
{
    int pair[2];
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0); /* without SOCK_CLOEXEC */
    const char *text = output_of(*state, "i=0; while [ $i -lt 100 ]; do [ -e /proc/$$/fd/$i ] && echo $i; i=$((i+1)); done");
    close(pair[0]);
    close(pair[1]);
    assert_string_equal(text, "0|1|2|");
}

static void it_leads_a_group_of_its_own(void **state)
{
    assert_string_equal(output_of(*state, "read -r pid name status parent group rest </proc/self/stat; "
                                          "[ $group = $$ ] && echo own || echo $group"),
                        "own|");
}

static void signals_that_we_ignore_are_not_ignored_there(void **state)
{
    struct seen *seen = *state;
    signal(SIGHUP, SIG_IGN);
    output_of(seen, "kill -HUP $$; echo survived");
    signal(SIGHUP, SIG_DFL);
    assert_int_equal(seen->end.signal, SIGHUP);
}

static void its_input_is_the_text_given_and_then_ends(void **state)
{
    struct seen *seen = *state;
    enum { LONG = 300000 };
    char *text = malloc(LONG);
    memset(text, 'x', LONG);
    start(seen, (struct child_options){.argv = shell("wc -c"), .input = text, .input_size = LONG});
    memset(text, 'y', LONG); /* it was copied */
    free(text);
    finish(seen);
    assert_true(buf_addc(&seen->text, '\0'));
    assert_string_equal(seen->text.data, "300000|");
}

static void input_that_is_not_read_does_not_matter(void **state)
{
    struct seen *seen = *state;
    static char text[300000];
    start(seen, (struct child_options){.argv = shell("exit 3"), .input = text, .input_size = sizeof text});
    finish(seen);
    assert_int_equal(seen->end.status, 3);
}

static void no_input_is_an_empty_one(void **state)
{
    assert_string_equal(output_of(*state, "wc -c"), "0|");
}

static void its_environment_and_directory_are_those_given(void **state)
{
    struct seen *seen = *state;
    char *env[] = {"PATH=/usr/bin:/bin", "COLOUR=blue", NULL};
    setenv("SHAPE", "round", 1);
    start(seen, (struct child_options){.argv = shell("pwd; echo $COLOUR $SHAPE."), .env = env, .directory = "/"});
    finish(seen);
    assert_true(buf_addc(&seen->text, '\0'));
    assert_string_equal(seen->text.data, "/|blue .|");
}

static void output_to_a_file_has_standard_error_too(void **state)
{
    struct seen *seen = *state;
    char text[100] = "";
    FILE *file = tmpfile();
    assert_non_null(file);
    start(seen, (struct child_options){.argv = shell("echo one; echo two >&2"), .output = fileno(file)});
    finish(seen);
    assert_int_equal(seen->ends, 1);
    rewind(file);
    assert_int_equal(fread(text, 1, sizeof text - 1, file), 8);
    fclose(file);
    assert_string_equal(text, "one\ntwo\n");
}

static void assert_refused(struct seen *seen, struct child_options options, const char *message)
{
    struct err err;
    options.output = -1;
    options.line = on_line;
    options.ended = on_end;
    options.arg = seen;
    assert_null(child_start(seen->loop, &options, &err));
    assert_string_equal(err.code, ERR_SYSTEM);
    if (!strstr(err.message, message))
        fail_msg("%s", err.message);
    finish(seen);
    assert_int_equal(seen->ends, 0);
}

static void what_cannot_be_started_says_why(void **state)
{
    char *missing[] = {"/nonexistent/program", NULL}, *directory[] = {"/", NULL};
    assert_refused(*state, (struct child_options){.argv = missing, .input = "x", .input_size = 1},
                   "/nonexistent/program cannot be started: no such file");
    assert_refused(*state, (struct child_options){.argv = directory}, "permission denied");
    assert_refused(*state, (struct child_options){.argv = shell("true"), .directory = "/nonexistent"},
                   "cannot be started in /nonexistent: ");
}

/* ---- the group ---- */

/* Orphans of the test are its own, so that it can see when they have ended. */
static void adopt_orphans(void)
{
    assert_int_equal(prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0), 0);
}

/* The signal that ended an orphan. */
static int end_of_orphan(void)
{
    int status = 0;
    assert_true(waitpid(-1, &status, 0) > 0);
    return WIFSIGNALED(status) ? WTERMSIG(status) : 0;
}

static void what_is_left_of_its_group_is_killed_when_it_has_ended(void **state)
{
    struct seen *seen = *state;
    adopt_orphans();
    output_of(seen, "(trap '' TERM; exec sleep 30) & exit 5");
    assert_int_equal(seen->end.status, 5);
    assert_int_equal(end_of_orphan(), SIGKILL);
}

static void signal_at_first_line(void *arg, const char *text, size_t size)
{
    struct seen *seen = arg;
    (void)text;
    (void)size;
    child_signal(seen->child, SIGTERM);
}

static void a_signal_reaches_the_whole_group(void **state)
{
    struct seen *seen = *state;
    struct child_options options = {.argv = shell("(echo ready; exec sleep 30) & wait; wait"), .output = -1,
                                    .line = signal_at_first_line, .ended = on_end, .arg = seen};
    struct err err;
    adopt_orphans();
    assert_non_null(seen->child = child_start(seen->loop, &options, &err));
    finish(seen);
    assert_int_equal(seen->end.signal, SIGTERM);
    assert_int_equal(end_of_orphan(), SIGTERM);
}

static void what_has_left_the_group_and_holds_its_output_does_not_hold_up_its_end(void **state)
{
    struct seen *seen = *state;
    adopt_orphans();
    const char *text = output_of(seen, "exec 3>&1; pid=$(setsid -f sh -c 'echo $$; exec >&3; exec sleep 30'); echo $pid");
    pid_t left = (pid_t)atoi(text);
    assert_true(left > 0);
    assert_int_equal(kill(left, SIGKILL), 0);
    assert_int_equal(end_of_orphan(), SIGKILL);
}

static void one_that_is_freed_is_killed_with_its_group(void **state)
{
    struct seen *seen = *state;
    adopt_orphans();
    seen->stop = true;
    start(seen, (struct child_options){.argv = shell("trap '' TERM; (trap '' TERM; exec sleep 30) & echo ready; sleep 30")});
    finish(seen);
    assert_int_equal(seen->ends, 0);
    assert_null(seen->child);
    int status;
    while (waitpid(-1, &status, 0) > 0)
        assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
    assert_int_equal(errno, ECHILD);
}

static void a_signal_to_one_that_has_ended_goes_nowhere(void **state)
{
    struct seen *seen = *state;
    output_of(seen, "exit 0");
    child_signal(seen->child, SIGKILL);
    assert_int_equal(seen->ends, 1);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(its_lines_are_told_the_last_without_an_end_too),
        TEST(a_line_that_comes_in_pieces_is_one),
        TEST(a_line_without_end_is_cut),
        TEST(how_it_ended_is_told),
        TEST(a_signal_that_ended_it_is_told),
        TEST(it_has_no_descriptor_of_ours),
        TEST(it_leads_a_group_of_its_own),
        TEST(signals_that_we_ignore_are_not_ignored_there),
        TEST(its_input_is_the_text_given_and_then_ends),
        TEST(input_that_is_not_read_does_not_matter),
        TEST(no_input_is_an_empty_one),
        TEST(its_environment_and_directory_are_those_given),
        TEST(output_to_a_file_has_standard_error_too),
        TEST(what_cannot_be_started_says_why),
        TEST(what_is_left_of_its_group_is_killed_when_it_has_ended),
        TEST(a_signal_reaches_the_whole_group),
        TEST(what_has_left_the_group_and_holds_its_output_does_not_hold_up_its_end),
        TEST(one_that_is_freed_is_killed_with_its_group),
        TEST(a_signal_to_one_that_has_ended_goes_nowhere),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
