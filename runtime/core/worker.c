#include "core/worker.h"

#include <pthread.h>
#include <stdlib.h>
#include <time.h>

struct job {
    void (*run)(void *arg);
    void (*done)(void *arg);
    void *arg;
    struct job *next;
};

struct queue {
    struct job *first, *last;
};

struct worker {
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t wake;
    struct queue waiting;  /* for the thread */
    struct queue finished; /* for the loop */
    uv_async_t *async;     /* freed by its own close callback */
    bool stopping;
    void (*tick)(void *arg); /* NULL: nothing is done at intervals */
    void *tick_arg;
    double interval;       /* seconds */
    struct timespec next;  /* by the monotonic clock */
};

static void push(struct queue *queue, struct job *job)
{
    job->next = NULL;
    if (queue->last)
        queue->last->next = job;
    else
        queue->first = job;
    queue->last = job;
}

static struct job *pop(struct queue *queue)
{
    struct job *job = queue->first;
    if (job && !(queue->first = job->next))
        queue->last = NULL;
    return job;
}

static struct timespec seconds_from_now(double seconds)
{
    struct timespec at;
    clock_gettime(CLOCK_MONOTONIC, &at);
    at.tv_sec += (time_t)seconds;
    at.tv_nsec += (long)((seconds - (double)(time_t)seconds) * 1e9);
    at.tv_sec += at.tv_nsec / 1000000000;
    at.tv_nsec %= 1000000000;
    return at;
}

static bool is_past(const struct timespec *at)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec > at->tv_sec || (now.tv_sec == at->tv_sec && now.tv_nsec >= at->tv_nsec);
}

/* Under the lock, which it lets go meanwhile. */
static void tick_when_due(struct worker *worker)
{
    if (!worker->tick || !is_past(&worker->next))
        return;
    worker->next = seconds_from_now(worker->interval);
    pthread_mutex_unlock(&worker->lock);
    worker->tick(worker->tick_arg);
    pthread_mutex_lock(&worker->lock);
}

static void *work(void *arg)
{
    struct worker *worker = arg;
    pthread_mutex_lock(&worker->lock);
    for (;;) {
        tick_when_due(worker);
        struct job *job = pop(&worker->waiting);
        if (!job && worker->stopping)
            break;
        if (!job) {
            if (worker->tick)
                pthread_cond_timedwait(&worker->wake, &worker->lock, &worker->next);
            else
                pthread_cond_wait(&worker->wake, &worker->lock);
            continue;
        }
        pthread_mutex_unlock(&worker->lock);
        job->run(job->arg);
        pthread_mutex_lock(&worker->lock);
        if (job->done) {
            push(&worker->finished, job);
            uv_async_send(worker->async);
        } else {
            free(job);
        }
    }
    pthread_mutex_unlock(&worker->lock);
    return NULL;
}

/* A `done` may post again, so the lock is not held while it runs. */
static void tell_finished(struct worker *worker)
{
    for (;;) {
        pthread_mutex_lock(&worker->lock);
        struct job *job = pop(&worker->finished);
        pthread_mutex_unlock(&worker->lock);
        if (!job)
            return;
        job->done(job->arg);
        free(job);
    }
}

static void woken(uv_async_t *async)
{
    tell_finished(async->data);
}

static void async_closed(uv_handle_t *handle)
{
    free(handle);
}

static void init_condition(pthread_cond_t *condition)
{
    pthread_condattr_t attributes;
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_cond_init(condition, &attributes);
    pthread_condattr_destroy(&attributes);
}

struct worker *worker_new(struct loop *loop, const char *name, struct err *err)
{
    struct worker *worker = calloc(1, sizeof *worker);
    uv_async_t *async = calloc(1, sizeof *async);
    if (!worker || !async || uv_async_init(loop_uv(loop), async, woken) != 0) {
        err_set(err, ERR_MEMORY, "cannot start a thread: out of memory");
        free(worker);
        free(async);
        return NULL;
    }
    uv_unref((uv_handle_t *)async);
    async->data = worker;
    worker->async = async;
    pthread_mutex_init(&worker->lock, NULL);
    init_condition(&worker->wake);
    int status = pthread_create(&worker->thread, NULL, work, worker);
    if (status != 0) {
        err_errno(err, ERR_SYSTEM, status, "cannot start a thread");
        uv_close((uv_handle_t *)async, async_closed);
        free(worker);
        return NULL;
    }
    pthread_setname_np(worker->thread, name);
    return worker;
}

void worker_hold(struct worker *worker, bool hold)
{
    if (hold)
        uv_ref((uv_handle_t *)worker->async);
    else
        uv_unref((uv_handle_t *)worker->async);
}

void worker_every(struct worker *worker, double seconds, void (*tick)(void *arg), void *arg)
{
    pthread_mutex_lock(&worker->lock);
    worker->tick = tick;
    worker->tick_arg = arg;
    worker->interval = seconds;
    worker->next = seconds_from_now(seconds);
    pthread_cond_signal(&worker->wake);
    pthread_mutex_unlock(&worker->lock);
}

bool worker_post(struct worker *worker, void (*run)(void *arg), void (*done)(void *arg), void *arg)
{
    struct job *job = calloc(1, sizeof *job);
    if (!job)
        return false;
    *job = (struct job){.run = run, .done = done, .arg = arg};
    pthread_mutex_lock(&worker->lock);
    bool taken = !worker->stopping;
    if (taken) {
        push(&worker->waiting, job);
        pthread_cond_signal(&worker->wake);
    }
    pthread_mutex_unlock(&worker->lock);
    if (!taken)
        free(job);
    return taken;
}

void worker_halt(struct worker *worker)
{
    if (!worker)
        return;
    pthread_mutex_lock(&worker->lock);
    worker->stopping = true;
    pthread_cond_signal(&worker->wake);
    pthread_mutex_unlock(&worker->lock);
    pthread_join(worker->thread, NULL);
    tell_finished(worker);
}

void worker_free(struct worker *worker)
{
    if (!worker)
        return;
    uv_close((uv_handle_t *)worker->async, async_closed);
    pthread_mutex_destroy(&worker->lock);
    pthread_cond_destroy(&worker->wake);
    free(worker);
}
