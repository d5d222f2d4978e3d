/* The HTTP client on the loop, against a server that sends faster than it is read. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <arpa/inet.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "core/http.h"
#include "tests/c/server.h"

#define BODY ((size_t)200 << 20)
#define PIECE ((size_t)1 << 20)

struct source {
    int listener, port;
    pthread_t thread;
};

static void *pour(void *arg)
{
    struct source *source = arg;
    static char piece[PIECE];
    char head[128];
    int fd = accept(source->listener, NULL, NULL);
    if (recv(fd, piece, sizeof piece, 0) > 0) {
        int len = snprintf(head, sizeof head, "HTTP/1.1 200 OK\r\nContent-Length: %zu\r\n\r\n", BODY);
        send(fd, head, (size_t)len, MSG_NOSIGNAL);
        for (size_t sent = 0; sent < BODY; sent += PIECE)
            send(fd, piece, PIECE, MSG_NOSIGNAL);
    }
    close(fd);
    return NULL;
}

static void start_source(struct source *source)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
    socklen_t len = sizeof address;
    source->listener = socket(AF_INET, SOCK_STREAM, 0);
    assert_int_equal(bind(source->listener, (struct sockaddr *)&address, sizeof address), 0);
    assert_int_equal(listen(source->listener, 4), 0);
    getsockname(source->listener, (struct sockaddr *)&address, &len);
    source->port = ntohs(address.sin_port);
    pthread_create(&source->thread, NULL, pour, source);
}

static void ended(void *arg, struct http_response *response, const struct err *e)
{
    (void)response;
    *(bool *)arg = true;
    assert_string_equal(e->message, "");
}

/* In each turn the rest of the program has its chance. */
static void a_fast_transfer_takes_many_turns_of_the_loop(void **state)
{
    struct source source;
    struct err e;
    char url[64];
    bool done = false;
    int turns = 0;
    (void)state;
    err_clear(&e);
    start_source(&source);
    struct loop *loop = loop_new(&e);
    struct http *http = http_new(loop, &e);
    snprintf(url, sizeof url, "http://127.0.0.1:%d/", source.port);
    struct http_request request = {.method = "GET", .url = url, .max_response = BODY + 1};
    assert_non_null(http_start(http, &request, ended, &done, &e));
    for (; !done; turns++)
        loop_turn(loop, true);
    pthread_join(source.thread, NULL);
    close(source.listener);
    http_free(http);
    loop_free(loop);
    print_message("# %d turns\n", turns);
    assert_true(turns > 20);
}

/* Only what is sent to this machine passes by the proxy. */
static void a_user_name_that_looks_like_this_machine_goes_through_the_proxy(void **state)
{
    static const char *const replies[] = {"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", NULL};
    struct server proxy = {0};
    struct err e;
    char address[64];
    bool done = false;
    (void)state;
    err_clear(&e);
    server_start(&proxy, replies);
    snprintf(address, sizeof address, "http://127.0.0.1:%d", proxy.port);
    setenv("http_proxy", address, 1);
    struct loop *loop = loop_new(&e);
    struct http *http = http_new(loop, &e);
    struct http_request request = {.method = "GET", .url = "http://127.0.0.1:x@example.invalid/"};
    assert_non_null(http_start(http, &request, ended, &done, &e));
    while (!done)
        loop_turn(loop, true);
    unsetenv("http_proxy");
    server_stop(&proxy);
    assert_non_null(strstr(proxy.head[0], "GET http://example.invalid/"));
    http_free(http);
    loop_free(loop);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(a_fast_transfer_takes_many_turns_of_the_loop),
                                       cmocka_unit_test(a_user_name_that_looks_like_this_machine_goes_through_the_proxy)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
