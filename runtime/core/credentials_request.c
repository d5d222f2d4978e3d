#include "core/credentials_request.h"

#include <stdlib.h>
#include <string.h>

#include "core/credentials_answer.h"
#include "core/log.h"
#include "core/secret.h"

struct credentials_request {
    struct loop *loop;
    struct http *client;
    struct http_request request;          /* its strings are its own */
    struct http_call *http;               /* under way, or NULL */
    struct loop_timer *pause;             /* before the next attempt, or NULL */
    struct credentials_attempts attempts; /* that are left */
    void (*done)(void *arg, struct http_response *response, const struct err *err);
    void *arg;
};

static void request_free(struct credentials_request *self)
{
    struct http_header *headers = (struct http_header *)self->request.headers;
    for (size_t i = 0; headers && i < self->request.header_count; i++) {
        free(headers[i].name);
        secret_release(headers[i].value);
    }
    free(headers);
    free((char *)self->request.url);
    secret_release((void *)self->request.body);
    free(self);
}

void credentials_request_cancel(struct credentials_request *self)
{
    if (!self)
        return;
    if (self->http)
        http_cancel(self->http);
    loop_timer_stop(self->pause);
    request_free(self);
}

static bool copy_request(struct credentials_request *self, const struct http_request *request)
{
    struct http_header *headers = calloc(request->header_count + 1, sizeof *headers);
    void *body = malloc(request->body_len + 1);
    self->request = *request;
    self->request.secret = true;
    self->request.url = strdup(request->url);
    self->request.headers = headers;
    self->request.body = body;
    if (body && request->body_len > 0)
        memcpy(body, request->body, request->body_len);
    bool ok = self->request.url && headers && body;
    for (size_t i = 0; headers && i < request->header_count; i++) {
        headers[i].name = strdup(request->headers[i].name);
        headers[i].value = strdup(request->headers[i].value);
        ok = ok && headers[i].name && headers[i].value;
    }
    return ok;
}

static bool send_once(struct credentials_request *self, struct err *err);

static void send_again(void *arg)
{
    struct credentials_request *self = arg;
    struct http_response none = {0};
    struct err err;
    err_clear(&err);
    self->pause = NULL;
    if (send_once(self, &err))
        return;
    self->done(self->arg, &none, &err);
    request_free(self);
}

static bool is_for_now(const struct credentials_request *self, const struct http_response *response,
                       const struct err *err)
{
    if (response->status == 0)
        return err->retryable;
    return response->status == 429 || response->status >= 500 ||
           (self->attempts.again && self->attempts.again(response));
}

static void answered(void *arg, struct http_response *response, const struct err *err)
{
    struct credentials_request *self = arg;
    self->http = NULL;
    if (self->attempts.most > 0 && is_for_now(self, response, err)) {
        log_wire('*', "credentials: trying again in %ld ms", self->attempts.pause_ms);
        self->pause = loop_timer_start(self->loop, (uint64_t)self->attempts.pause_ms, send_again, self);
        if (self->pause)
            return;
    }
    self->done(self->arg, response, err);
    request_free(self);
}

static bool send_once(struct credentials_request *self, struct err *err)
{
    self->attempts.most--;
    self->http = http_start(self->client, &self->request, answered, self, err);
    return self->http != NULL;
}

struct credentials_request *
credentials_request_start(const struct credentials_options *options, const struct http_request *request,
                          const struct credentials_attempts *attempts,
                          void (*done)(void *arg, struct http_response *response, const struct err *err),
                          void *arg, struct err *err)
{
    struct credentials_request *self = calloc(1, sizeof *self);
    if (!self || !copy_request(self, request)) {
        if (self)
            request_free(self);
        err_set(err, ERR_MEMORY, "out of memory");
        return NULL;
    }
    self->loop = options->loop;
    self->client = options->http;
    self->attempts = *attempts;
    self->done = done;
    self->arg = arg;
    if (send_once(self, err))
        return self;
    request_free(self);
    return NULL;
}

/* What the server said: the message in JSON, else the first line, unless that is HTML. */
static void what_it_said(const struct http_response *response, char *out, size_t size)
{
    const char *text = response->body.len > 0 ? response->body.data : "", *message = NULL;
    struct err ignored;
    err_clear(&ignored);
    cJSON *answer = credentials_answer_parse(text, response->body.len, "", &ignored);
    static const char *const names[] = {"message",      "Message", "error_description",
                                        "errorMessage", "error",   "code"};
    for (size_t i = 0; answer && !message && i < sizeof names / sizeof *names; i++)
        message = credentials_answer_text(answer, names[i]);
    if (!answer && !strchr("<{[", text[strspn(text, " \t\r\n")]))
        message = text;
    credentials_quote(message ? message : "", message ? strlen(message) : 0, out, size);
    credentials_answer_free(answer);
}

bool credentials_answered(const struct http_response *response, const struct err *failure, const char *from,
                          struct err *err)
{
    char said[200];
    if (!failure->code[0] && response->status == 200)
        return true;
    err->retryable = failure->retryable || response->status == 429 || response->status >= 500;
    if (failure->code[0])
        return err_set(err, ERR_CREDENTIALS, "%.300s: %.400s", from, failure->message);
    what_it_said(response, said, sizeof said);
    return err_set(err, ERR_CREDENTIALS, "%.300s answered with status %d%s%s", from, response->status,
                   *said ? ": " : "", said);
}
