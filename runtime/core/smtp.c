#include "core/smtp.h"

#include <curl/curl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

#include "core/endpoint.h"
#include "core/http_transfer.h"
#include "core/log.h"
#include "core/printable.h"
#include "core/redact_values.h"
#include "core/secret.h"

#define TIMEOUT_MS 60000L
#define REPLY 256 /* bytes of the server's refusal that are told */

/* libcurl waits for a mail server's last words without giving control back, so each mail has a thread. */
struct smtp_call {
    CURL *easy;
    CURLM *multi;
    pthread_t thread;
    uv_async_t *async; /* tells the loop that the thread has ended; freed by its own close callback */
    atomic_bool abandoned;
    pthread_mutex_t lock;
    int socket; /* under the lock: that of the connection, or -1 */
    int code;   /* a CURLcode, once the thread has ended */
    struct curl_slist *to;
    char *authority; /* as an http URL, for what is told of the connection */
    char *message;
    size_t len, at;
    char reply[REPLY]; /* the server's last refusal */
    struct redact_values secrets;
    void (*done)(void *arg, const struct err *e);
    void *arg;
};

/* ---- the server ---- */

struct server {
    char *host;
    char url[384]; /* http://host:port/ */
    bool tls;      /* from the first byte */
};

static bool read_server(const char *text, struct server *server, struct err *err)
{
    bool tls = strncasecmp(text, "smtps://", 8) == 0;
    struct http_url parts;
    struct err ignored;
    err_clear(&ignored);
    server->host = NULL;
    server->tls = tls;
    if (tls || strncasecmp(text, "smtp://", 7) == 0) {
        const char *rest = text + (tls ? 8 : 7);
        size_t len = strcspn(rest, "/");
        snprintf(server->url, sizeof server->url, "http://%s", rest);
        if (len > 0 && len < 256 && (!rest[len] || !rest[len + 1]) && !strpbrk(rest, "@?# \r\n") &&
            http_url_parse(server->url, &parts, &ignored)) {
            server->host = parts.host;
            parts.host = NULL;
            http_url_free(&parts);
            return true;
        }
    }
    return err_set(err, ERR_USAGE, "a mail server is smtps://HOST, smtps://HOST:PORT or smtp://HOST:PORT, without a user in it");
}

bool smtp_check(const struct smtp_request *request, struct err *err)
{
    struct server server;
    if (!read_server(request->server, &server, err))
        return false;
    bool readable = !server.tls && !request->starttls && !endpoint_is_loopback(server.host);
    free(server.host);
    if (request->password && readable)
        return err_set(err, ERR_USAGE, "a password is sent to another machine over TLS only: use smtps://, or leave starttls on");
    return true;
}

/* ---- the trace, and what the server says ---- */

/* Commands are shown, and what is said after AUTH is not: names and passwords in base64. */
static void trace_sent(const char *data, size_t size)
{
    static const char *const shown[] = {"EHLO ", "HELO ", "MAIL ", "RCPT ", "DATA", "STARTTLS", "QUIT", "RSET", "NOOP"};
    size_t len = 0;
    while (len < size && data[len] != '\r' && data[len] != '\n')
        len++;
    for (size_t i = 0; i < sizeof shown / sizeof *shown; i++)
        if (size >= strlen(shown[i]) && strncmp(data, shown[i], strlen(shown[i])) == 0) {
            log_wire('>', "%.*s", (int)len, data);
            return;
        }
    log_wire('>', "%s" SECRET_SHOWN, size >= 5 && strncmp(data, "AUTH ", 5) == 0 ? "AUTH " : "");
}

static int trace(CURL *easy, curl_infotype type, char *data, size_t size, void *arg)
{
    (void)easy;
    (void)arg;
    if (type == CURLINFO_HEADER_OUT)
        trace_sent(data, size);
    else if (type == CURLINFO_HEADER_IN || type == CURLINFO_TEXT)
        log_wire(type == CURLINFO_TEXT ? '*' : '<', "%.*s", (int)(size > 0 && data[size - 1] == '\n' ? size - 1 : size), data);
    return 0;
}

/* Keeps the last line that refuses something. */
static size_t take_line(char *data, size_t unit, size_t count, void *arg)
{
    struct smtp_call *call = arg;
    size_t len = unit * count;
    if (len > 3 && (data[0] == '4' || data[0] == '5')) {
        size_t at = 0, used = 0;
        char character[PRINTABLE_SIZE];
        while (at < len && data[at] != '\r' && data[at] != '\n') {
            at += printable_character(data + at, len - at, character);
            size_t size = strlen(character);
            if (used + size >= sizeof call->reply)
                break;
            memcpy(call->reply + used, character, size);
            used += size;
        }
        call->reply[used] = '\0';
        redact_values_hide(&call->secrets, call->reply);
    }
    return len;
}

static size_t give_message(char *room, size_t unit, size_t count, void *arg)
{
    struct smtp_call *call = arg;
    size_t len = unit * count, left = call->len - call->at;
    if (len > left)
        len = left;
    memcpy(room, call->message + call->at, len);
    call->at += len;
    return len;
}

/* ---- the thread ---- */

static curl_socket_t open_socket(void *arg, curlsocktype purpose, struct curl_sockaddr *address)
{
    struct smtp_call *call = arg;
    (void)purpose;
    int fd = socket(address->family, address->socktype | SOCK_CLOEXEC, address->protocol);
    pthread_mutex_lock(&call->lock);
    call->socket = fd;
    pthread_mutex_unlock(&call->lock);
    return fd < 0 ? CURL_SOCKET_BAD : fd;
}

static int close_socket(void *arg, curl_socket_t fd)
{
    struct smtp_call *call = arg;
    pthread_mutex_lock(&call->lock);
    if (call->socket == fd)
        call->socket = -1;
    int status = close(fd);
    pthread_mutex_unlock(&call->lock);
    return status;
}

/* What was given up ends as failed: otherwise curl would end the message where it stands. */
static int go_on(void *arg, curl_off_t down_total, curl_off_t down, curl_off_t up_total, curl_off_t up)
{
    const struct smtp_call *call = arg;
    (void)down_total;
    (void)down;
    (void)up_total;
    (void)up;
    return atomic_load(&call->abandoned);
}

static void *send_mail(void *arg)
{
    struct smtp_call *call = arg;
    int running = 1, left;
    CURLMsg *message;
    call->code = CURLE_FAILED_INIT;
    if (curl_multi_add_handle(call->multi, call->easy) == CURLM_OK) {
        while (curl_multi_perform(call->multi, &running) == CURLM_OK && running)
            curl_multi_poll(call->multi, NULL, 0, 1000, NULL);
        while ((message = curl_multi_info_read(call->multi, &left)))
            if (message->msg == CURLMSG_DONE)
                call->code = (int)message->data.result;
        curl_multi_remove_handle(call->multi, call->easy);
    }
    secret_cleanse_stack();
    uv_async_send(call->async);
    return NULL;
}

/* ---- a call ---- */

static void async_closed(uv_handle_t *handle)
{
    free(handle);
}

/* Its thread has ended, or never began. */
static void call_free(struct smtp_call *call)
{
    if (call->async)
        uv_close((uv_handle_t *)call->async, async_closed);
    curl_easy_cleanup(call->easy);
    curl_multi_cleanup(call->multi);
    pthread_mutex_destroy(&call->lock);
    curl_slist_free_all(call->to);
    redact_values_free(&call->secrets);
    free(call->authority);
    free(call->message);
    free(call);
}

static void refused(struct smtp_call *call, long status, struct err *e)
{
    struct http_url parts;
    struct err ignored;
    err_clear(&ignored);
    bool parsed = http_url_parse(call->authority, &parts, &ignored);
    const char *host = parsed ? parts.authority : "the mail server";
    e->status = (int)status;
    e->retryable = status >= 400 && status < 500;
    err_set(e, "MailRefused", "%s did not take the mail: %s", host, call->reply[0] ? call->reply : "it has not said why");
    if (parsed)
        http_url_free(&parts);
}

static void sent(uv_async_t *async)
{
    struct smtp_call *call = async->data;
    struct err e;
    long status = 0;
    CURLcode code = (CURLcode)call->code;
    err_clear(&e);
    pthread_join(call->thread, NULL);
    curl_easy_getinfo(call->easy, CURLINFO_RESPONSE_CODE, &status);
    if (code == CURLE_USE_SSL_FAILED) {
        err_set(&e, ERR_CONNECTION, "the mail server does not offer STARTTLS, and nothing is sent without: use smtps://, or a "
                                    "server that does");
    } else if (code == CURLE_LOGIN_DENIED && status < 400) {
        err_set(&e, "MailRefused", "the mail server takes no user name and password in a way that is known here");
    } else if (code != CURLE_OK && code != CURLE_OPERATION_TIMEDOUT && status >= 400 && call->reply[0]) {
        refused(call, status, &e);
    } else if (code != CURLE_OK) {
        http_transfer_error(call->easy, (int)code, call->authority, &e);
    }
    call->done(call->arg, &e);
    call_free(call);
}

static bool copy_request(struct smtp_call *call, const struct smtp_request *request, struct err *err)
{
    struct server server;
    if (!read_server(request->server, &server, err))
        return false;
    free(server.host);
    bool ok = (call->authority = strdup(server.url)) != NULL && (call->message = malloc(request->message_len + 1)) != NULL;
    if (ok)
        memcpy(call->message, request->message, request->message_len);
    call->len = request->message_len;
    for (size_t i = 0; ok && i < request->to_count; i++) {
        struct curl_slist *grown = curl_slist_append(call->to, request->to[i]);
        ok = grown != NULL;
        call->to = ok ? grown : call->to;
    }
    if (ok && request->password)
        ok = redact_values_add(&call->secrets, request->password, strlen(request->password));
    return ok || err_set(err, ERR_MEMORY, "out of memory");
}

static bool set_options(struct smtp_call *call, const struct smtp_request *request, struct err *err)
{
    CURL *easy = call->easy;
    if (!http_transfer_prepare(easy, request->server, 0, err))
        return false;
    CURLcode code = curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "smtp,smtps");
    if (code == CURLE_OK)
        code = curl_easy_setopt(easy, CURLOPT_USE_SSL, (long)(request->starttls ? CURLUSESSL_ALL : CURLUSESSL_NONE));
    if (code == CURLE_OK && request->username)
        code = curl_easy_setopt(easy, CURLOPT_USERNAME, request->username);
    if (code == CURLE_OK && request->password)
        code = curl_easy_setopt(easy, CURLOPT_PASSWORD, request->password);
    if (code == CURLE_OK)
        code = curl_easy_setopt(easy, CURLOPT_MAIL_FROM, request->from);
    curl_easy_setopt(easy, CURLOPT_MAIL_RCPT, call->to);
    curl_easy_setopt(easy, CURLOPT_UPLOAD, 1L);
    curl_easy_setopt(easy, CURLOPT_INFILESIZE_LARGE, (curl_off_t)call->len);
    curl_easy_setopt(easy, CURLOPT_READFUNCTION, give_message);
    curl_easy_setopt(easy, CURLOPT_READDATA, call);
    curl_easy_setopt(easy, CURLOPT_HEADERFUNCTION, take_line);
    curl_easy_setopt(easy, CURLOPT_HEADERDATA, call);
    curl_easy_setopt(easy, CURLOPT_NOPROGRESS, 0L);
    curl_easy_setopt(easy, CURLOPT_XFERINFOFUNCTION, go_on);
    curl_easy_setopt(easy, CURLOPT_XFERINFODATA, call);
    curl_easy_setopt(easy, CURLOPT_OPENSOCKETFUNCTION, open_socket);
    curl_easy_setopt(easy, CURLOPT_OPENSOCKETDATA, call);
    curl_easy_setopt(easy, CURLOPT_CLOSESOCKETFUNCTION, close_socket);
    curl_easy_setopt(easy, CURLOPT_CLOSESOCKETDATA, call);
    curl_easy_setopt(easy, CURLOPT_TIMEOUT_MS, request->timeout_ms ? request->timeout_ms : TIMEOUT_MS);
    curl_easy_setopt(easy, CURLOPT_QUICK_EXIT, 1L); /* a name that is still looked up is not waited for */
    curl_easy_setopt(easy, CURLOPT_FORBID_REUSE, 1L);
    curl_easy_setopt(easy, CURLOPT_DEBUGFUNCTION, trace);
    return code == CURLE_OK || err_set(err, ERR_CONNECTION, "the mail cannot be sent: %s", curl_easy_strerror(code));
}

static bool start_thread(struct smtp_call *call, struct loop *loop, struct err *err)
{
    uv_async_t *async = malloc(sizeof *async);
    if (!async || uv_async_init(loop_uv(loop), async, sent) != 0) {
        free(async);
        return err_set(err, ERR_MEMORY, "out of memory");
    }
    async->data = call;
    call->async = async;
    int status = pthread_create(&call->thread, NULL, send_mail, call);
    return status == 0 || err_errno(err, ERR_SYSTEM, status, "cannot start a thread for a mail");
}

struct smtp_call *smtp_start(struct loop *loop, const struct smtp_request *request, void (*done)(void *arg, const struct err *e),
                             void *arg, struct err *err)
{
    if (!smtp_check(request, err))
        return NULL;
    struct smtp_call *call = calloc(1, sizeof *call);
    if (!call) {
        err_set(err, ERR_MEMORY, "out of memory");
        return NULL;
    }
    call->done = done;
    call->arg = arg;
    call->socket = -1;
    pthread_mutex_init(&call->lock, NULL);
    redact_values_init(&call->secrets);
    call->easy = curl_easy_init();
    call->multi = curl_multi_init();
    if (call->easy && call->multi && copy_request(call, request, err) && set_options(call, request, err) &&
        start_thread(call, loop, err))
        return call;
    if (!err->code[0])
        err_set(err, ERR_MEMORY, "out of memory");
    call_free(call);
    return NULL;
}

void smtp_cancel(struct smtp_call *call)
{
    atomic_store(&call->abandoned, true);
    pthread_mutex_lock(&call->lock);
    if (call->socket >= 0)
        shutdown(call->socket, SHUT_RDWR);
    pthread_mutex_unlock(&call->lock);
    curl_multi_wakeup(call->multi);
    pthread_join(call->thread, NULL);
    call_free(call);
}
