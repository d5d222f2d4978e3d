#include "core/metrics.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/httpd.h"
#include "core/listening.h"

#define MOST_CONNECTIONS 32
#define PATIENCE_SECONDS 10.0
#define LAST_RUNS 4 /* of the daemon before it ends: a reply takes two or three */
#define CONNECTION_MEMORY ((size_t)16 << 10)
#define SOCKET_MODE 0660 /* a group may be let in by the group of its directory */

/* A request that waits for its page. */
struct asker {
    struct metrics *metrics;
    struct MHD_Connection *connection;
    enum metrics_page page;
    struct MHD_Response *response; /* once it is there */
    unsigned status;
    bool suspended;
    struct asker *next;
};

struct metrics {
    struct httpd *httpd;
    struct asker *askers; /* that are suspended */
    void (*asked)(void *arg, enum metrics_page page);
    void *arg;
    bool pending[METRICS_PAGES]; /* asked for, and not answered yet */
    char place[PATH_MAX + 16];
    char path[PATH_MAX]; /* of a socket of ours; "" */
    dev_t device;
    ino_t inode;
};

/* ---- replies ---- */

static struct MHD_Response *text_response(const char *text, size_t len)
{
    /* The text is copied, though the interface does not say so in its type. */
    struct MHD_Response *response = MHD_create_response_from_buffer(len, (void *)(uintptr_t)text, MHD_RESPMEM_MUST_COPY);
    if (!response)
        return NULL;
    MHD_add_response_header(response, "Content-Type", "text/plain; version=0.0.4; charset=utf-8");
    MHD_add_response_header(response, "Connection", "close");
    return response;
}

static enum MHD_Result refuse(struct MHD_Connection *connection, unsigned status, const char *text)
{
    struct MHD_Response *response = text_response(text, strlen(text));
    if (!response)
        return MHD_NO;
    if (status == MHD_HTTP_METHOD_NOT_ALLOWED)
        MHD_add_response_header(response, "Allow", "GET, HEAD");
    enum MHD_Result result = MHD_queue_response(connection, status, response);
    MHD_destroy_response(response);
    return result;
}

static void resume(struct asker *asker)
{
    asker->suspended = false;
    MHD_resume_connection(asker->connection);
    httpd_run_soon(asker->metrics->httpd);
}

void metrics_answer(struct metrics *metrics, enum metrics_page page, unsigned status, const char *text, size_t len)
{
    struct asker **p = &metrics->askers;
    metrics->pending[page] = false;
    while (*p) {
        struct asker *asker = *p;
        if (asker->page != page) {
            p = &asker->next;
            continue;
        }
        *p = asker->next;
        asker->response = text_response(text, len);
        asker->status = status;
        resume(asker);
    }
}

/* ---- requests ---- */

static void wait_for_page(struct asker *asker)
{
    struct metrics *metrics = asker->metrics;
    asker->next = metrics->askers;
    metrics->askers = asker;
    asker->suspended = true;
    MHD_suspend_connection(asker->connection);
    if (metrics->pending[asker->page])
        return;
    metrics->pending[asker->page] = true;
    metrics->asked(metrics->arg, asker->page);
}

static enum MHD_Result begin(struct metrics *metrics, struct MHD_Connection *connection, const char *url, const char *method,
                             void **context)
{
    static const char *const pages[] = {[METRICS_PAGE] = "/metrics", [METRICS_HEALTH] = "/healthz"};
    if (strcmp(method, "GET") != 0 && strcmp(method, "HEAD") != 0)
        return refuse(connection, MHD_HTTP_METHOD_NOT_ALLOWED, "pages are only read here\n");
    if (MHD_lookup_connection_value(connection, MHD_HEADER_KIND, "Content-Length") ||
        MHD_lookup_connection_value(connection, MHD_HEADER_KIND, "Transfer-Encoding"))
        return refuse(connection, MHD_HTTP_BAD_REQUEST, "a request for a page has no body\n");
    for (int page = 0; page < METRICS_PAGES; page++) {
        if (strcmp(url, pages[page]) != 0)
            continue;
        struct asker *asker = calloc(1, sizeof *asker);
        if (!asker)
            return MHD_NO;
        *asker = (struct asker){.metrics = metrics, .connection = connection, .page = (enum metrics_page)page};
        *context = asker;
        return MHD_YES;
    }
    return refuse(connection, MHD_HTTP_NOT_FOUND, "there are /metrics and /healthz\n");
}

/* Called for the head, then for the end of the request, and again when it was resumed. */
static enum MHD_Result handle(void *arg, struct MHD_Connection *connection, const char *url, const char *method,
                              const char *version, const char *upload_data, size_t *upload_size, void **context)
{
    struct asker *asker = *context;
    (void)version;
    (void)upload_data;
    (void)upload_size;
    if (!asker)
        return begin(arg, connection, url, method, context);
    if (asker->response)
        return MHD_queue_response(connection, asker->status, asker->response);
    if (asker->status)
        return MHD_NO; /* out of memory */
    if (!asker->suspended)
        wait_for_page(asker);
    return MHD_YES;
}

static void completed(void *arg, struct MHD_Connection *connection, void **context, enum MHD_RequestTerminationCode code)
{
    struct asker *asker = *context;
    (void)arg;
    (void)connection;
    (void)code;
    *context = NULL;
    if (!asker)
        return;
    if (asker->response)
        MHD_destroy_response(asker->response);
    free(asker);
}

/* ---- where ---- */

/* Parts "HOST:PORT"; false when it is none. A name of an address is only "localhost". */
static bool read_place(const char *address, char host[64], int *port)
{
    char digits[8], rest;
    int n = sscanf(address, "[%63[^]]]:%7[0-9]%c", host, digits, &rest);
    if (n != 2)
        n = sscanf(address, "%63[^]:[]:%7[0-9]%c", host, digits, &rest);
    if (n != 2 || (*port = atoi(digits)) > 65535)
        return false;
    if (strcmp(host, "localhost") == 0)
        strcpy(host, "127.0.0.1");
    return true;
}

static int listen_on_port(struct metrics *metrics, const struct metrics_options *options, struct err *err)
{
    char host[64];
    int port;
    if (!read_place(options->address, host, &port)) {
        err_set(err, ERR_CONFIG, "\"%s\" is no place for metrics: say 127.0.0.1:PORT, [::1]:PORT or unix:PATH", options->address);
        return -1;
    }
    if (!options->anywhere && listening_is_address(host) && !listening_is_loopback(host)) {
        err_set(err, ERR_CONFIG,
                "metrics at %s would be open to the network, without a password: they tell what is scheduled and what becomes of it. "
                "Say 127.0.0.1:PORT, [::1]:PORT or unix:PATH, and let a proxy that asks who is there stand before it",
                options->address);
        return -1;
    }
    int fd = listening_on_port(host, port, &port, err);
    snprintf(metrics->place, sizeof metrics->place, strchr(host, ':') ? "http://[%s]:%d/metrics" : "http://%s:%d/metrics", host, port);
    return fd;
}

static int listen_at_path(struct metrics *metrics, const char *path, struct err *err)
{
    struct stat info;
    int fd = listening_at_path(path, SOCKET_MODE, err);
    if (fd < 0 || stat(path, &info) != 0)
        return fd;
    metrics->device = info.st_dev;
    metrics->inode = info.st_ino;
    snprintf(metrics->path, sizeof metrics->path, "%s", path);
    snprintf(metrics->place, sizeof metrics->place, "unix:%s", path);
    return fd;
}

/* Unless another has put its own there. */
static void remove_path(const struct metrics *metrics)
{
    struct stat info;
    if (metrics->path[0] && stat(metrics->path, &info) == 0 && info.st_dev == metrics->device && info.st_ino == metrics->inode)
        unlink(metrics->path);
}

/* ---- start and end ---- */

static bool start(struct metrics *metrics, struct loop *loop, const struct metrics_options *options, struct err *err)
{
    struct httpd_options daemon = {.most = MOST_CONNECTIONS,
                                   .patience = options->patience > 0 ? options->patience : PATIENCE_SECONDS,
                                   .connection_memory = CONNECTION_MEMORY,
                                   .handle = handle,
                                   .completed = completed,
                                   .arg = metrics};
    daemon.idle_seconds = (unsigned)daemon.patience + 1;
    bool is_path = strncmp(options->address, "unix:", 5) == 0;
    daemon.socket = is_path ? listen_at_path(metrics, options->address + 5, err) : listen_on_port(metrics, options, err);
    if (daemon.socket >= 0)
        metrics->httpd = httpd_new(loop, &daemon, err);
    return metrics->httpd != NULL;
}

struct metrics *metrics_new(struct loop *loop, const struct metrics_options *options, struct err *err)
{
    struct metrics *metrics = calloc(1, sizeof *metrics);
    if (!metrics) {
        err_set(err, ERR_MEMORY, "out of memory");
        return NULL;
    }
    metrics->asked = options->asked;
    metrics->arg = options->arg;
    if (start(metrics, loop, options, err))
        return metrics;
    metrics_free(metrics);
    return NULL;
}

const char *metrics_place(const struct metrics *metrics)
{
    return metrics->place;
}

static void ignore(void *arg, enum metrics_page page)
{
    (void)arg;
    (void)page;
}

void metrics_free(struct metrics *metrics)
{
    static const char text[] = "it ends\n";
    if (!metrics)
        return;
    remove_path(metrics);
    metrics->asked = ignore;
    httpd_stop(metrics->httpd);
    for (int i = 0; metrics->httpd && i < LAST_RUNS; i++) {
        for (int page = 0; page < METRICS_PAGES; page++)
            metrics_answer(metrics, (enum metrics_page)page, MHD_HTTP_SERVICE_UNAVAILABLE, text, sizeof text - 1);
        httpd_run(metrics->httpd);
    }
    for (int page = 0; page < METRICS_PAGES; page++)
        metrics_answer(metrics, (enum metrics_page)page, MHD_HTTP_SERVICE_UNAVAILABLE, text, sizeof text - 1);
    httpd_free(metrics->httpd);
    free(metrics);
}
