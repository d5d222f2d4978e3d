/* The loop: turns, timers, work in the pool. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <unistd.h>

#include <cmocka.h>

#include "core/loop.h"

static void set_flag(void *arg)
{
    *(bool *)arg = true;
}

/* A timer that stays open when it fires, as curl's does: closing one would end the turn by itself. */
struct due {
    uv_timer_t uv;
    struct loop *loop;
    bool fired;
};

static void due_fired(uv_timer_t *uv)
{
    struct due *due = uv->data;
    due->fired = true;
    loop_wake(due->loop);
}

static void a_wait_that_a_due_timer_ends_does_not_sleep_on(void **state)
{
    struct err err;
    struct loop *loop = loop_new(&err);
    struct due due = {.loop = loop};
    bool far = false;
    (void)state;
    assert_non_null(loop);
    uv_timer_init(loop_uv(loop), &due.uv);
    due.uv.data = &due;
    assert_non_null(loop_timer_start(loop, 20000, set_flag, &far));
    uv_timer_start(&due.uv, due_fired, 0, 0);
    assert_true(loop_turn(loop, true));
    assert_true(due.fired);
    assert_false(far);
    uv_close((uv_handle_t *)&due.uv, NULL);
    loop_free(loop);
}

struct race {
    struct loop *loop;
    int pipe[2];
    bool came, over, came_first;
};

static void has_come(uv_poll_t *poll, int status, int events)
{
    struct race *race = poll->data;
    (void)status;
    (void)events;
    race->came = true;
    uv_close((uv_handle_t *)poll, NULL);
}

static void time_over(void *arg)
{
    struct race *race = arg;
    race->over = true;
    race->came_first = race->came;
}

static void what_came_before_a_deadline_is_taken_before_it_though_the_loop_stood_still(void **state)
{
    struct err err;
    struct race race = {.loop = loop_new(&err)};
    uv_poll_t poll = {.data = &race};
    (void)state;
    assert_non_null(race.loop);
    assert_int_equal(pipe(race.pipe), 0);
    uv_poll_init(loop_uv(race.loop), &poll, race.pipe[0]);
    uv_poll_start(&poll, UV_READABLE, has_come);
    assert_non_null(loop_deadline_start(race.loop, 1, time_over, &race));
    assert_int_equal(write(race.pipe[1], "x", 1), 1);
    usleep(10000); /* nobody looks */
    while (loop_turn(race.loop, true))
        ;
    assert_true(race.over);
    assert_true(race.came_first);
    loop_free(race.loop);
    close(race.pipe[0]);
    close(race.pipe[1]);
}

static void waking_outside_of_a_turn_does_not_spoil_the_next(void **state)
{
    struct err err;
    struct loop *loop = loop_new(&err);
    bool fired = false;
    (void)state;
    assert_non_null(loop);
    loop_wake(loop);
    assert_non_null(loop_timer_start(loop, 1, set_flag, &fired));
    while (loop_turn(loop, true))
        ;
    assert_true(fired);
    loop_free(loop);
}

static void an_unreferenced_timer_fires_but_keeps_nothing_alive(void **state)
{
    struct err err;
    struct loop *loop = loop_new(&err);
    bool far = false, near = false, last = false;
    (void)state;
    assert_non_null(loop);
    loop_timer_unref(loop_timer_start(loop, 20000, set_flag, &far));
    assert_false(loop_turn(loop, true));
    loop_timer_unref(loop_timer_start(loop, 1, set_flag, &near));
    assert_non_null(loop_timer_start(loop, 50, set_flag, &last));
    while (loop_turn(loop, true))
        ;
    assert_true(near && last);
    assert_false(far);
    loop_free(loop);
}

struct counted {
    int slices;
    bool ended;
};

static bool count_slice(void *arg)
{
    return ++((struct counted *)arg)->slices < 3;
}

static void count_end(void *arg)
{
    ((struct counted *)arg)->ended = true;
}

static void work_is_sliced_and_ends_on_the_loop(void **state)
{
    struct err err;
    struct loop *loop = loop_new(&err);
    struct counted counted = {0};
    (void)state;
    assert_non_null(loop);
    assert_non_null(loop_work_start(loop, count_slice, count_end, &counted));
    loop_finish_work(loop);
    assert_int_equal(counted.slices, 3);
    assert_true(counted.ended);
    loop_free(loop);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_wait_that_a_due_timer_ends_does_not_sleep_on),
        cmocka_unit_test(what_came_before_a_deadline_is_taken_before_it_though_the_loop_stood_still),
        cmocka_unit_test(waking_outside_of_a_turn_does_not_spoil_the_next),
        cmocka_unit_test(an_unreferenced_timer_fires_but_keeps_nothing_alive),
        cmocka_unit_test(work_is_sliced_and_ends_on_the_loop),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
