#include "core/s3.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>

#include "core/api_skew.h"
#include "core/log.h"
#include "core/s3_file.h"
#include "core/s3_get.h"

#define PROGRESS_MS 100
/* With so much of it a range has gone on, and its next failure is a first one. */
#define GONE_ON ((uint64_t)64 << 10)
#define CHANGED "the object has changed while it was read: start again"

/* A range on its way, or a place for one. */
struct slot {
    struct s3_fetch *fetch;
    struct s3_get get;
    bool busy;
    uint64_t at, end; /* the next byte, and one behind the last */
    uint64_t began;   /* where this attempt did */
    struct retry_state retries;
    struct loop_timer *pause; /* before the next attempt, or NULL */
};

struct s3_fetch {
    struct loop *loop;
    struct s3_access access;
    struct s3_object object;
    struct s3_place place;
    char *url, *directory;
    bool look;
    uint64_t range_bytes;
    struct slot slots[S3_RANGES];
    int slot_count;
    bool known; /* size and ETag are */
    bool moved, skew_corrected;
    char etag[S3_ETAG];
    uint64_t total, next, arrived; /* next: the first byte that no range has yet */
    struct s3_file file;
    struct loop_timer *kick; /* the other ranges are begun, outside of curl's callbacks */
    struct err failure;      /* noted in a callback of curl's */
    uint64_t reported_at;
    void (*progress)(void *arg, uint64_t done, uint64_t total);
    struct s3_result result;
    void (*done)(void *arg, const struct s3_result *result, const struct err *e);
    void *arg;
};

/* ---- its end ---- */

static void end_work(struct s3_fetch *fetch)
{
    for (int i = 0; i < fetch->slot_count; i++) {
        loop_timer_stop(fetch->slots[i].pause);
        fetch->slots[i].pause = NULL;
        s3_get_end(&fetch->slots[i].get);
    }
    loop_timer_stop(fetch->kick);
    fetch->kick = NULL;
    fetch->slot_count = 0;
}

static void fetch_free(struct s3_fetch *fetch)
{
    end_work(fetch);
    s3_access_free(&fetch->access);
    s3_file_close(&fetch->file);
    free(fetch->directory);
    free(fetch->url);
    free(fetch);
}

void s3_cancel(struct s3_fetch *fetch)
{
    fetch_free(fetch);
}

static void finish(struct s3_fetch *fetch, struct err *e)
{
    if (e->code[0]) {
        err_at(e, fetch->url, 0, 0, NULL);
    } else {
        fetch->result.fd = fetch->file.fd;
        fetch->file.fd = -1;
        fetch->result.bytes = fetch->total;
        snprintf(fetch->result.look, sizeof fetch->result.look, "s3 %s %" PRIu64, fetch->etag, fetch->total);
    }
    snprintf(fetch->result.region, sizeof fetch->result.region, "%s", fetch->access.region);
    end_work(fetch); /* of which `done` may free the keys */
    fetch->done(fetch->arg, &fetch->result, e);
    fetch_free(fetch);
}

static void report(struct s3_fetch *fetch)
{
    uint64_t now = loop_now();
    if (!fetch->progress || (now - fetch->reported_at < PROGRESS_MS && fetch->arrived < fetch->total))
        return;
    fetch->reported_at = now;
    fetch->progress(fetch->arg, fetch->arrived, fetch->total);
}

/* ---- asking ---- */

static bool ask(struct slot *slot, struct err *e)
{
    struct s3_fetch *fetch = slot->fetch;
    slot->began = slot->at;
    fetch->result.requests++;
    return s3_get_start(&slot->get, slot->at, slot->end - 1, fetch->known ? fetch->etag : NULL, e);
}

/* A range for the slot, while there are bytes that have none. */
static bool begin_range(struct slot *slot, struct err *e)
{
    struct s3_fetch *fetch = slot->fetch;
    if (fetch->next >= fetch->total)
        return true;
    uint64_t left = fetch->total - fetch->next;
    slot->busy = true;
    slot->retries = (struct retry_state){0};
    slot->at = fetch->next;
    slot->end = fetch->next + (left < fetch->range_bytes ? left : fetch->range_bytes);
    fetch->next = slot->end;
    return ask(slot, e);
}

static void begin_others(void *arg)
{
    struct s3_fetch *fetch = arg;
    struct err e;
    fetch->kick = NULL;
    err_clear(&e);
    for (int i = 0; i < fetch->slot_count; i++)
        if (!fetch->slots[i].busy && !begin_range(&fetch->slots[i], &e)) {
            finish(fetch, &e);
            return;
        }
}

static void ask_again(void *arg)
{
    struct slot *slot = arg;
    struct err e;
    slot->pause = NULL;
    err_clear(&e);
    if (!ask(slot, &e))
        finish(slot->fetch, &e);
}

/* ---- what comes ---- */

/* Notes why the transfer is ended: false. */
static bool refuse(struct s3_fetch *fetch, const char *code, const char *why)
{
    if (!fetch->failure.code[0])
        err_set(&fetch->failure, code, "%s", why);
    return false;
}

/* The first answer: what the object is. */
static bool take_facts(struct s3_fetch *fetch, const struct s3_reply *reply, uint64_t total)
{
    if (!reply->etag[0] || strpbrk(reply->etag, " \t"))
        return refuse(fetch, ERR_RESPONSE, "the server answered without an ETag, and so not as S3 does: likely a proxy answered");
    memcpy(fetch->etag, reply->etag, sizeof fetch->etag);
    fetch->total = total;
    if (total > INT64_MAX / 2)
        return refuse(fetch, ERR_RESPONSE, "the server tells a size that no object has");
    if (!fetch->look && !s3_file_open(&fetch->file, fetch->directory, total, &fetch->failure))
        return false;
    fetch->known = true;
    return true;
}

static bool take_head(void *arg)
{
    struct slot *slot = arg;
    struct s3_fetch *fetch = slot->fetch;
    const struct s3_reply *reply = &slot->get.reply;
    bool whole = reply->status == 200; /* a server that knows no ranges, or an empty object */
    int64_t total = whole ? reply->length : reply->total;
    if (whole && slot->at > 0)
        return refuse(fetch, ERR_RESPONSE, "the connection broke off, and the server cannot go on from a byte of the object, as S3 can: "
                                           "it sends all of it (200, not 206)");
    if (total < 0 || (!whole && (uint64_t)reply->first != slot->at))
        return refuse(fetch, ERR_RESPONSE, "the server answered with other bytes than were asked for, and so not as S3 does");
    if (fetch->known)
        return ((uint64_t)total == fetch->total && strcmp(reply->etag, fetch->etag) == 0) || refuse(fetch, ERR_FILE, CHANGED);
    if (total == 0)
        return refuse(fetch, ERR_INVALID_FILE, "the object is empty: there is nothing to import");
    if (!take_facts(fetch, reply, (uint64_t)total))
        return false;
    if (whole || slot->end > fetch->total)
        slot->end = fetch->total;
    fetch->next = slot->end;
    if (fetch->look || fetch->next >= fetch->total)
        return true;
    fetch->kick = loop_timer_start(fetch->loop, 0, begin_others, fetch);
    return fetch->kick || refuse(fetch, ERR_MEMORY, "out of memory");
}

static bool take_bytes(void *arg, const char *bytes, size_t len)
{
    struct slot *slot = arg;
    struct s3_fetch *fetch = slot->fetch;
    if (fetch->look)
        return slot->get.reply.status == 206;
    if (len > slot->end - slot->at)
        return refuse(fetch, ERR_RESPONSE, "the server sent more bytes than were asked for, and so not as S3 does");
    if (!s3_file_write(&fetch->file, bytes, len, slot->at, &fetch->failure))
        return false;
    slot->at += len;
    fetch->arrived += len;
    report(fetch);
    return true;
}

/* ---- when a request has ended ---- */

static double random01(void)
{
    uint32_t bits = 0;
    if (getrandom(&bits, sizeof bits, 0) != (ssize_t)sizeof bits)
        bits = (uint32_t)clock();
    return bits / 4294967296.0;
}

/* Arranges another attempt, when it may help. */
static bool try_again(struct slot *slot, const struct err *e)
{
    struct s3_fetch *fetch = slot->fetch;
    double delay_ms = 0;
    if (slot->at - slot->began >= GONE_ON) {
        retry_success(&fetch->access.bucket, &slot->retries);
        slot->retries = (struct retry_state){0};
    }
    enum retry_class class = retry_classify(e->status, e->code);
    if (!e->retryable || !retry_allowed(&fetch->access.bucket, &slot->retries, class, fetch->access.max_attempts, random01(), -1,
                                        &delay_ms))
        return false;
    log_wire('*', "GetObject: %s: asking again for the bytes from %" PRIu64 " on in %.0f ms", e->code, slot->at, delay_ms);
    slot->pause = loop_timer_start(fetch->loop, (uint64_t)ceil(delay_ms), ask_again, slot);
    return slot->pause != NULL;
}

/* True when the bucket is in another region, and it is asked for there. */
static bool move(struct slot *slot, struct err *e)
{
    struct s3_fetch *fetch = slot->fetch;
    char region[64];
    s3_reply_moved(&slot->get.reply, fetch->access.region, region, sizeof region);
    if (!region[0] || fetch->moved || fetch->known)
        return false;
    log_wire('*', "GetObject: the bucket %s is in %s: asking there", fetch->object.bucket, region);
    fetch->moved = true;
    return s3_access_move(&fetch->access, region, e) &&
           s3_place_of(&fetch->object, fetch->access.endpoint, fetch->access.custom, &fetch->place, e) && ask(slot, e);
}

/* True when it was signed by a wrong clock, and is signed anew by the service's. */
static bool correct_clock(struct slot *slot, const struct err *refusal, struct err *e)
{
    struct s3_fetch *fetch = slot->fetch;
    const struct s3_get *get = &slot->get;
    struct http_header headers[] = {{(char *)"Date", (char *)get->reply.date}, {(char *)"Age", (char *)"0"}};
    struct http_response response = {.headers = headers, .header_count = get->reply.aged ? 2 : 1, .started = get->started,
                                     .ended = get->ended};
    double before = fetch->access.skew;
    if (!fetch->access.correct_skew || fetch->skew_corrected || !api_skew_is_suspected(refusal->code) || !get->reply.date[0] ||
        !api_skew_learn(&response, &fetch->access.skew))
        return false;
    fetch->skew_corrected = true;
    log_wire('*', "GetObject: %s: this machine's clock is %.0f s off: signing again by the service's", refusal->code,
             fetch->access.skew - before);
    return ask(slot, e);
}

/* What an answer without the object says. Either it is asked for again, or everything ends. */
static void refused(struct slot *slot)
{
    struct s3_fetch *fetch = slot->fetch;
    struct s3_reply *reply = &slot->get.reply;
    struct err e, fault;
    err_clear(&e);
    err_clear(&fault);
    s3_reply_error(reply, &fetch->object, fetch->place.host, fetch->access.region, &e);
    if (move(slot, &fault) || (!fault.code[0] && correct_clock(slot, &e, &fault)))
        return;
    if (!fault.code[0] && try_again(slot, &e))
        return;
    e.attempts = slot->retries.retries + 1;
    if (reply->status == 412 || (fetch->known && (reply->status == 416 || reply->status == 404)))
        err_set(&e, ERR_FILE, "%s", CHANGED);
    else if (reply->status == 416)
        err_set(&e, ERR_INVALID_FILE, "the object is empty: there is nothing to import");
    finish(fetch, fault.code[0] ? &fault : &e);
}

/* The answer broke off, or none came. */
static void broke_off(struct slot *slot, const struct err *why)
{
    struct err e = *why;
    if (!e.code[0]) {
        err_set(&e, ERR_CONNECTION, "the answer ended before all bytes had come");
        e.retryable = true;
    }
    if (try_again(slot, &e))
        return;
    e.attempts = slot->retries.retries + 1;
    finish(slot->fetch, &e);
}

static void range_came(struct slot *slot)
{
    struct s3_fetch *fetch = slot->fetch;
    struct err e;
    err_clear(&e);
    retry_success(&fetch->access.bucket, &slot->retries);
    slot->busy = false;
    if (fetch->arrived == fetch->total || !begin_range(slot, &e))
        finish(fetch, &e);
}

static void request_ended(void *arg, const struct err *e)
{
    struct slot *slot = arg;
    struct s3_fetch *fetch = slot->fetch;
    int status = slot->get.reply.status;
    struct err none;
    err_clear(&none);
    if (fetch->failure.code[0])
        finish(fetch, &fetch->failure);
    else if (fetch->look && fetch->known)
        finish(fetch, &none);
    else if (fetch->known && slot->at == slot->end)
        range_came(slot);
    else if (e->code[0] || status == 0 || status == 200 || status == 206)
        broke_off(slot, e);
    else
        refused(slot);
}

/* ---- its beginning ---- */

static bool prepare(struct s3_fetch *fetch, struct http *http, const struct s3_options *options, struct err *e)
{
    fetch->url = strdup(options->url);
    fetch->directory = options->directory ? strdup(options->directory) : NULL;
    if (!fetch->url || (options->directory && !fetch->directory))
        return err_set(e, ERR_MEMORY, "out of memory");
    return s3_url_parse(options->url, &fetch->object, e) && s3_access_init(&fetch->access, http, fetch->loop, options, e) &&
           s3_place_of(&fetch->object, fetch->access.endpoint, fetch->access.custom, &fetch->place, e);
}

static void make_slots(struct s3_fetch *fetch, const struct s3_options *options)
{
    fetch->slot_count = options->look ? 1 : options->ranges > 0 && options->ranges < S3_RANGES ? options->ranges : S3_RANGES;
    for (int i = 0; i < fetch->slot_count; i++) {
        struct slot *slot = &fetch->slots[i];
        slot->fetch = fetch;
        s3_get_init(&slot->get);
        slot->get.access = &fetch->access;
        slot->get.place = &fetch->place;
        slot->get.connect_timeout_ms = options->connect_timeout_ms;
        slot->get.stall_timeout_ms = options->stall_timeout_ms ? options->stall_timeout_ms : 60000;
        slot->get.head = take_head;
        slot->get.take = take_bytes;
        slot->get.done = request_ended;
        slot->get.arg = slot;
    }
}

struct s3_fetch *s3_start(struct http *http, struct loop *loop, const struct s3_options *options,
                          void (*done)(void *arg, const struct s3_result *result, const struct err *e), void *arg, struct err *e)
{
    struct s3_fetch *fetch = calloc(1, sizeof *fetch);
    if (!fetch) {
        err_set(e, ERR_MEMORY, "out of memory");
        return NULL;
    }
    fetch->loop = loop;
    fetch->look = options->look;
    fetch->range_bytes = options->range_bytes ? options->range_bytes : S3_RANGE_BYTES;
    fetch->file.fd = fetch->result.fd = -1;
    fetch->progress = options->progress;
    fetch->done = done;
    fetch->arg = arg;
    if (prepare(fetch, http, options, e)) {
        make_slots(fetch, options);
        fetch->slots[0].busy = true;
        fetch->slots[0].end = options->look ? 1 : fetch->range_bytes;
        if (ask(&fetch->slots[0], e))
            return fetch;
    }
    err_at(e, options->url, 0, 0, NULL);
    fetch_free(fetch);
    return NULL;
}
