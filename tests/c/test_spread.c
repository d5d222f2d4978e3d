/* A loop that is spread over threads: everything is done once, by more than one, and it ends. */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>
#include <pthread.h>

#include "core/spread.h"

enum { COUNT = 10007 };
static atomic_int done[COUNT];

static void mark(void *arg, size_t from, size_t to)
{
    (void)arg;
    for (size_t i = from; i < to; i++)
        atomic_fetch_add(&done[i], 1);
}

static void expect_all_once(size_t count)
{
    for (size_t i = 0; i < COUNT; i++)
        if (atomic_load(&done[i]) != (i < count))
            fail_msg("%zu of %zu was done %d times", i, count, atomic_load(&done[i]));
    memset(done, 0, sizeof done);
}

static void everything_is_done_once(void **state)
{
    (void)state;
    static const size_t counts[] = {0, 1, 6, 7, 8, 100, COUNT};
    for (unsigned threads = 0; threads <= 5; threads++) {
        struct spread *spread = spread_new(threads);
        assert_non_null(spread);
        for (size_t i = 0; i < sizeof counts / sizeof counts[0]; i++)
            for (size_t part = 0; part <= 7; part += 7) {
                spread_run(spread, counts[i], part, mark, NULL);
                expect_all_once(counts[i]);
            }
        spread_free(spread);
    }
}

static void many_runs_lose_nothing(void **state)
{
    (void)state;
    struct spread *spread = spread_new(4);
    assert_non_null(spread);
    for (int i = 0; i < 3000; i++) {
        spread_run(spread, 50, 3, mark, NULL);
        for (size_t j = 0; j < 50; j++)
            assert_int_equal(atomic_load(&done[j]), i + 1);
    }
    memset(done, 0, sizeof done);
    spread_free(spread);
}

/* Each part waits for the other: one thread alone would wait for ever. */
static void two_meet(void *arg, size_t from, size_t to)
{
    (void)from, (void)to;
    pthread_barrier_wait(arg);
}

static void two_threads_work_at_the_same_time(void **state)
{
    (void)state;
    pthread_barrier_t barrier;
    pthread_barrier_init(&barrier, NULL, 2);
    struct spread *spread = spread_new(2);
    assert_non_null(spread);
    alarm(200);
    spread_run(spread, 2, 1, two_meet, &barrier);
    alarm(0);
    spread_free(spread);
    pthread_barrier_destroy(&barrier);
}

static pthread_t caller;
static atomic_int unblocked;

static void look_at_the_mask(void *arg, size_t from, size_t to)
{
    sigset_t mask;
    pthread_sigmask(SIG_SETMASK, NULL, &mask);
    if (!pthread_equal(pthread_self(), caller) && !sigismember(&mask, SIGINT))
        atomic_fetch_add(&unblocked, 1);
    two_meet(arg, from, to);
}

static void a_signal_never_lands_in_a_helper(void **state)
{
    (void)state;
    pthread_barrier_t barrier;
    pthread_barrier_init(&barrier, NULL, 2);
    struct spread *spread = spread_new(2);
    assert_non_null(spread);
    caller = pthread_self();
    spread_run(spread, 2, 1, look_at_the_mask, &barrier);
    spread_free(spread);
    pthread_barrier_destroy(&barrier);
    assert_int_equal(atomic_load(&unblocked), 0);
}

static struct spread *shared;

static void *run_it(void *arg)
{
    (void)arg;
    for (int i = 0; i < 200; i++)
        spread_run(shared, 500, 10, mark, NULL);
    return NULL;
}

static void runs_of_several_threads_follow_one_another(void **state)
{
    (void)state;
    pthread_t threads[3];
    shared = spread_new(3);
    assert_non_null(shared);
    for (int i = 0; i < 3; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, run_it, NULL), 0);
    for (int i = 0; i < 3; i++)
        pthread_join(threads[i], NULL);
    spread_free(shared);
    for (size_t i = 0; i < 500; i++)
        assert_int_equal(atomic_load(&done[i]), 600);
    memset(done, 0, sizeof done);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(everything_is_done_once),
        cmocka_unit_test(many_runs_lose_nothing),
        cmocka_unit_test(two_threads_work_at_the_same_time),
        cmocka_unit_test(a_signal_never_lands_in_a_helper),
        cmocka_unit_test(runs_of_several_threads_follow_one_another),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
