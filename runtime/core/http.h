/* http: HTTP requests that do not block, over curl's multi interface on the loop.
 *
 * No redirects are followed unless asked for; TLS 1.2 or newer, peer and host verified, no switch that
 * turns it off; AWS_CA_BUNDLE, HTTPS_PROXY and NO_PROXY are honoured; loopback never goes through a proxy.
 */
#ifndef UPJOB_CORE_HTTP_H
#define UPJOB_CORE_HTTP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/buf.h"
#include "core/err.h"
#include "core/loop.h"

#define HTTP_MAX_RESPONSE ((size_t)64 << 20)

struct http;

/* One per loop. Owned by the caller, freed before the loop; every call must have ended or been cancelled. */
struct http *http_new(struct loop *loop, struct err *e) MUST_CHECK;
void http_free(struct http *http);

struct http_header {
    char *name;
    char *value;
};

/* Borrowed for the time of http_start. */
struct http_request {
    const char *method;
    const char *url;
    const struct http_header *headers;
    size_t header_count;
    const void *body; /* copied */
    size_t body_len;
    bool has_body;            /* send Content-Length even when body_len is 0 */
    long connect_timeout_ms;  /* 0: 10 s */
    long timeout_ms;          /* of the whole call; 0: none */
    long read_timeout_ms;     /* no byte either way for that long; 0: 60 s */
    size_t max_response;      /* 0: HTTP_MAX_RESPONSE */
    bool follow_redirects;
    bool secret; /* the body or the reply holds one: the connection, which has buffers of its own, is closed with it */
    bool direct; /* through no proxy, whatever the environment says: for addresses of this machine or this link */
    const char *const *secrets; /* texts that the trace must not show: parts of the URL, values of headers */
    size_t secret_count;
    bool once; /* not to be sent twice: over a new connection, as curl sends again when one that it reused turns out dead */
};

struct http_response {
    int status;
    struct http_header *headers; /* in order of arrival; names as sent */
    size_t header_count;
    struct buf body;
    double seconds;
    double started, ended; /* wall clock, epoch seconds, around the round trip */
    bool sent;             /* as http_call_sent says */
};

/* The value of the first header of that name, any case; NULL when there is none. */
const char *http_response_header(const struct http_response *response, const char *name);

/* The time that a Date header's value names, in epoch seconds; -1 when it is none. */
double http_date(const char *text);

struct http_call;
/* Starts a request; `done` is called in a turn of the loop, once, with the response (status 0 and *e filled when
 * none came: ERR_CONNECTION, ERR_TIMEOUT). The call owns the response and is freed after `done` returns. */
struct http_call *http_start(struct http *http, const struct http_request *request,
                             void (*done)(void *arg, struct http_response *response, const struct err *e),
                             void *arg, struct err *e) MUST_CHECK;
/* True when the connection stood and bytes of the request went out: the server may have seen it. */
bool http_call_sent(const struct http_call *call);
/* Ends it at once and closes its connection if bytes are under way; `done` is not called. */
void http_cancel(struct http_call *call);

/* Parts of a URL with the scheme http or https, each to be freed by http_url_free. `host` is without the brackets of an IPv6
 * address; `authority` has them, and the port when it is not the scheme's own. */
struct http_url {
    char *scheme, *host, *authority, *path, *query; /* path "" → "/"; query "" when there is none */
};
bool http_url_parse(const char *url, struct http_url *out, struct err *e) MUST_CHECK;
void http_url_free(struct http_url *url);

#endif
