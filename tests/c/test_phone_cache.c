/* What was seen of phone numbers: found again, bounded, and never another number's. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>
#include <pthread.h>

#include "core/phone_cache.h"

static struct csv_slice key(char *out, size_t size, unsigned i)
{
    int n = snprintf(out, size, "0%u", i);
    return (struct csv_slice){out, (size_t)n};
}

static void put(struct phone_cache *cache, unsigned i)
{
    char text[32];
    struct phone_result result = {.fault.position = i};
    snprintf(result.e164, sizeof result.e164, "+%u", i);
    phone_cache_put(cache, key(text, sizeof text, i), &result);
}

/* Whether it is there; it must be the number's own. */
static bool get(struct phone_cache *cache, unsigned i)
{
    char text[32], e164[32];
    struct phone_result result;
    if (!phone_cache_get(cache, key(text, sizeof text, i), &result))
        return false;
    snprintf(e164, sizeof e164, "+%u", i);
    if (strcmp(result.e164, e164) != 0 || result.fault.position != i)
        fail_msg("%s was given the result of %s", text, result.e164);
    return true;
}

static void what_was_put_is_found(void **state)
{
    (void)state;
    struct phone_cache *cache = phone_cache_new(4096);
    assert_non_null(cache);
    assert_false(get(cache, 7));
    for (unsigned i = 0; i < 500; i++)
        put(cache, i);
    for (unsigned i = 0; i < 500; i++)
        assert_true(get(cache, i));
    put(cache, 7);
    assert_int_equal(phone_cache_count(cache), 500);
    phone_cache_free(cache);
}

static void a_million_numbers_take_no_more_room(void **state)
{
    (void)state;
    struct phone_cache *cache = phone_cache_new(1024);
    assert_non_null(cache);
    for (unsigned i = 0; i < 1000000; i++)
        put(cache, i);
    assert_in_range(phone_cache_count(cache), 1000, 1024);
    unsigned kept = 0;
    for (unsigned i = 0; i < 1000000; i++)
        kept += get(cache, i);
    assert_int_equal(kept, phone_cache_count(cache));
    phone_cache_free(cache);
}

static void a_number_that_is_asked_for_stays(void **state)
{
    (void)state;
    struct phone_cache *cache = phone_cache_new(64);
    assert_non_null(cache);
    put(cache, 1);
    for (unsigned i = 2; i < 20000; i++) {
        assert_true(get(cache, 1));
        put(cache, i);
    }
    phone_cache_free(cache);
}

static void numbers_that_differ_by_their_length_alone_are_kept_apart(void **state)
{
    (void)state;
    struct phone_cache *cache = phone_cache_new(64);
    struct phone_result result = {.e164 = "+1"}, found;
    char text[64];
    assert_non_null(cache);
    memset(text, 0, sizeof text);
    phone_cache_put(cache, (struct csv_slice){text, 5}, &result);
    for (size_t len = 0; len <= sizeof text; len++)
        assert_int_equal(phone_cache_get(cache, (struct csv_slice){text, len}, &found), len == 5);
    phone_cache_put(cache, (struct csv_slice){text, 64}, &result); /* longer than any that is kept */
    phone_cache_put(cache, (struct csv_slice){NULL, 0}, &result);
    assert_int_equal(phone_cache_count(cache), 1);
    phone_cache_free(cache);
}

static void *put_and_get(void *arg)
{
    for (unsigned i = 0; i < 100000; i++) {
        unsigned n = i * 7919 % 3000;
        if (!get(arg, n))
            put(arg, n);
    }
    return NULL;
}

static void threads_are_never_given_another_number(void **state)
{
    (void)state;
    pthread_t threads[4];
    struct phone_cache *cache = phone_cache_new(512);
    assert_non_null(cache);
    for (int i = 0; i < 4; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, put_and_get, cache), 0);
    for (int i = 0; i < 4; i++)
        pthread_join(threads[i], NULL);
    phone_cache_free(cache);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_was_put_is_found),
        cmocka_unit_test(a_million_numbers_take_no_more_room),
        cmocka_unit_test(a_number_that_is_asked_for_stays),
        cmocka_unit_test(numbers_that_differ_by_their_length_alone_are_kept_apart),
        cmocka_unit_test(threads_are_never_given_another_number),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
