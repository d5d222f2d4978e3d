#include "core/loop.h"

#include <stdlib.h>
#include <string.h>

struct loop {
    uv_loop_t uv;
    bool in_turn;
    int working; /* loop_work under way */
};

struct loop *loop_new(struct err *e)
{
    struct loop *loop = calloc(1, sizeof *loop);
    if (!loop) {
        err_set(e, ERR_MEMORY, "out of memory");
        return NULL;
    }
    int status = uv_loop_init(&loop->uv);
    if (status != 0) {
        err_set(e, ERR_SYSTEM, "cannot make an event loop: %s", uv_strerror(status));
        free(loop);
        return NULL;
    }
    return loop;
}

struct loop_timer {
    uv_timer_t uv;
    bool polls_first;
    void (*fire)(void *arg);
    void *arg;
};

static void timer_closed(uv_handle_t *handle)
{
    free(handle->data);
}

/* Timers are the loop's own and are freed; other handles belong to units that should have closed them. */
static void close_handle(uv_handle_t *handle, void *arg)
{
    (void)arg;
    if (!uv_is_closing(handle))
        uv_close(handle, handle->type == UV_TIMER ? timer_closed : NULL);
}

void loop_free(struct loop *loop)
{
    if (!loop)
        return;
    uv_walk(&loop->uv, close_handle, NULL);
    while (uv_run(&loop->uv, UV_RUN_DEFAULT) != 0)
        ;
    uv_loop_close(&loop->uv);
    free(loop);
}

uv_loop_t *loop_uv(struct loop *loop)
{
    return &loop->uv;
}

bool loop_turn(struct loop *loop, bool wait)
{
    loop->in_turn = true;
    int alive = uv_run(&loop->uv, wait ? UV_RUN_ONCE : UV_RUN_NOWAIT);
    loop->in_turn = false;
    return alive != 0;
}

void loop_wake(struct loop *loop)
{
    if (loop->in_turn)
        uv_stop(&loop->uv);
}

bool loop_in_turn(const struct loop *loop)
{
    return loop->in_turn;
}

uint64_t loop_now(void)
{
    return uv_hrtime() / 1000000;
}

static void timer_fired(uv_timer_t *uv)
{
    struct loop_timer *timer = uv->data;
    if (timer->polls_first) {
        timer->polls_first = false;
        uv_timer_start(uv, timer_fired, 1, 0);
        return;
    }
    uv_close((uv_handle_t *)uv, timer_closed);
    timer->fire(timer->arg);
}

struct loop_timer *loop_timer_start(struct loop *loop, uint64_t ms, void (*fire)(void *arg), void *arg)
{
    struct loop_timer *timer = calloc(1, sizeof *timer);
    if (!timer)
        return NULL;
    timer->fire = fire;
    timer->arg = arg;
    uv_timer_init(&loop->uv, &timer->uv);
    timer->uv.data = timer;
    /* Between turns the loop's idea of now is old by however long Lua ran. */
    uv_update_time(&loop->uv);
    uv_timer_start(&timer->uv, timer_fired, ms, 0);
    return timer;
}

struct loop_timer *loop_deadline_start(struct loop *loop, uint64_t ms, void (*fire)(void *arg), void *arg)
{
    struct loop_timer *timer = loop_timer_start(loop, ms, fire, arg);
    if (timer)
        timer->polls_first = true;
    return timer;
}

void loop_timer_unref(struct loop_timer *timer)
{
    if (timer)
        uv_unref((uv_handle_t *)&timer->uv);
}

void loop_timer_stop(struct loop_timer *timer)
{
    if (timer && !uv_is_closing((uv_handle_t *)&timer->uv))
        uv_close((uv_handle_t *)&timer->uv, timer_closed);
}

struct loop_work {
    uv_work_t uv;
    struct loop *loop;
    bool (*slice)(void *arg);
    void (*done)(void *arg);
    void *arg;
    bool more;
    bool cancelled;
};

static void work_slice(uv_work_t *uv)
{
    struct loop_work *work = uv->data;
    work->more = work->slice(work->arg);
}

static void work_sliced(uv_work_t *uv, int status)
{
    struct loop_work *work = uv->data;
    (void)status;
    if (work->more && !work->cancelled &&
        uv_queue_work(uv->loop, &work->uv, work_slice, work_sliced) == 0)
        return;
    work->loop->working--;
    work->done(work->arg);
    free(work);
}

struct loop_work *loop_work_start(struct loop *loop, bool (*slice)(void *arg), void (*done)(void *arg), void *arg)
{
    struct loop_work *work = calloc(1, sizeof *work);
    if (!work)
        return NULL;
    work->slice = slice;
    work->done = done;
    work->arg = arg;
    work->uv.data = work;
    if (uv_queue_work(&loop->uv, &work->uv, work_slice, work_sliced) != 0) {
        free(work);
        return NULL;
    }
    work->loop = loop;
    loop->working++;
    return work;
}

void loop_finish_work(struct loop *loop)
{
    while (loop->working > 0)
        loop_turn(loop, true);
}

void loop_work_cancel(struct loop_work *work)
{
    work->cancelled = true;
}
