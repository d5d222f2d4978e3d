/* server: an HTTP/1.1 server for one test at a time: it records what it is sent and answers each request with the next of
 * its replies. */
#ifndef UPJOB_TESTS_SERVER_H
#define UPJOB_TESTS_SERVER_H

#include <arpa/inet.h>
#include <poll.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define SERVER_REQUESTS 8

struct server {
    int listener, port;
    pthread_t thread;
    /* NULL-terminated. "" reads for ever without answering, "!" closes after the head, "~…" answers after two seconds,
     * unless the client has closed by then, ".…" in lines with 100 ms between them, "^…" as soon as it has the head, whatever
     * becomes of the body. A reply without "Connection: close" leaves the connection open. */
    const char *const *replies;
    char head[SERVER_REQUESTS][4096];   /* of each request */
    size_t body[SERVER_REQUESTS];       /* bytes of each body */
    unsigned char sum[SERVER_REQUESTS]; /* of each body's bytes, xor-ed */
    int count;
    bool closed_early; /* the client closed while the reply was withheld */
};

static size_t server_read_head(int fd, char *head, size_t size, char *rest, size_t *rest_len)
{
    size_t len = 0;
    char *end = NULL;
    while (!end && len < size - 1) {
        ssize_t n = recv(fd, head + len, size - 1 - len, 0);
        if (n <= 0)
            break;
        len += (size_t)n;
        head[len] = '\0';
        end = strstr(head, "\r\n\r\n");
    }
    if (!end)
        return 0;
    *rest_len = len - (size_t)(end + 4 - head);
    memcpy(rest, end + 4, *rest_len);
    end[2] = '\0';
    return len;
}

static void server_read_body(struct server *s, int fd, const char *rest, size_t rest_len)
{
    char buffer[65536];
    const char *field = strstr(s->head[s->count], "Content-Length: ");
    size_t length = field ? strtoul(field + 16, NULL, 10) : 0, got = rest_len;
    for (size_t i = 0; i < rest_len; i++)
        s->sum[s->count] ^= (unsigned char)rest[i];
    while (got < length) {
        ssize_t n = recv(fd, buffer, sizeof buffer, 0);
        if (n <= 0)
            break;
        for (ssize_t i = 0; i < n; i++)
            s->sum[s->count] ^= (unsigned char)buffer[i];
        got += (size_t)n;
    }
    s->body[s->count] = got;
}

/* Waits as long as the client does, at most `ms`: false when it has closed. */
static bool server_lets_wait(int fd, int ms)
{
    struct pollfd closed = {.fd = fd, .events = POLLRDHUP};
    return poll(&closed, 1, ms) == 0;
}

static void server_send_slowly(int fd, const char *reply)
{
    size_t len;
    do {
        len = strcspn(reply, "\n") + 1;
        send(fd, reply, len, MSG_NOSIGNAL);
        reply += len;
    } while (*reply && server_lets_wait(fd, 300));
}

/* What the client still sends when it is not to send more is read, so that nothing resets the connection under the reply. */
static bool server_answer_early(struct server *s, int fd, const char *reply)
{
    char buffer[65536];
    bool close_it = strstr(reply, "Connection: close");
    send(fd, reply, strlen(reply), MSG_NOSIGNAL);
    if (close_it)
        shutdown(fd, SHUT_WR);
    for (ssize_t n; close_it && (n = recv(fd, buffer, sizeof buffer, 0)) > 0;)
        s->body[s->count] += (size_t)n;
    s->count++;
    return !close_it;
}

/* True when the connection stays open for the next request. */
static bool server_answer(struct server *s, int fd, const char *reply)
{
    char rest[4096];
    size_t rest_len = 0;
    char *head = s->head[s->count];
    if (server_read_head(fd, head, sizeof s->head[0], rest, &rest_len) == 0)
        return false;
    if (strcmp(reply, "!") == 0) {
        s->count++;
        return false;
    }
    if (*reply == '^')
        return server_answer_early(s, fd, reply + 1);
    if (strstr(head, "Expect: 100-continue"))
        send(fd, "HTTP/1.1 100 Continue\r\n\r\n", 25, MSG_NOSIGNAL);
    server_read_body(s, fd, rest, rest_len);
    if (*reply == '~')
        (void)server_lets_wait(fd, 20000);
    if (*reply == '.')
        server_send_slowly(fd, reply + 1);
    else if (*reply)
        send(fd, reply + (*reply == '~'), strlen(reply + (*reply == '~')), MSG_NOSIGNAL);
    else
        s->closed_early = recv(fd, rest, 1, 0) <= 0;
    s->count++;
    return *reply && !strstr(reply, "Connection: close");
}

/* Waits for the next request: false when it comes over a new connection, or none does. */
static bool server_goes_on(struct server *s, int fd)
{
    struct pollfd ready[] = {{.fd = fd, .events = POLLIN}, {.fd = s->listener, .events = POLLIN}};
    return s->replies[s->count] && poll(ready, 2, -1) > 0 && ready[0].revents;
}

static void *server_run(void *arg)
{
    struct server *s = arg;
    while (s->replies[s->count]) {
        int fd = accept(s->listener, NULL, NULL);
        if (fd < 0)
            return NULL;
        while (server_answer(s, fd, s->replies[s->count]) && server_goes_on(s, fd))
            ;
        close(fd);
    }
    return NULL;
}

/* False when the machine has no loopback of that family. */
static bool server_listen(struct server *s, int family, const char *const *replies)
{
    struct sockaddr_in v4 = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    struct sockaddr_in6 v6 = {.sin6_family = AF_INET6, .sin6_addr = IN6ADDR_LOOPBACK_INIT};
    struct sockaddr *address = family == AF_INET ? (struct sockaddr *)&v4 : (struct sockaddr *)&v6;
    socklen_t len = family == AF_INET ? sizeof v4 : sizeof v6;
    memset(s, 0, sizeof *s);
    s->replies = replies;
    s->listener = socket(family, SOCK_STREAM, 0);
    if (s->listener < 0 || bind(s->listener, address, len) != 0) {
        close(s->listener);
        return false;
    }
    assert_int_equal(listen(s->listener, 4), 0);
    getsockname(s->listener, address, &len);
    s->port = ntohs(family == AF_INET ? v4.sin_port : v6.sin6_port);
    pthread_create(&s->thread, NULL, server_run, s);
    return true;
}

static void server_start(struct server *s, const char *const *replies)
{
    assert_true(server_listen(s, AF_INET, replies));
}

/* Waits until the connection under way has ended. */
static void server_stop(struct server *s)
{
    shutdown(s->listener, SHUT_RDWR);
    pthread_join(s->thread, NULL);
    close(s->listener);
}

#endif
