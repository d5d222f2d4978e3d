#include "local/estimates.h"

#include <limits.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "core/log.h"
#include "core/utf8.h"
#include "local/profiles_segments.h"

#define MOST_AT_ONCE 100
#define SLICE_SECONDS 0.1
#define MOST_OF_MESSAGE 255 /* characters: the service model */
#define WRITE_AGAIN_NS 200000000 /* until an end that could not be written down is tried again */

struct estimates {
    const char *data_dir;
    const struct clock *clock;
    struct state *state;
    struct worker *state_worker, *worker;
    atomic_int running;
    atomic_bool halted;
};

/* One that runs. At any time just one thread has it. */
struct estimate {
    struct estimates *all;
    struct estimate_task task;
    struct segment_count count;
    struct err err;   /* it failed */
    bool tried, written;
};

static void let_go(struct estimate *estimate)
{
    atomic_fetch_sub(&estimate->all->running, 1);
    segment_plan_free(estimate->task.plan);
    free(estimate);
}

/* ---- its end: on the state's worker ---- */

static void write_end(void *arg)
{
    struct estimate *estimate = arg;
    bool failed = estimate->err.code[0] != '\0';
    struct err err;
    err_clear(&err);
    char message[4 * MOST_OF_MESSAGE + 1];
    const char *text = estimate->err.message;
    snprintf(message, sizeof message, "%.*s", (int)utf8_prefix(text, strlen(text), MOST_OF_MESSAGE), text);
    estimate->written = state_end_estimate(estimate->all->state, estimate->task.id, estimate->count.members,
                                           failed ? message : NULL, &err);
    if (!estimate->written && !estimate->tried)
        log_write(LOG_ERROR, "segment estimate %s: its end cannot be written down: %s (tried again)", estimate->task.id, err.message);
    estimate->tried = true;
}

static void go_on(struct estimate *estimate);

static void end_written(void *arg)
{
    struct estimate *estimate = arg;
    if (estimate->written)
        let_go(estimate);
    else
        go_on(estimate);
}

/* ---- its slices ---- */

static void run_slice(void *arg)
{
    struct estimate *estimate = arg;
    struct estimates *all = estimate->all;
    const struct timespec pause = {0, WRITE_AGAIN_NS};
    if (atomic_load(&all->halted))
        return;
    if (estimate->tried) {
        nanosleep(&pause, NULL);
        return;
    }
    estimate->count.done = !profiles_count(all->data_dir, estimate->task.domain_id, estimate->task.plan, clock_now(all->clock),
                                           SLICE_SECONDS, &estimate->count, &estimate->err) || estimate->count.done;
}

static void slice_done(void *arg)
{
    struct estimate *estimate = arg;
    if (!estimate->count.done)
        go_on(estimate);
    else if (atomic_load(&estimate->all->halted) ||
             !worker_post(estimate->all->state_worker, write_end, end_written, estimate))
        let_go(estimate);
}

static void go_on(struct estimate *estimate)
{
    if (atomic_load(&estimate->all->halted) || !worker_post(estimate->all->worker, run_slice, slice_done, estimate))
        let_go(estimate);
}

/* ---- all of them ---- */

struct estimates *estimates_new(struct loop *loop, const char *data_dir, const struct clock *clock, struct state *state,
                                struct worker *state_worker, struct err *err)
{
    struct estimates *all = calloc(1, sizeof *all);
    if (!all) {
        err_set(err, ERR_MEMORY, "out of memory");
        return NULL;
    }
    all->data_dir = data_dir;
    all->clock = clock;
    all->state = state;
    all->state_worker = state_worker;
    all->worker = worker_new(loop, "upjob-segments", err);
    if (all->worker)
        return all;
    free(all);
    return NULL;
}

bool estimates_have_room(const struct estimates *all)
{
    return atomic_load(&all->running) < MOST_AT_ONCE;
}

bool estimates_start(struct estimates *all, struct estimate_task *task, struct err *err)
{
    struct estimate *estimate = calloc(1, sizeof *estimate);
    if (!estimate) {
        segment_plan_free(task->plan);
        return err_set(err, ERR_MEMORY, "out of memory");
    }
    estimate->all = all;
    estimate->task = *task;
    atomic_fetch_add(&all->running, 1);
    if (worker_post(all->worker, run_slice, slice_done, estimate))
        return true;
    let_go(estimate);
    return err_set(err, ERR_INTERNAL, "the service is stopping");
}

void estimates_halt(struct estimates *all)
{
    if (!all)
        return;
    atomic_store(&all->halted, true);
    worker_halt(all->worker);
}

void estimates_free(struct estimates *all)
{
    if (!all)
        return;
    worker_free(all->worker);
    free(all);
}
