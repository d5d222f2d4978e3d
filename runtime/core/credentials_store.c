#include "core/credentials_store.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/credentials_time.h"
#include "core/log.h"

struct credentials_wait {
    struct credentials_store *store;
    struct credentials_wait *next;
    void (*ready)(void *arg, const struct credentials *keys, const struct err *err);
    void *arg;
    unsigned round; /* of the fetch that it waits for */
};

struct credentials_store {
    struct loop *loop;
    time_t (*clock)(time_t *);
    struct credentials_provider *provider; /* NULL: the keys are fixed */
    struct credentials keys;               /* access_key_id NULL: none yet */
    bool fetching, warned;                 /* that fetches fail; told once until one succeeds */
    time_t pause_ends;                     /* while the keys are valid no fetch begins before */
    unsigned round;                        /* fetches begun */
    struct credentials_wait *waits;
    struct err failure;        /* of a fetch that could not begin */
    struct loop_timer *failed; /* is about to tell it, or NULL */
    bool telling, doomed;      /* those that wait are told; one of them has freed the store */
};

static struct credentials_store *store_new(struct credentials *keys, struct err *err)
{
    struct credentials_store *store = calloc(1, sizeof *store);
    if (!store) {
        err_set(err, ERR_MEMORY, "out of memory");
        if (keys)
            credentials_free(keys);
    } else if (keys) {
        store->keys = *keys;
        memset(keys, 0, sizeof *keys);
    }
    return store;
}

struct credentials_store *credentials_store_fixed(struct credentials *keys, struct err *err)
{
    return store_new(keys, err);
}

struct credentials_store *credentials_store_new(const struct credentials_options *options,
                                                struct credentials_provider *provider,
                                                struct credentials *keys, struct err *err)
{
    struct credentials_store *store = store_new(keys, err);
    if (!store) {
        provider->free(provider);
        return NULL;
    }
    store->loop = options->loop;
    store->clock = options->clock ? options->clock : time;
    store->provider = provider;
    provider->store = store;
    return store;
}

void credentials_store_free(struct credentials_store *store)
{
    if (!store)
        return;
    if (store->telling) {
        store->doomed = true;
        return;
    }
    if (store->failed)
        loop_timer_stop(store->failed);
    else if (store->fetching)
        store->provider->stop(store->provider);
    if (store->provider)
        store->provider->free(store->provider);
    while (store->waits) {
        struct credentials_wait *wait = store->waits;
        store->waits = wait->next;
        free(wait);
    }
    credentials_free(&store->keys);
    free(store);
}

const char *credentials_source(const struct credentials_store *store)
{
    return store->keys.access_key_id || !store->provider ? store->keys.source : store->provider->source;
}

time_t credentials_expiry(const struct credentials_store *store)
{
    return store->keys.expires;
}

/* ---- fetching ---- */

static bool are_valid(const struct credentials_store *store)
{
    return store->keys.access_key_id && (!store->keys.expires || store->keys.expires > store->clock(NULL));
}

/* One that waits may free the store, end the waits of others, and wait again: for the next round. */
static void tell_waits(struct credentials_store *store, const struct err *failure)
{
    unsigned round = store->round;
    store->telling = true;
    while (!store->doomed && store->waits && store->waits->round == round) {
        struct credentials_wait *wait = store->waits;
        bool valid = are_valid(store);
        store->waits = wait->next;
        wait->ready(wait->arg, valid ? &store->keys : NULL, failure);
        free(wait);
    }
    store->telling = false;
    if (store->doomed)
        credentials_store_free(store);
}

static void expired_already(const struct credentials *keys, struct err *err)
{
    char text[24];
    credentials_time_format(keys->expires, text);
    err_set(err, ERR_CREDENTIALS,
            "the keys from %.500s had ended when they came, at %s: look at that source, and at the clock of "
            "this machine",
            keys->source, text);
}

static void warn_once(struct credentials_store *store, const struct err *failure)
{
    if (!store->warned)
        log_write(LOG_WARN, "the credentials at hand are used on, as new ones could not be had: %s",
                  failure->message);
    store->warned = true;
}

static void end_fetch(struct credentials_store *store, struct credentials *keys, const struct err *err)
{
    struct err failure = *err;
    time_t now = store->clock(NULL);
    store->fetching = false;
    store->pause_ends = now + CREDENTIALS_PAUSE;
    if (keys && keys->expires && keys->expires <= now) {
        expired_already(keys, &failure);
        credentials_free(keys);
    } else if (keys) {
        credentials_free(&store->keys);
        store->keys = *keys;
        memset(keys, 0, sizeof *keys);
    }
    if (!failure.code[0])
        store->warned = false;
    else if (are_valid(store))
        warn_once(store, &failure);
    tell_waits(store, &failure);
}

void credentials_fetched(struct credentials_provider *provider, struct credentials *keys,
                         const struct err *err)
{
    end_fetch(provider->store, keys, err);
}

static void tell_failure(void *arg)
{
    struct credentials_store *store = arg;
    store->failed = NULL;
    end_fetch(store, NULL, &store->failure);
}

/* What cannot begin is told in a turn of the loop, as any other failure. */
static bool fetch(struct credentials_store *store)
{
    if (store->fetching)
        return true;
    err_clear(&store->failure);
    if (!store->provider->start(store->provider, &store->failure)) {
        store->failed = loop_timer_start(store->loop, 0, tell_failure, store);
        if (!store->failed)
            return false;
    }
    store->fetching = true;
    store->round++;
    return true;
}

/* ---- those that need keys ---- */

const struct credentials *credentials_current(struct credentials_store *store)
{
    if (!store->provider)
        return &store->keys;
    if (!are_valid(store))
        return NULL;
    time_t now = store->clock(NULL), left = store->keys.expires - now;
    if (!store->keys.expires || left > CREDENTIALS_ADVISORY || store->provider->once)
        return &store->keys;
    bool under_way = store->fetching || (now >= store->pause_ends && fetch(store));
    return under_way && left <= CREDENTIALS_MANDATORY ? NULL : &store->keys;
}

struct credentials_wait *credentials_await(struct credentials_store *store,
                                           void (*ready)(void *arg, const struct credentials *keys,
                                                         const struct err *err),
                                           void *arg, struct err *err)
{
    struct credentials_wait *wait = calloc(1, sizeof *wait), **last = &store->waits;
    if (!wait || !fetch(store)) {
        free(wait);
        err_set(err, ERR_MEMORY, "out of memory");
        return NULL;
    }
    *wait = (struct credentials_wait){.store = store, .ready = ready, .arg = arg, .round = store->round};
    while (*last)
        last = &(*last)->next;
    *last = wait;
    return wait;
}

void credentials_await_cancel(struct credentials_wait *wait)
{
    struct credentials_wait **at = &wait->store->waits;
    while (*at && *at != wait)
        at = &(*at)->next;
    if (*at)
        *at = wait->next;
    free(wait);
}
