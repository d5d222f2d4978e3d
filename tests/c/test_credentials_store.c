/* Keys that are kept fresh: by a clock and a source of the test's own. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/credentials_store.h"

#define LIFETIME 3600

static time_t now;

static time_t test_clock(time_t *out)
{
    (void)out;
    return now;
}

/* Gives keys K1, K2, … when the test says so. */
struct source {
    struct credentials_provider provider;
    int begun, ended, stopped;
    bool cannot_begin;
    bool *freed;
};

static bool source_start(struct credentials_provider *provider, struct err *err)
{
    struct source *source = (struct source *)provider;
    if (source->cannot_begin)
        return err_set(err, ERR_CREDENTIALS, "it cannot begin");
    source->begun++;
    return true;
}

static void source_stop(struct credentials_provider *provider)
{
    ((struct source *)provider)->stopped++;
}

static void source_free(struct credentials_provider *provider)
{
    struct source *source = (struct source *)provider;
    *source->freed = true;
    free(source);
}

struct told {
    struct credentials_store *store;
    struct credentials_wait *wait;
    int count, failures;
    char id[16];
    char message[768];
    bool again, closes; /* what it does when it is told */
};

struct fixture {
    struct loop *loop;
    struct credentials_store *store;
    struct source *source;
    bool freed;
    struct told told[3];
};

static int set_up(void **state)
{
    struct fixture *f = calloc(1, sizeof *f);
    struct err e;
    err_clear(&e);
    now = 1000000;
    f->loop = loop_new(&e);
    f->source = calloc(1, sizeof *f->source);
    f->source->provider = (struct credentials_provider){
        .source = "a test", .start = source_start, .stop = source_stop, .free = source_free};
    f->source->freed = &f->freed;
    struct credentials_options options = {.loop = f->loop, .clock = test_clock};
    f->store = credentials_store_new(&options, &f->source->provider, NULL, &e);
    for (size_t i = 0; i < 3; i++)
        f->told[i].store = f->store;
    *state = f;
    return f->loop && f->store ? 0 : -1;
}

static int tear_down(void **state)
{
    struct fixture *f = *state;
    credentials_store_free(f->store);
    loop_free(f->loop);
    bool freed = f->freed;
    free(f);
    return freed ? 0 : -1;
}

static void await(struct told *told);

static void ready(void *arg, const struct credentials *keys, const struct err *err)
{
    struct told *told = arg;
    told->count++;
    told->wait = NULL;
    if (keys)
        snprintf(told->id, sizeof told->id, "%s", keys->access_key_id);
    else
        told->failures++;
    snprintf(told->message, sizeof told->message, "%s", err->message);
    if (told->again) {
        told->again = false;
        await(told);
    }
    if (told->closes)
        credentials_store_free(told->store);
}

static void await(struct told *told)
{
    struct err e;
    told->wait = credentials_await(told->store, ready, told, &e);
    assert_non_null(told->wait);
}

/* The source ends a fetch with new keys, or with an error. */
static void give(struct fixture *f, time_t expires)
{
    struct credentials keys;
    struct err none;
    char id[16];
    err_clear(&none);
    snprintf(id, sizeof id, "K%d", ++f->source->ended);
    assert_true(credentials_explicit(id, "secret", NULL, &keys, &none));
    keys.expires = expires;
    credentials_fetched(&f->source->provider, &keys, &none);
}

static void refuse(struct fixture *f, const char *message)
{
    struct err e;
    err_clear(&e);
    f->source->ended++;
    err_set(&e, ERR_CREDENTIALS, "%s", message);
    credentials_fetched(&f->source->provider, NULL, &e);
}

static void current_is(struct fixture *f, const char *id)
{
    const struct credentials *keys = credentials_current(f->store);
    assert_string_equal(keys ? keys->access_key_id : "none", id);
}

/* Keys K1 that end in LIFETIME. */
static void begin(struct fixture *f)
{
    current_is(f, "none");
    await(&f->told[0]);
    give(f, now + LIFETIME);
    assert_string_equal(f->told[0].id, "K1");
}

static void one_fetch_serves_all_that_wait(void **state)
{
    struct fixture *f = *state;
    for (size_t i = 0; i < 3; i++)
        await(&f->told[i]);
    assert_int_equal(f->source->begun, 1);
    give(f, now + LIFETIME);
    for (size_t i = 0; i < 3; i++) {
        assert_int_equal(f->told[i].count, 1);
        assert_string_equal(f->told[i].id, "K1");
    }
    current_is(f, "K1");
    assert_int_equal(f->source->begun, 1);
}

static void from_15_minutes_on_new_keys_are_fetched_while_old_ones_are_served(void **state)
{
    struct fixture *f = *state;
    begin(f);
    now += LIFETIME - CREDENTIALS_ADVISORY - 1;
    current_is(f, "K1");
    assert_int_equal(f->source->begun, 1);
    now += 1;
    current_is(f, "K1");
    current_is(f, "K1");
    assert_int_equal(f->source->begun, 2);
    give(f, now + LIFETIME);
    current_is(f, "K2");
    assert_int_equal(f->source->begun, 2);
}

static void a_fetch_ahead_of_time_that_fails_is_no_error(void **state)
{
    struct fixture *f = *state;
    begin(f);
    now += LIFETIME - CREDENTIALS_ADVISORY;
    current_is(f, "K1");
    refuse(f, "not now");
    current_is(f, "K1");
    assert_int_equal(f->source->begun, 2); /* not again at once */
    now += CREDENTIALS_PAUSE;
    current_is(f, "K1");
    assert_int_equal(f->source->begun, 3);
    give(f, now + LIFETIME);
    current_is(f, "K3");
}

static void from_10_minutes_on_callers_wait_and_get_the_old_keys_when_there_are_no_new_ones(void **state)
{
    struct fixture *f = *state;
    begin(f);
    now += LIFETIME - CREDENTIALS_MANDATORY;
    current_is(f, "none");
    await(&f->told[1]);
    current_is(f, "none");
    await(&f->told[2]);
    assert_int_equal(f->source->begun, 2);
    refuse(f, "not now");
    assert_string_equal(f->told[1].id, "K1");
    assert_string_equal(f->told[2].id, "K1");
    current_is(f, "K1"); /* with a pause between the attempts */
    now += CREDENTIALS_PAUSE;
    current_is(f, "none");
    await(&f->told[1]);
    give(f, now + LIFETIME);
    assert_string_equal(f->told[1].id, "K3");
}

static void keys_that_have_ended_are_not_served(void **state)
{
    struct fixture *f = *state;
    begin(f);
    now += LIFETIME;
    current_is(f, "none");
    await(&f->told[1]);
    refuse(f, "the source is away");
    assert_int_equal(f->told[1].failures, 1);
    assert_string_equal(f->told[1].message, "the source is away");
    current_is(f, "none");
    await(&f->told[1]); /* the next call asks again, without a pause */
    give(f, now - 1);
    assert_int_equal(f->told[1].failures, 2);
    if (!strstr(f->told[1].message, "had ended when they came, at 1970-01-12T14:46:39Z"))
        fail_msg("%s", f->told[1].message);
    await(&f->told[1]);
    give(f, 0);
    now += 1000000000;
    current_is(f, "K4"); /* without an end they last */
}

static void what_cannot_begin_is_told_in_a_turn_of_the_loop(void **state)
{
    struct fixture *f = *state;
    f->source->cannot_begin = true;
    await(&f->told[0]);
    await(&f->told[1]);
    assert_int_equal(f->told[0].count, 0);
    while (f->told[0].count == 0)
        loop_turn(f->loop, true);
    assert_string_equal(f->told[0].message, "it cannot begin");
    assert_string_equal(f->told[1].message, "it cannot begin");
    await(&f->told[0]); /* the tear-down frees the store before this is told */
}

static void a_wait_that_was_given_up_is_not_told(void **state)
{
    struct fixture *f = *state;
    for (size_t i = 0; i < 3; i++)
        await(&f->told[i]);
    credentials_await_cancel(f->told[1].wait);
    give(f, now + LIFETIME);
    assert_int_equal(f->told[0].count, 1);
    assert_int_equal(f->told[1].count, 0);
    assert_int_equal(f->told[2].count, 1);
}

static void one_that_waits_again_gets_the_next_fetch(void **state)
{
    struct fixture *f = *state;
    f->told[0].again = true;
    await(&f->told[0]);
    refuse(f, "no");
    assert_int_equal(f->told[0].count, 1);
    assert_int_equal(f->source->begun, 2);
    give(f, now + LIFETIME);
    assert_string_equal(f->told[0].id, "K2");
}

static void the_store_may_be_freed_by_one_that_waited(void **state)
{
    struct fixture *f = *state;
    f->told[0].closes = true;
    await(&f->told[0]);
    give(f, now + LIFETIME);
    assert_int_equal(f->told[0].count, 1);
    assert_true(f->freed);
    f->store = NULL;
}

static void a_fetch_under_way_ends_with_the_store(void **state)
{
    struct fixture *f = *state;
    await(&f->told[0]);
    assert_int_equal(f->source->stopped, 0);
    credentials_store_free(f->store);
    f->store = NULL;
    assert_true(f->freed);
    assert_int_equal(f->told[0].count, 0);
}

int main(void)
{
#define WITH_STORE(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        WITH_STORE(one_fetch_serves_all_that_wait),
        WITH_STORE(from_15_minutes_on_new_keys_are_fetched_while_old_ones_are_served),
        WITH_STORE(a_fetch_ahead_of_time_that_fails_is_no_error),
        WITH_STORE(from_10_minutes_on_callers_wait_and_get_the_old_keys_when_there_are_no_new_ones),
        WITH_STORE(keys_that_have_ended_are_not_served),
        WITH_STORE(what_cannot_begin_is_told_in_a_turn_of_the_loop),
        WITH_STORE(a_wait_that_was_given_up_is_not_told),
        WITH_STORE(one_that_waits_again_gets_the_next_fetch),
        WITH_STORE(the_store_may_be_freed_by_one_that_waited),
        WITH_STORE(a_fetch_under_way_ends_with_the_store),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
