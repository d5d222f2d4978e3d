/* loop: the one event loop of a process, over libuv, on the thread that made it.
 *
 * Callbacks run inside loop_turn and must be short: they fill state and return.
 * libuv is not re-entrant, so nothing called from a callback may call loop_turn.
 */
#ifndef UPJOB_CORE_LOOP_H
#define UPJOB_CORE_LOOP_H

#include <stdbool.h>
#include <stdint.h>
#include <uv.h>

#include "core/err.h"

struct loop;
struct loop_timer;
struct loop_work;

/* Owned by the caller; loop_free closes every timer and handle that is still open. */
struct loop *loop_new(struct err *e) MUST_CHECK;
void loop_free(struct loop *loop);
uv_loop_t *loop_uv(struct loop *loop);

/* Runs callbacks that are due; with `wait`, sleeps first until one is.
 * Returns false when nothing is left that could ever call back. */
bool loop_turn(struct loop *loop, bool wait);
/* From a callback: the turn is to end without sleeping, because there is something to be done between turns. Without it a turn
 * that began with a due timer would go on to sleep until the next event: libuv runs timers before it polls. */
void loop_wake(struct loop *loop);
/* True while a callback of this loop is running. */
bool loop_in_turn(const struct loop *loop);

/* Monotonic milliseconds since an arbitrary point. */
uint64_t loop_now(void);

/* Calls `fire(arg)` once after `ms`. The loop owns the timer; it is gone once it
 * has fired or been stopped. NULL when memory is out. */
struct loop_timer *loop_timer_start(struct loop *loop, uint64_t ms, void (*fire)(void *arg), void *arg);
/* The same for what is to have happened by then: `fire` comes after what has come until then was taken, which on a machine that
 * stood still, or while Lua ran, nobody could. libuv runs timers before it polls. */
struct loop_timer *loop_deadline_start(struct loop *loop, uint64_t ms, void (*fire)(void *arg), void *arg);
/* It does not count as something that could call back: loop_turn may say that nothing is left. NULL is allowed. */
void loop_timer_unref(struct loop_timer *timer);
/* Stops a timer that has not fired; NULL is allowed. */
void loop_timer_stop(struct loop_timer *timer);

/* Runs `slice(arg)` again and again in libuv's thread pool, one slice at a time and each
 * under 20 ms, until it returns false; then `done(arg)` on the loop's thread. The loop owns
 * the work. After loop_work_cancel, `done` is still called, once the running slice has ended. */
struct loop_work *loop_work_start(struct loop *loop, bool (*slice)(void *arg), void (*done)(void *arg), void *arg);
void loop_work_cancel(struct loop_work *work);
/* Turns until no work is under way: before what it works on is freed. Cancel it first. */
void loop_finish_work(struct loop *loop);

#endif
