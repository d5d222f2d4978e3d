/* Keys from a program: its command line, what it prints, how it ends. */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "core/credentials.h"
#include "core/credentials_answer.h"
#include "core/credentials_words.h"
#include "core/loop.h"

#define COUNT(table) (sizeof(table) / sizeof *(table))
#define KEYS         "\"Version\":1,\"AccessKeyId\":\"A\",\"SecretAccessKey\":\"hunter2\""

/* ---- the command line ---- */

/* As Python's shlex.split has them. */
static void a_command_line_has_the_words_of_shlex(void **state)
{
    static const struct {
        const char *line, *words; /* each word followed by a bar */
    } lines[] = {
        {"a b", "a|b|"},
        {"  a\t b  ", "a|b|"},
        {"'a b' c", "a b|c|"},
        {"\"a \\\" b\"", "a \" b|"},
        {"\"a \\n b\"", "a \\n b|"},
        {"a\\ b", "a b|"},
        {"a'b'c", "abc|"},
        {"''", "|"},
        {"x \"\"", "x||"},
        {"'a\\b'", "a\\b|"},
        {"\"$HOME\" ~/x", "$HOME|~/x|"},
        {"a #b", "a|#b|"},
        {"a\"b c\"d\\\"e", "ab cd\"e|"},
        {"\"a\\\\b\"", "a\\b|"},
        {"a\\\nb", "a\nb|"},
        {"é \"ü\"", "é|ü|"},
    };
    (void)state;
    for (size_t i = 0; i < COUNT(lines); i++) {
        char joined[100] = "";
        const char *fault;
        char **words = credentials_words(lines[i].line, &fault);
        for (size_t w = 0; words && words[w]; w++)
            strcat(strcat(joined, words[w]), "|");
        if (strcmp(joined, lines[i].words) != 0)
            fail_msg("%s: %s, not %s", lines[i].line, joined, lines[i].words);
        free(words);
    }
}

static void a_command_line_that_is_broken_says_how(void **state)
{
    static const struct {
        const char *line, *fault;
    } lines[] = {
        {"a\\", "after the backslash"},
        {"'a", "a quote is not closed"},
        {"\"a", "a quote is not closed"},
        {"a \"b\\", "a quote is not closed"},
        {"", "no program"},
        {" \t", "no program"},
    };
    (void)state;
    for (size_t i = 0; i < COUNT(lines); i++) {
        const char *fault;
        char **words = credentials_words(lines[i].line, &fault);
        if (words || !fault || !strstr(fault, lines[i].fault))
            fail_msg("%s: %s", lines[i].line, fault ? fault : "taken");
    }
}

/* ---- its run ---- */

static char directory[] = "/tmp/upjob-process-XXXXXX";
static char config_path[100];

static int set_up(void **state)
{
    (void)state;
    if (!mkdtemp(directory))
        return -1;
    snprintf(config_path, sizeof config_path, "%s/config", directory);
    setenv("AWS_CONFIG_FILE", config_path, 1);
    setenv("AWS_SHARED_CREDENTIALS_FILE", "/nonexistent/credentials", 1);
    unsetenv("AWS_ACCESS_KEY_ID");
    unsetenv("AWS_SECRET_ACCESS_KEY");
    unsetenv("AWS_PROFILE");
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    unlink(config_path);
    return rmdir(directory);
}

struct outcome {
    bool told;
    char id[32], secret[32];
    time_t expires;
    char error[2048];
};

static void ready(void *arg, const struct credentials *keys, const struct err *err)
{
    struct outcome *outcome = arg;
    outcome->told = true;
    if (keys) {
        snprintf(outcome->id, sizeof outcome->id, "%s", keys->access_key_id);
        snprintf(outcome->secret, sizeof outcome->secret, "%s", secret_bytes(keys->secret_access_key));
        outcome->expires = keys->expires;
    } else {
        assert_string_equal(err->code, ERR_CREDENTIALS);
        err_text(err, outcome->error, sizeof outcome->error);
    }
}

static struct credentials_store *open_store(struct loop *loop, const char *command, long timeout_ms,
                                            struct err *err)
{
    FILE *file = fopen(config_path, "w");
    assert_non_null(file);
    fprintf(file, "[default]\ncredential_process = %s\n", command);
    fclose(file);
    struct credentials_options options = {.loop = loop, .process_timeout_ms = timeout_ms};
    err_clear(err);
    struct aws_config *config = aws_config_load(NULL, err);
    assert_non_null(config);
    struct credentials_store *store = credentials_open(config, &options, err);
    aws_config_free(config);
    return store;
}

static struct outcome run(const char *command, long timeout_ms)
{
    struct outcome outcome = {0};
    struct err err;
    struct loop *loop = loop_new(&err);
    struct credentials_store *store = open_store(loop, command, timeout_ms, &err);
    assert_non_null(store);
    struct credentials_wait *wait = credentials_await(store, ready, &outcome, &err);
    assert_non_null(wait);
    while (!outcome.told && loop_turn(loop, true))
        ;
    assert_true(outcome.told);
    credentials_store_free(store);
    loop_free(loop);
    if (waitpid(-1, NULL, WNOHANG) >= 0)
        fail_msg("a child is left of: %s", command);
    return outcome;
}

static void refused(const char *command, long timeout_ms, const char *says)
{
    struct outcome outcome = run(command, timeout_ms);
    if (!strstr(outcome.error, says) || !strstr(outcome.error, "config:2: "))
        fail_msg("\"%s\" is not in: %s%s", says, outcome.error, outcome.id);
    if (strstr(outcome.error, "hunter2"))
        fail_msg("a secret is in: %s", outcome.error);
}

static void a_program_gives_keys(void **state)
{
    (void)state;
    struct outcome outcome = run("printf '%s' '{" KEYS "}'", 0);
    assert_string_equal(outcome.error, "");
    assert_string_equal(outcome.id, "A");
    assert_string_equal(outcome.secret, "hunter2");
    assert_int_equal(outcome.expires, 0);
    outcome = run(
        "printf '%s' '{" KEYS ",\"Expiration\":\"2100-01-01T01:00:00.25+01:00\",\"SessionToken\":null}'", 0);
    assert_string_equal(outcome.error, "");
    assert_int_equal(outcome.expires, 4102444800);
}

static void a_program_that_ends_badly_says_what_it_said(void **state)
{
    (void)state;
    refused("sh -c 'echo >&2; echo \"  please log in\" >&2; echo more >&2; exit 7'", 0,
            "ended with status 7: please log in; run");
    refused("sh -c 'kill -9 $$'", 0, "ended by signal 9");
    refused("sh -c 'printf \"bad \\033[31mterminal\\n\" >&2; exit 1'", 0, "status 1: bad ?[31mterminal; run");
    refused("sh -c 'echo key wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY of AKIAIOSFODNN7EXAMPLE >&2; exit 1'",
            0, "status 1: key <secret> of <secret>; run");
    refused("/nonexistent/program x", 0, "/nonexistent/program cannot be started: no such file");
    refused("/", 0, "cannot be started");
}

static void what_is_not_keys_is_named_but_not_shown(void **state)
{
    (void)state;
    refused("true", 0, "gave nothing instead of JSON");
    refused("echo '<html>hunter2</html>'", 0, "gave HTML or XML instead of JSON");
    refused("echo 'hunter2'", 0, "gave something that is not a JSON object");
    refused("echo '[\"hunter2\"]'", 0, "not a JSON object");
    refused("printf '%s' '{\"AccessKeyId\":\"A\",\"SecretAccessKey\":\"hunter2\"}'", 0,
            "without \"Version\": 1");
    refused("printf '%s' '{\"Version\":2,\"AccessKeyId\":\"A\",\"SecretAccessKey\":\"hunter2\"}'", 0,
            "without \"Version\": 1");
    refused("printf '%s' '{\"Version\":\"1\"}'", 0, "without \"Version\": 1");
    refused("printf '%s' '{\"Version\":1,\"AccessKeyId\":\"A\"}'", 0, "without SecretAccessKey");
    refused("printf '%s' '{\"Version\":1,\"AccessKeyId\":5,\"SecretAccessKey\":\"hunter2\"}'", 0,
            "without AccessKeyId");
    refused("printf '%s' '{" KEYS ",\"Expiration\":\"soon\"}'", 0, "Expiration that is not a time");
    refused(
        "printf '%s' '{\"Version\":1,\"AccessKeyId\":\"A\",\"SecretAccessKey\":\"hunter2\\\\nX-Evil: 1\"}'",
        0, "SecretAccessKey holds a space, a line end");
}

static void keys_that_have_ended_are_refused(void **state)
{
    (void)state;
    struct outcome outcome = run("printf '%s' '{" KEYS ",\"Expiration\":\"2001-09-09T01:46:40Z\"}'", 0);
    if (!strstr(outcome.error, "config:2 had ended when they came, at 2001-09-09T01:46:40Z"))
        fail_msg("%s", outcome.error);
}

static void a_program_that_hangs_or_floods_is_killed(void **state)
{
    (void)state;
    /* A busy machine takes longer until the program says anything. */
    const char *hangs = "sh -c 'echo waiting for a token >&2; exec sleep 1000'", *says = "was killed: waiting for a token; run";
    long timeout_ms = 200;
    while (timeout_ms < 20000 && !strstr(run(hangs, timeout_ms).error, says))
        timeout_ms *= 4;
    refused(hangs, timeout_ms, says);
    refused("sh -c 'exec cat /dev/zero'", 0, "printed more than 262144 bytes and was killed");
    refused("sh -c 'head -c 100000 /dev/zero >&2; exit 4'", 0, "ended with status 4");
}

/* A shell that ends and leaves something behind which holds its output open. */
static void a_program_that_leaves_its_output_open_has_ended(void **state)
{
    (void)state;
    struct outcome outcome = run("sh -c 'sleep 20 & printf \"%s\" \"$0\"' '{" KEYS "}'", 10000);
    assert_string_equal(outcome.error, "");
    assert_string_equal(outcome.id, "A");
}

/* As a socket of curl: made without SOCK_CLOEXEC. */
static void a_program_gets_no_descriptor_of_this_process(void **state)
{
    int pair[2];
    char command[200];
    (void)state;
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
    snprintf(command, sizeof command, "sh -c 'test ! -e /proc/self/fd/%d && printf \"%%s\" \"$0\"' '{" KEYS "}'", pair[1]);
    struct outcome outcome = run(command, 0);
    close(pair[0]);
    close(pair[1]);
    assert_string_equal(outcome.error, "");
}

/* As sudo is, for whoever may not kill it. */
static void a_program_that_cannot_be_killed_holds_nothing_up(void **state)
{
    struct err err;
    struct outcome outcome = {0};
    (void)state;
    if (geteuid() != 0)
        skip();
    struct loop *loop = loop_new(&err);
    struct credentials_store *store = open_store(loop, "sleep 1000", 0, &err);
    assert_non_null(credentials_await(store, ready, &outcome, &err));
    assert_int_equal(setresuid(65534, 65534, 0), 0);
    credentials_store_free(store);
    assert_int_equal(setresuid(0, 0, 0), 0);
    loop_free(loop);
    char children[64] = "";
    FILE *file = fopen("/proc/thread-self/children", "r");
    assert_non_null(file);
    assert_non_null(fgets(children, sizeof children, file));
    fclose(file);
    pid_t left = (pid_t)strtol(children, NULL, 10);
    assert_int_equal(kill(left, SIGKILL), 0);
    assert_int_equal(waitpid(left, NULL, 0), left);
}

static void a_program_is_killed_with_the_store(void **state)
{
    struct err err;
    struct outcome outcome = {0};
    struct loop *loop = loop_new(&err);
    struct credentials_store *store = open_store(loop, "sleep 1000", 0, &err);
    (void)state;
    assert_non_null(credentials_await(store, ready, &outcome, &err));
    loop_turn(loop, false);
    credentials_store_free(store);
    loop_free(loop);
    assert_false(outcome.told);
    assert_true(waitpid(-1, NULL, WNOHANG) < 0);
}

static void a_command_that_cannot_be_read_is_told_at_once(void **state)
{
    struct err err;
    (void)state;
    assert_null(open_store(NULL, "program 'x", 0, &err));
    assert_string_equal(err.code, ERR_CONFIG);
    assert_int_equal(err.line, 2);
    assert_string_equal(err.message, "this credential_process cannot be run: a quote is not closed");
}

static void what_is_quoted_is_one_printable_line(void **state)
{
    static const struct {
        const char *text, *quoted;
    } texts[] = {
        {"", ""},
        {"\n\n a\r\nb", "a"},
        {"a\tb", "a?b"},
        {"token=abcDEF1234567890abcdefgh!", "token=<secret>!"},
        {"/home/somebody/bin/program: not found", "/home/somebody/bin/program: not found"},
        {"arn:aws:iam::123456789012:role/Name", "arn:aws:iam::123456789012:role/Name"},
    };
    (void)state;
    for (size_t i = 0; i < COUNT(texts); i++) {
        char out[100], small[20];
        credentials_quote(texts[i].text, strlen(texts[i].text), out, sizeof out);
        assert_string_equal(out, texts[i].quoted);
        credentials_quote(texts[i].text, strlen(texts[i].text), small, sizeof small); /* in a small room */
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_command_line_has_the_words_of_shlex),
        cmocka_unit_test(a_command_line_that_is_broken_says_how),
        cmocka_unit_test(a_program_gives_keys),
        cmocka_unit_test(a_program_that_ends_badly_says_what_it_said),
        cmocka_unit_test(what_is_not_keys_is_named_but_not_shown),
        cmocka_unit_test(keys_that_have_ended_are_refused),
        cmocka_unit_test(a_program_that_hangs_or_floods_is_killed),
        cmocka_unit_test(a_program_that_leaves_its_output_open_has_ended),
        cmocka_unit_test(a_program_gets_no_descriptor_of_this_process),
        cmocka_unit_test(a_program_that_cannot_be_killed_holds_nothing_up),
        cmocka_unit_test(a_program_is_killed_with_the_store),
        cmocka_unit_test(a_command_that_cannot_be_read_is_told_at_once),
        cmocka_unit_test(what_is_quoted_is_one_printable_line),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
