#include "core/http.h"

#include <curl/curl.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>

#include "core/http_transfer.h"
#include "core/secret.h"

/* ---- requests ---- */

struct http_call {
    struct http *http;
    struct http_transfer transfer;
    struct curl_slist *headers;
    struct http_response response;
    char *url;
    void *body;
    void (*done)(void *arg, struct http_response *response, const struct err *e);
    void *arg;
    bool overflow;
    bool secret; /* as http_request says */
    struct redact_values secrets;
};

static double wall_clock(void)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static void forget_headers(struct http_response *response)
{
    for (size_t i = 0; i < response->header_count; i++) {
        free(response->headers[i].name);
        free(response->headers[i].value);
    }
    free(response->headers);
    response->headers = NULL;
    response->header_count = 0;
}

static void call_free(struct http_call *call)
{
    http_transfer_give_back(call->http, call->transfer.easy, call->secret);
    curl_slist_free_all(call->headers);
    forget_headers(&call->response);
    buf_cleanse(&call->response.body);
    redact_values_free(&call->secrets);
    secret_release(call->url);
    secret_release(call->body);
    free(call);
}

static size_t take_body(char *data, size_t unit, size_t count, void *arg)
{
    struct http_call *call = arg;
    if (buf_add(&call->response.body, data, unit * count))
        return unit * count;
    call->overflow = true;
    return 0;
}

static size_t take_header(char *data, size_t unit, size_t count, void *arg)
{
    struct http_call *call = arg;
    struct http_response *response = &call->response;
    size_t size = unit * count, len = size;
    const char *colon = memchr(data, ':', len);
    if (len > 5 && strncmp(data, "HTTP/", 5) == 0) {
        forget_headers(response); /* those of a 100 or of a redirect */
        return size;
    }
    if (!colon)
        return size;
    while (len > 0 && strchr("\r\n \t", data[len - 1]))
        len--;
    const char *value = colon + 1;
    while (value < data + len && (*value == ' ' || *value == '\t'))
        value++;
    size_t value_len = value < data + len ? (size_t)(data + len - value) : 0;
    struct http_header *grown = realloc(response->headers, (response->header_count + 1) * sizeof *grown);
    if (!grown)
        return 0;
    response->headers = grown;
    struct http_header *header = &grown[response->header_count];
    header->name = strndup(data, (size_t)(colon - data));
    header->value = strndup(value, value_len);
    response->header_count++;
    return header->name && header->value ? size : 0;
}

bool http_call_sent(const struct http_call *call)
{
    long head = 0;
    curl_off_t body = 0;
    curl_easy_getinfo(call->transfer.easy, CURLINFO_REQUEST_SIZE, &head);
    curl_easy_getinfo(call->transfer.easy, CURLINFO_SIZE_UPLOAD_T, &body);
    return head > 0 || body > 0;
}

static void call_done(void *arg, int curl_code)
{
    struct http_call *call = arg;
    struct http_response *response = &call->response;
    struct err e;
    long status = 0;
    curl_off_t microseconds = 0;
    err_clear(&e);
    curl_easy_getinfo(call->transfer.easy, CURLINFO_RESPONSE_CODE, &status);
    curl_easy_getinfo(call->transfer.easy, CURLINFO_TOTAL_TIME_T, &microseconds);
    response->seconds = (double)microseconds / 1e6;
    response->ended = wall_clock();
    response->sent = http_call_sent(call);
    response->status = (int)status;
    if (call->overflow) {
        err_set(&e, ERR_RESPONSE, "the reply is larger than %zu bytes", response->body.max);
    } else if (curl_code != CURLE_OK) {
        http_transfer_error(call->transfer.easy, curl_code, call->url, &e);
        response->status = 0;
    }
    call->done(call->arg, response, &e);
    call_free(call);
}

static bool add_headers(struct http_call *call, const struct http_request *request)
{
    struct buf line;
    bool type_given = false;
    buf_init(&line, 1 << 20);
    for (size_t i = 0; i < request->header_count; i++) {
        const struct http_header *header = &request->headers[i];
        buf_reset(&line);
        /* "Name;" is how curl is asked to send a header without a value. */
        buf_addf(&line, *header->value ? "%s: %s" : "%s;", header->name, header->value);
        struct curl_slist *list = line.failed ? NULL : curl_slist_append(call->headers, line.data);
        if (!list)
            break;
        call->headers = list;
        type_given = type_given || strcasecmp(header->name, "content-type") == 0;
    }
    bool failed = line.failed;
    buf_cleanse(&line);
    /* curl would add these by itself, and a signed request must carry what was signed. */
    static const char *const removed[] = {"Accept:", "Expect:", "Content-Type:"};
    for (size_t i = 0; i < (type_given ? 2u : 3u); i++) {
        struct curl_slist *list = curl_slist_append(call->headers, removed[i]);
        if (!list)
            return false;
        call->headers = list;
    }
    return !failed;
}

static void set_request(struct http_call *call, const struct http_request *request)
{
    CURL *easy = call->transfer.easy;
    curl_easy_setopt(easy, CURLOPT_HTTPHEADER, call->headers);
    curl_easy_setopt(easy, CURLOPT_TIMEOUT_MS, request->timeout_ms);
    call->transfer.stall_ms = request->read_timeout_ms ? request->read_timeout_ms : 60000;
    curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, take_body);
    curl_easy_setopt(easy, CURLOPT_WRITEDATA, call);
    curl_easy_setopt(easy, CURLOPT_HEADERFUNCTION, take_header);
    curl_easy_setopt(easy, CURLOPT_HEADERDATA, call);
    curl_easy_setopt(easy, CURLOPT_FOLLOWLOCATION, request->follow_redirects ? 1L : 0L);
    curl_easy_setopt(easy, CURLOPT_MAXREDIRS, 10L);
    curl_easy_setopt(easy, CURLOPT_ACCEPT_ENCODING, NULL);
    curl_easy_setopt(easy, CURLOPT_FORBID_REUSE, request->secret ? 1L : 0L);
    curl_easy_setopt(easy, CURLOPT_FRESH_CONNECT, request->once ? 1L : 0L);
    if (request->direct)
        curl_easy_setopt(easy, CURLOPT_PROXY, "");
    if (request->has_body || request->body_len > 0) {
        curl_easy_setopt(easy, CURLOPT_POST, 1L);
        curl_easy_setopt(easy, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)request->body_len);
        curl_easy_setopt(easy, CURLOPT_POSTFIELDS, call->body);
    } else if (strcmp(request->method, "HEAD") == 0) {
        curl_easy_setopt(easy, CURLOPT_NOBODY, 1L);
    }
    curl_easy_setopt(easy, CURLOPT_CUSTOMREQUEST, request->method);
}

static bool keep_secrets(struct http_call *call, const struct http_request *request)
{
    for (size_t i = 0; i < request->secret_count; i++)
        if (!redact_values_add(&call->secrets, request->secrets[i], strlen(request->secrets[i])))
            return false;
    call->transfer.secrets = request->secret_count > 0 ? &call->secrets : NULL;
    return true;
}

struct http_call *http_start(struct http *http, const struct http_request *request,
                             void (*done)(void *arg, struct http_response *response, const struct err *e),
                             void *arg, struct err *e)
{
    struct http_call *call = calloc(1, sizeof *call);
    if (!call) {
        err_set(e, ERR_MEMORY, "out of memory");
        return NULL;
    }
    call->http = http;
    call->secret = request->secret;
    call->done = done;
    call->arg = arg;
    redact_values_init(&call->secrets);
    buf_init(&call->response.body, request->max_response ? request->max_response : HTTP_MAX_RESPONSE);
    call->transfer.easy = http_transfer_handle(http);
    call->transfer.done = call_done;
    call->transfer.arg = call;
    call->url = strdup(request->url);
    call->body = malloc(request->body_len + 1);
    if (!call->transfer.easy || !call->url || !call->body || !add_headers(call, request) ||
        !keep_secrets(call, request)) {
        err_set(e, ERR_MEMORY, "out of memory");
        goto failed;
    }
    if (request->body_len)
        memcpy(call->body, request->body, request->body_len);
    if (!http_transfer_prepare(call->transfer.easy, call->url, request->connect_timeout_ms, e))
        goto failed;
    set_request(call, request);
    call->response.started = wall_clock();
    if (!http_transfer_add(http, &call->transfer, e))
        goto failed;
    return call;
failed:
    call_free(call);
    return NULL;
}

void http_cancel(struct http_call *call)
{
    http_transfer_remove(call->http, &call->transfer);
    call_free(call);
}

double http_date(const char *text)
{
    return (double)curl_getdate(text, NULL);
}

const char *http_response_header(const struct http_response *response, const char *name)
{
    for (size_t i = 0; i < response->header_count; i++)
        if (strcasecmp(response->headers[i].name, name) == 0)
            return response->headers[i].value;
    return NULL;
}

/* ---- URLs ---- */

static char *url_part(CURLU *url, CURLUPart part, unsigned flags)
{
    char *text = NULL;
    if (curl_url_get(url, part, &text, flags) != CURLUE_OK)
        return strdup("");
    char *copy = strdup(text);
    curl_free(text);
    return copy;
}

static bool is_http(const char *url)
{
    return strncasecmp(url, "https://", 8) == 0 || strncasecmp(url, "http://", 7) == 0;
}

/* "[::1]" is "::1" to everyone but a URL. */
static void drop_brackets(char *host)
{
    size_t len = strlen(host);
    if (len > 2 && host[0] == '[' && host[len - 1] == ']') {
        memmove(host, host + 1, len - 2);
        host[len - 2] = '\0';
    }
}

bool http_url_parse(const char *text, struct http_url *out, struct err *e)
{
    memset(out, 0, sizeof *out);
    CURLU *url = curl_url();
    CURLUcode code = url ? curl_url_set(url, CURLUPART_URL, text, CURLU_PATH_AS_IS) : CURLUE_OUT_OF_MEMORY;
    if (code != CURLUE_OK || !is_http(text)) {
        /* It is not quoted: a URL may hold a password. */
        err_set(e, ERR_CONFIG, "the URL %s%s", is_http(text) ? "cannot be used: " : "must begin with https:// or http://",
                is_http(text) ? curl_url_strerror(code) : "");
        curl_url_cleanup(url);
        return false;
    }
    out->scheme = url_part(url, CURLUPART_SCHEME, 0);
    out->host = url_part(url, CURLUPART_HOST, 0);
    out->path = url_part(url, CURLUPART_PATH, 0);
    out->query = url_part(url, CURLUPART_QUERY, 0);
    char *port = url_part(url, CURLUPART_PORT, CURLU_NO_DEFAULT_PORT);
    curl_url_cleanup(url);
    if (out->host && port && (out->authority = malloc(strlen(out->host) + strlen(port) + 2))) {
        strcpy(out->authority, out->host);
        if (*port) {
            strcat(out->authority, ":");
            strcat(out->authority, port);
        }
    }
    free(port);
    if (out->host)
        drop_brackets(out->host);
    if (out->scheme && out->host && out->path && out->query && out->authority)
        return true;
    http_url_free(out);
    return err_set(e, ERR_MEMORY, "out of memory");
}

void http_url_free(struct http_url *url)
{
    free(url->scheme);
    free(url->host);
    free(url->authority);
    free(url->path);
    free(url->query);
    memset(url, 0, sizeof *url);
}
