/* Pages for those who watch: made once for all who wait, and never for those who may not have them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "core/metrics.h"

#define MOST_TURNS 20000

struct fixture {
    struct loop *loop;
    struct metrics *metrics;
    struct loop_timer *awake; /* the pages alone keep no loop going */
    int asked[METRICS_PAGES];
};

static void nothing(void *arg)
{
    (void)arg;
}

static void asked(void *arg, enum metrics_page page)
{
    ((struct fixture *)arg)->asked[page]++;
}

static int set_up(void **state)
{
    struct fixture *f = calloc(1, sizeof *f);
    struct err e;
    err_clear(&e);
    f->loop = loop_new(&e);
    struct metrics_options options = {.address = "127.0.0.1:0", .asked = asked, .arg = f};
    f->metrics = metrics_new(f->loop, &options, &e);
    f->awake = loop_timer_start(f->loop, 600000, nothing, NULL);
    *state = f;
    return f->metrics && f->awake ? 0 : -1;
}

static int tear_down(void **state)
{
    struct fixture *f = *state;
    metrics_free(f->metrics);
    loop_timer_stop(f->awake);
    loop_free(f->loop);
    free(f);
    return 0;
}

static int connect_to(const struct fixture *f)
{
    int port = 0, fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    assert_int_equal(sscanf(metrics_place(f->metrics), "http://127.0.0.1:%d/metrics", &port), 1);
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port), .sin_addr = {htonl(INADDR_LOOPBACK)}};
    assert_true(connect(fd, (struct sockaddr *)&address, sizeof address) == 0 || errno == EINPROGRESS);
    return fd;
}

static int ask_for(const struct fixture *f, const char *page)
{
    char request[128];
    int fd = connect_to(f), len = snprintf(request, sizeof request, "GET %s HTTP/1.1\r\nHost: x\r\n\r\n", page);
    assert_int_equal(send(fd, request, (size_t)len, 0), len);
    return fd;
}

/* Turns until so many were asked for, or the loop has had its time. */
static void turn_until_asked(struct fixture *f, enum metrics_page page, int count)
{
    for (int i = 0; i < MOST_TURNS && f->asked[page] < count; i++) {
        loop_turn(f->loop, false);
        usleep(100);
    }
    assert_int_equal(f->asked[page], count);
}

static void turn_some(struct fixture *f)
{
    for (int i = 0; i < 300; i++) {
        loop_turn(f->loop, false);
        usleep(100);
    }
}

/* The whole reply, until its end. */
static void expect_reply(struct fixture *f, int fd, const char *begins, const char *ends)
{
    char reply[4096] = "";
    size_t len = 0;
    for (int i = 0; i < MOST_TURNS; i++) {
        if (f)
            loop_turn(f->loop, false);
        ssize_t n = recv(fd, reply + len, sizeof reply - 1 - len, MSG_DONTWAIT);
        if (n == 0)
            break;
        len += n > 0 ? (size_t)n : 0;
        usleep(100);
    }
    close(fd);
    assert_memory_equal(reply, begins, strlen(begins));
    assert_true(len > strlen(ends));
    assert_string_equal(reply + len - strlen(ends), ends);
}

static void a_page_is_made_once_for_all_who_wait(void **state)
{
    struct fixture *f = *state;
    int first = ask_for(f, "/metrics");
    turn_until_asked(f, METRICS_PAGE, 1);
    int second = ask_for(f, "/metrics?x=1"), health = ask_for(f, "/healthz");
    turn_until_asked(f, METRICS_HEALTH, 1);
    turn_some(f);
    assert_int_equal(f->asked[METRICS_PAGE], 1);
    metrics_answer(f->metrics, METRICS_PAGE, 200, "a 1\n", 4);
    expect_reply(f, first, "HTTP/1.1 200", "\r\n\r\na 1\n");
    expect_reply(f, second, "HTTP/1.1 200", "\r\n\r\na 1\n");
    metrics_answer(f->metrics, METRICS_HEALTH, 503, "no\n", 3);
    expect_reply(f, health, "HTTP/1.1 503", "\r\n\r\nno\n");
    int again = ask_for(f, "/metrics");
    turn_until_asked(f, METRICS_PAGE, 2);
    metrics_answer(f->metrics, METRICS_PAGE, 200, "", 0);
    expect_reply(f, again, "HTTP/1.1 200", "\r\n\r\n");
}

static void who_waits_at_the_end_is_told(void **state)
{
    struct fixture *f = *state;
    int fd = ask_for(f, "/metrics");
    turn_until_asked(f, METRICS_PAGE, 1);
    metrics_free(f->metrics);
    f->metrics = NULL;
    expect_reply(NULL, fd, "HTTP/1.1 503", "it ends\n");
}

static void who_has_gone_does_not_keep_others_waiting(void **state)
{
    struct fixture *f = *state;
    close(ask_for(f, "/metrics"));
    turn_until_asked(f, METRICS_PAGE, 1);
    int fd = ask_for(f, "/metrics");
    turn_some(f);
    metrics_answer(f->metrics, METRICS_PAGE, 200, "a 1\n", 4);
    expect_reply(f, fd, "HTTP/1.1 200", "a 1\n");
}

static void an_answer_that_nobody_waits_for_is_none(void **state)
{
    struct fixture *f = *state;
    metrics_answer(f->metrics, METRICS_PAGE, 200, "a 1\n", 4);
    int fd = ask_for(f, "/metrics");
    turn_until_asked(f, METRICS_PAGE, 1);
    metrics_answer(f->metrics, METRICS_PAGE, 200, "b 2\n", 4);
    expect_reply(f, fd, "HTTP/1.1 200", "b 2\n");
}

static void other_requests_ask_for_nothing(void **state)
{
    struct fixture *f = *state;
    expect_reply(f, ask_for(f, "/metrics/"), "HTTP/1.1 404", "there are /metrics and /healthz\n");
    int fd = connect_to(f);
    const char *body = "GET /metrics HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nabc";
    assert_true(send(fd, body, strlen(body), 0) > 0);
    expect_reply(f, fd, "HTTP/1.1 400", "has no body\n");
    assert_int_equal(f->asked[METRICS_PAGE], 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_page_is_made_once_for_all_who_wait, set_up, tear_down),
        cmocka_unit_test_setup_teardown(who_waits_at_the_end_is_told, set_up, tear_down),
        cmocka_unit_test_setup_teardown(who_has_gone_does_not_keep_others_waiting, set_up, tear_down),
        cmocka_unit_test_setup_teardown(an_answer_that_nobody_waits_for_is_none, set_up, tear_down),
        cmocka_unit_test_setup_teardown(other_requests_ask_for_nothing, set_up, tear_down),
    };
    return cmocka_run_group_tests_name("metrics", tests, NULL, NULL);
}
