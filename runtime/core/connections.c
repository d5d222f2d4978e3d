#include "core/connections.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#define AT_ONCE 64             /* connections taken in one turn */
#define AGAIN_MS 200           /* until a descriptor is tried for again */
#define LOOK_MS 1000           /* at those who dawdle, or sooner where there is less patience */
#define PATIENCE_SECONDS 120.0

/* A connection: microhttpd has it as its context. */
struct peer {
    struct connections *all;
    int socket;
    double waits_since; /* for a whole request; 0: it is not waited for one */
    struct peer *next, **link;
};

struct connections {
    struct loop *loop;
    struct MHD_Daemon *daemon;
    void (*taken)(void *arg);
    void *arg;
    int socket;
    unsigned most, count;
    double patience;
    struct peer *peers;
    uv_poll_t *poll;          /* on the listening socket */
    struct loop_timer *again; /* after descriptors were short */
    struct loop_timer *look;  /* at the peers, while there are some */
};

static double now(void)
{
    return (double)loop_now() / 1000;
}

/* ---- those who dawdle ---- */

static void look_at_peers(void *arg);

static void look_later(struct connections *connections)
{
    double patience_ms = connections->patience * 1000;
    connections->look = loop_deadline_start(connections->loop, patience_ms / 4 < LOOK_MS ? (uint64_t)(patience_ms / 4) : LOOK_MS,
                                         look_at_peers, connections);
    loop_timer_unref(connections->look);
}

/* Shut down, the socket tells microhttpd, which closes it. */
static void look_at_peers(void *arg)
{
    struct connections *connections = arg;
    double oldest = now() - connections->patience;
    connections->look = NULL;
    for (struct peer *peer = connections->peers; peer; peer = peer->next)
        if (peer->waits_since > 0 && peer->waits_since < oldest)
            shutdown(peer->socket, SHUT_RDWR);
    if (connections->peers)
        look_later(connections);
}

/* ---- connections come and go ---- */

static void take(uv_poll_t *poll, int status, int events);

static void listen_again(void *arg)
{
    struct connections *connections = arg;
    connections->again = NULL;
    if (connections->poll && !uv_is_active((uv_handle_t *)connections->poll) && connections->count < connections->most)
        uv_poll_start(connections->poll, UV_READABLE, take);
}

/* False when no more can be taken now. */
static bool take_one(struct connections *connections)
{
    struct sockaddr_storage from;
    socklen_t len = sizeof from;
    int fd = accept4(connections->socket, (struct sockaddr *)&from, &len, SOCK_CLOEXEC | SOCK_NONBLOCK);
    if (fd >= 0) {
        /* On failure microhttpd has closed it. */
        if (MHD_add_connection(connections->daemon, fd, (struct sockaddr *)&from, len) == MHD_YES)
            connections->taken(connections->arg);
        return true;
    }
    if (errno == EAGAIN || errno == EWOULDBLOCK)
        return false;
    if (errno == ECONNABORTED || errno == EINTR)
        return true;
    uv_poll_stop(connections->poll);
    if (!connections->again)
        connections->again = loop_timer_start(connections->loop, AGAIN_MS, listen_again, connections);
    loop_timer_unref(connections->again);
    return false;
}

static void take(uv_poll_t *poll, int status, int events)
{
    struct connections *connections = poll->data;
    (void)status;
    (void)events;
    for (int i = 0; i < AT_ONCE && connections->count < connections->most; i++)
        if (!take_one(connections))
            return;
    if (connections->count >= connections->most)
        uv_poll_stop(poll);
}

static void begin(struct connections *connections, struct MHD_Connection *connection, void **context)
{
    struct peer *peer = calloc(1, sizeof *peer);
    connections->count++;
    *context = peer;
    if (!peer)
        return; /* it may dawdle */
    peer->all = connections;
    peer->socket = connection_socket(connection);
    peer->waits_since = now();
    peer->next = connections->peers;
    peer->link = &connections->peers;
    if (peer->next)
        peer->next->link = &peer->next;
    connections->peers = peer;
    if (!connections->look)
        look_later(connections);
}

static void end(struct connections *connections, void **context)
{
    struct peer *peer = *context;
    *context = NULL;
    connections->count--;
    if (!connections->again)
        listen_again(connections);
    if (!peer)
        return;
    *peer->link = peer->next;
    if (peer->next)
        peer->next->link = peer->link;
    free(peer);
}

void connections_notify(void *arg, struct MHD_Connection *connection, void **context, enum MHD_ConnectionNotificationCode code)
{
    if (code == MHD_CONNECTION_NOTIFY_STARTED)
        begin(arg, connection, context);
    else
        end(arg, context);
}

void connection_waits(struct MHD_Connection *connection, bool waits)
{
    const union MHD_ConnectionInfo *info = MHD_get_connection_info(connection, MHD_CONNECTION_INFO_SOCKET_CONTEXT);
    struct peer *peer = info ? info->socket_context : NULL;
    if (peer)
        peer->waits_since = waits ? now() : 0;
}

int connection_socket(struct MHD_Connection *connection)
{
    const union MHD_ConnectionInfo *info = MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CONNECTION_FD);
    return info ? info->connect_fd : -1;
}

/* ---- start and stop ---- */

struct connections *connections_new(struct loop *loop, int socket, unsigned most, double patience, struct err *err)
{
    struct connections *connections = calloc(1, sizeof *connections);
    if (!connections) {
        close(socket);
        err_set(err, ERR_MEMORY, "out of memory");
        return NULL;
    }
    connections->loop = loop;
    connections->socket = socket;
    connections->most = most;
    connections->patience = patience > 0 ? patience : PATIENCE_SECONDS;
    return connections;
}

bool connections_start(struct connections *connections, struct MHD_Daemon *daemon, void (*taken)(void *arg), void *arg,
                       struct err *err)
{
    connections->daemon = daemon;
    connections->taken = taken;
    connections->arg = arg;
    connections->poll = calloc(1, sizeof *connections->poll);
    if (!connections->poll)
        return err_set(err, ERR_MEMORY, "out of memory");
    uv_poll_init_socket(loop_uv(connections->loop), connections->poll, connections->socket);
    connections->poll->data = connections;
    uv_poll_start(connections->poll, UV_READABLE, take);
    /* Listening alone does not keep a program going. */
    uv_unref((uv_handle_t *)connections->poll);
    return true;
}

static void closed(uv_handle_t *handle)
{
    free(handle);
}

void connections_stop(struct connections *connections)
{
    loop_timer_stop(connections->again);
    loop_timer_stop(connections->look);
    connections->again = connections->look = NULL;
    if (connections->poll) {
        uv_poll_stop(connections->poll);
        uv_close((uv_handle_t *)connections->poll, closed);
        connections->poll = NULL;
    }
    if (connections->socket >= 0)
        close(connections->socket);
    connections->socket = -1;
}

void connections_free(struct connections *connections)
{
    if (!connections)
        return;
    connections_stop(connections);
    free(connections);
}
