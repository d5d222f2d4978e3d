/* uploading: a file, and its upload to the test's server. */
#ifndef UPJOB_TESTS_UPLOADING_H
#define UPJOB_TESTS_UPLOADING_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/upload.h"
#include "tests/c/server.h"

#define KEY "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=" /* bytes 0 to 31 */
#define KEY_MD5 "tP/LI3N87DFaSk0aoqYgzg=="

/* ---- an upload ---- */

struct outcome {
    bool done;
    struct upload_result result;
    struct err err;
    uint64_t last_done, last_total;
    int reports;
};

static void upload_done(void *arg, const struct upload_result *result, const struct err *e)
{
    struct outcome *outcome = arg;
    outcome->done = true;
    outcome->result = *result;
    outcome->err = *e;
}

static void upload_progress(void *arg, uint64_t done, uint64_t total)
{
    struct outcome *outcome = arg;
    outcome->last_done = done;
    outcome->last_total = total;
    outcome->reports++;
}

struct fixture {
    struct loop *loop;
    struct http *http;
    struct secret *key;
    char path[64];
    struct server server;
    struct outcome outcome;
};

static void make_file(const char *path, size_t size)
{
    FILE *f = fopen(path, "wb");
    assert_non_null(f);
    for (size_t i = 0; i < size; i++)
        putc((int)('a' + i % 23), f);
    fclose(f);
}

static int set_up(void **state)
{
    struct fixture *f = calloc(1, sizeof *f);
    struct err e;
    err_clear(&e);
    f->loop = loop_new(&e);
    f->http = http_new(f->loop, &e);
    f->key = secret_new(KEY, strlen(KEY));
    strcpy(f->path, "/tmp/upjob-upload-XXXXXX");
    close(mkstemp(f->path));
    make_file(f->path, 1000);
    *state = f;
    return f->loop && f->http && f->key ? 0 : -1;
}

static int tear_down(void **state)
{
    struct fixture *f = *state;
    unlink(f->path);
    secret_free(f->key);
    http_free(f->http);
    loop_free(f->loop);
    free(f);
    return 0;
}

static struct upload *start(struct fixture *f, const char *url, struct upload_options *options, struct err *e)
{
    char local[256];
    err_clear(e);
    memset(&f->outcome, 0, sizeof f->outcome);
    snprintf(local, sizeof local, "http://127.0.0.1:%d/bucket/file?X-Amz-SignedHeaders=host&X-Amz-Signature=abc",
             f->server.port);
    options->url = url ? url : local;
    options->key = options->key ? options->key : f->key;
    options->path = options->path ? options->path : f->path;
    options->fd = -1;
    options->progress = upload_progress;
    return upload_start(f->http, f->loop, options, upload_done, &f->outcome, e);
}

/* Runs an upload to its end. */
static void run_at(struct fixture *f, const char *url, struct upload_options *options)
{
    struct err e;
    struct upload *upload = start(f, url, options, &e);
    assert_string_equal(e.message, "");
    assert_non_null(upload);
    while (!f->outcome.done)
        loop_turn(f->loop, true);
}

static inline void run(struct fixture *f, struct upload_options *options)
{
    run_at(f, NULL, options);
}

#define OK_REPLY                                                                                                      \
    "HTTP/1.1 200 OK\r\nETag: \"tag\"\r\nx-amz-request-id: REQ1\r\nx-amz-id-2: HOST1\r\nContent-Length: 0\r\n"          \
    "Connection: close\r\n\r\n"

static void assert_has(const char *text, const char *part)
{
    if (!strstr(text, part))
        fail_msg("no \"%s\" in:\n%s", part, text);
}

static void assert_lacks(const char *text, const char *part)
{
    if (strcasestr(text, part))
        fail_msg("\"%s\" stands in:\n%s", part, text);
}

#endif
