/* The control socket: a server and its callers in one loop. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "core/control_client.h"
#include "core/control_server.h"
#include "core/control_socket.h"

struct fixture {
    char directory[64];
    struct loop *loop;
    struct control_server *server;
    int asked, done;
    struct err err;
};

static void count_one(void *arg)
{
    ++*(int *)arg;
}

static struct control_server *listen_there(struct fixture *f)
{
    err_clear(&f->err);
    return control_server_new(f->loop, f->directory, "too long", "too many", count_one, &f->asked, &f->err);
}

static int set_up(void **state)
{
    struct fixture *f = calloc(1, sizeof *f);
    strcpy(f->directory, "/tmp/upjob-control-XXXXXX");
    if (!mkdtemp(f->directory))
        return -1;
    f->loop = loop_new(&f->err);
    *state = f;
    return f->loop ? 0 : -1;
}

static int tear_down(void **state)
{
    struct fixture *f = *state;
    control_server_free(f->server);
    loop_free(f->loop);
    int left = rmdir(f->directory);
    free(f);
    return left;
}

static struct control_call *call(struct fixture *f, const char *line, uint64_t timeout_ms)
{
    err_clear(&f->err);
    return control_call_new(f->loop, f->directory, line, strlen(line), timeout_ms, count_one, &f->done, &f->err);
}

static void turn_until(struct fixture *f, const int *count, int wanted)
{
    while (*count < wanted)
        assert_true(loop_turn(f->loop, true));
}

static void a_request_is_taken_once_and_answered(void **state)
{
    struct fixture *f = *state;
    struct control_request request;
    size_t len;
    assert_non_null(f->server = listen_there(f));
    struct control_call *asking = call(f, "how many?", 20000);
    assert_non_null(asking);
    turn_until(f, &f->asked, 1);
    assert_true(control_server_next(f->server, &request));
    assert_string_equal(request.line, "how many?");
    assert_false(control_server_next(f->server, &(struct control_request){0}));
    control_server_answer(f->server, request.caller + 1, "nobody's", 8);
    control_server_answer(f->server, request.caller, "three", 5);
    free(request.line);
    turn_until(f, &f->done, 1);
    const char *answer = control_call_answer(asking, &len, &f->err);
    assert_non_null(answer);
    assert_int_equal(len, 5);
    assert_memory_equal(answer, "three", 5);
    control_call_free(asking);
}

static void an_answer_that_does_not_come_is_given_up(void **state)
{
    struct fixture *f = *state;
    size_t len;
    assert_non_null(f->server = listen_there(f));
    struct control_call *asking = call(f, "x", 20), *dropped = call(f, "y", 20000);
    turn_until(f, &f->done, 1);
    assert_null(control_call_answer(asking, &len, &f->err));
    assert_true(err_is(&f->err, ERR_TIMEOUT));
    control_call_free(asking);
    control_call_free(dropped);
}

static void nobody_listens(void **state)
{
    struct fixture *f = *state;
    assert_null(call(f, "x", 20000));
    assert_true(err_is(&f->err, ERR_NO_DAEMON));
    strcat(f->directory, "/none");
    assert_null(call(f, "x", 20000));
    assert_true(err_is(&f->err, ERR_NO_DAEMON));
    *strrchr(f->directory, '/') = '\0';
}

static void one_server_listens_at_a_time(void **state)
{
    struct fixture *f = *state;
    assert_non_null(f->server = listen_there(f));
    assert_null(listen_there(f));
    assert_true(err_is(&f->err, ERR_CONFIG));
    control_server_free(f->server);
    assert_non_null(f->server = listen_there(f));
}

static void what_a_dead_server_has_left_is_replaced(void **state)
{
    struct fixture *f = *state;
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    snprintf(address.sun_path, sizeof address.sun_path, "%s/" CONTROL_SOCKET, f->directory);
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof address), 0);
    close(fd);
    assert_null(call(f, "x", 20000));
    assert_true(err_is(&f->err, ERR_NO_DAEMON));
    assert_non_null(f->server = listen_there(f));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_request_is_taken_once_and_answered, set_up, tear_down),
        cmocka_unit_test_setup_teardown(an_answer_that_does_not_come_is_given_up, set_up, tear_down),
        cmocka_unit_test_setup_teardown(nobody_listens, set_up, tear_down),
        cmocka_unit_test_setup_teardown(one_server_listens_at_a_time, set_up, tear_down),
        cmocka_unit_test_setup_teardown(what_a_dead_server_has_left_is_replaced, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
