/* http_transfer: for units that set up a curl handle of their own (upload): runs it on the loop. Private to core. */
#ifndef UPJOB_CORE_HTTP_TRANSFER_H
#define UPJOB_CORE_HTTP_TRANSFER_H

#include "core/http.h"
#include "core/redact_values.h"

struct http_transfer {
    void *easy; /* CURL handle, the caller's */
    void (*done)(void *arg, int curl_code);
    void (*progress)(void *arg, uint64_t up); /* bytes sent so far, whenever curl has been at work; may be NULL */
    void *arg;
    const struct redact_values *secrets; /* kept out of the trace, beside what redact_line knows; may be NULL */
    long stall_ms; /* without a byte moving either way for that long it ends as timed out */
    /* Kept by the unit. */
    struct http *http;
    struct loop_timer *stall;
    uint64_t started_at, moved_at; /* loop_now() */
    int64_t up, down;
};

/* A CURL handle without options, NULL when memory is out; it is given back when its transfer was removed or has ended, and
 * not used again after it held a secret. */
void *http_transfer_handle(struct http *http) MUST_CHECK;
void http_transfer_give_back(struct http *http, void *easy, bool held_secret);
/* The options that every transfer of this program shares: TLS, proxy, signals, trace. False when curl refuses one. */
bool http_transfer_prepare(void *easy, const char *url, long connect_timeout_ms, struct err *e) MUST_CHECK;
/* `transfer` must stay until done was called, in a turn of the loop, or it was removed. */
bool http_transfer_add(struct http *http, struct http_transfer *transfer, struct err *e) MUST_CHECK;
void http_transfer_remove(struct http *http, struct http_transfer *transfer);
/* What a curl code means: code, sentence naming the host, retryable. */
void http_transfer_error(void *easy, int curl_code, const char *url, struct err *e);

#endif
