#include "local/worker.h"

#include <pthread.h>
#include <stdlib.h>

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

static void *work(void *arg)
{
    struct worker *worker = arg;
    pthread_mutex_lock(&worker->lock);
    for (;;) {
        struct job *job = pop(&worker->waiting);
        if (!job && worker->stopping)
            break;
        if (!job) {
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
    /* A worker that has nothing to do does not keep the loop going. */
    uv_unref((uv_handle_t *)async);
    async->data = worker;
    worker->async = async;
    pthread_mutex_init(&worker->lock, NULL);
    pthread_cond_init(&worker->wake, NULL);
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
