/* The embedded service's listener, in this process, with little patience. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <arpa/inet.h>
#include <errno.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "local/local.h"

struct fixture {
    char dir[64];
    struct loop *loop;
    struct local *service;
    struct loop_timer *awake; /* the service alone keeps no loop going */
    int client;
};

static void nothing(void *arg)
{
    (void)arg;
}

static int set_up(void **state)
{
    struct fixture *f = calloc(1, sizeof *f);
    struct err e;
    err_clear(&e);
    strcpy(f->dir, "/tmp/upjob-listener-XXXXXX");
    if (!mkdtemp(f->dir))
        return -1;
    struct local_options options = {.data_dir = f->dir, .ephemeral = true, .patience = 0.3};
    f->loop = loop_new(&e);
    f->service = f->loop ? local_start(f->loop, &options, &e) : NULL;
    *state = f;
    if (!f->service || !(f->awake = loop_timer_start(f->loop, 600000, nothing, NULL)))
        return -1;
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)local_port(f->service)),
                                  .sin_addr = {htonl(INADDR_LOOPBACK)}};
    f->client = socket(AF_INET, SOCK_STREAM, 0);
    return connect(f->client, (struct sockaddr *)&address, sizeof address);
}

static int remove_one(const char *path, const struct stat *info, int type, struct FTW *walk)
{
    (void)info, (void)type, (void)walk;
    return remove(path);
}

static int tear_down(void **state)
{
    struct fixture *f = *state;
    close(f->client);
    local_stop(f->service);
    loop_timer_stop(f->awake);
    loop_free(f->loop);
    nftw(f->dir, remove_one, 8, FTW_DEPTH | FTW_PHYS);
    free(f);
    return 0;
}

/* Sends `head`, and then an 'x' again and again, until the service closes the connection; fails when it goes on for long. */
static void drip(struct fixture *f, const char *head)
{
    char byte;
    send(f->client, head, strlen(head), MSG_NOSIGNAL);
    for (int i = 0; i < 2000; i++) {
        ssize_t n = recv(f->client, &byte, 1, MSG_DONTWAIT);
        if (n >= 0)
            assert_int_equal(n, 0);
        if (n == 0 || errno == ECONNRESET)
            return;
        send(f->client, "x", 1, MSG_NOSIGNAL);
        loop_turn(f->loop, false);
        usleep(5000);
    }
    fail_msg("the connection is still open");
}

static void a_request_line_that_drips_is_not_waited_for(void **state)
{
    drip(*state, "GET /");
}

static void a_head_that_drips_is_not_waited_for(void **state)
{
    drip(*state, "GET /domains/acme HTTP/1.1\r\nHost: x\r\nX-Long: ");
}

static void the_body_of_a_call_that_drips_is_not_waited_for(void **state)
{
    drip(*state, "POST /domains/acme HTTP/1.1\r\nHost: x\r\nContent-Length: 100000\r\n\r\n");
}

static void the_head_of_an_upload_that_drips_is_not_waited_for(void **state)
{
    drip(*state, "PUT /upload-jobs/acme/0/0 HTTP/1.1\r\nHost: x\r\nContent-Length: 100000\r\nX-Long: ");
}

int main(void)
{
#define WITH_SERVICE(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        WITH_SERVICE(a_request_line_that_drips_is_not_waited_for),
        WITH_SERVICE(a_head_that_drips_is_not_waited_for),
        WITH_SERVICE(the_body_of_a_call_that_drips_is_not_waited_for),
        WITH_SERVICE(the_head_of_an_upload_that_drips_is_not_waited_for),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
