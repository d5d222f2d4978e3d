#include "local/ingest_private.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* ---- domains ---- */

struct domain *ingest_open_domain(struct ingest *ingest, int64_t id, struct err *err)
{
    for (struct domain *d = ingest->domains; d; d = d->next)
        if (d->id == id)
            return d;
    struct domain *d = calloc(1, sizeof *d);
    if (!d) {
        err_set(err, ERR_MEMORY, "out of memory");
        return NULL;
    }
    d->id = id;
    d->profiles = profiles_open(ingest->data_dir, id, ingest->ephemeral, err);
    if (!d->profiles) {
        free(d);
        return NULL;
    }
    pthread_mutex_lock(&ingest->lock);
    d->next = ingest->domains;
    ingest->domains = d;
    pthread_mutex_unlock(&ingest->lock);
    return d;
}

void ingest_close_store(struct ingest *ingest, struct domain *domain)
{
    profiles_close(domain->profiles);
    domain->profiles = NULL;
    pthread_mutex_lock(&ingest->lock);
    for (struct domain **p = &ingest->domains; *p; p = &(*p)->next) {
        if (*p == domain) {
            *p = domain->next;
            break;
        }
    }
    pthread_cond_broadcast(&ingest->changed);
    pthread_mutex_unlock(&ingest->lock);
    free(domain);
}

/* ---- the thread ---- */

static bool wants_turn(const struct active *a, double now)
{
    return a->stop || a->not_before <= now;
}

/* Until the list changes, or some job may have waited long enough. */
static void wait_for_change(struct ingest *ingest)
{
    struct timespec until;
    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_nsec += 200000000;
    until.tv_sec += until.tv_nsec / 1000000000;
    until.tv_nsec %= 1000000000;
    if (ingest->jobs)
        pthread_cond_timedwait(&ingest->changed, &ingest->lock, &until);
    else
        pthread_cond_wait(&ingest->changed, &ingest->lock);
}

/* Takes the next job that wants its turn out of the list; NULL when the thread is to end. */
static struct active *next_job(struct ingest *ingest)
{
    struct active *a = NULL;
    pthread_mutex_lock(&ingest->lock);
    while (!a && !ingest->halt) {
        struct active **p = &ingest->jobs;
        double now = clock_steady();
        /* One that is to stop has hardly anything to do, and somebody waits for its end. */
        while (*p && !(*p)->stop)
            p = &(*p)->next;
        if (!*p)
            p = &ingest->jobs;
        while (*p && !wants_turn(*p, now))
            p = &(*p)->next;
        a = *p;
        if (a)
            *p = a->next;
        else
            wait_for_change(ingest);
    }
    ingest->current = a;
    pthread_mutex_unlock(&ingest->lock);
    return a;
}

static void append(struct active **list, struct active *a)
{
    a->next = NULL;
    while (*list)
        list = &(*list)->next;
    *list = a;
}

/* After its turn a job goes to the end of the list, or away. It is not `current` while it is freed: others look at that one. */
static void put_back(struct ingest *ingest, struct active *a, bool goes_on)
{
    pthread_mutex_lock(&ingest->lock);
    ingest->current = NULL;
    if (goes_on)
        append(&ingest->jobs, a);
    pthread_cond_broadcast(&ingest->changed);
    pthread_mutex_unlock(&ingest->lock);
    if (!goes_on)
        ingest_free_job(ingest, a);
}

static void *work(void *arg)
{
    struct ingest *ingest = arg;
    struct active *a;
    while ((a = next_job(ingest)))
        put_back(ingest, a, ingest_turn(ingest, a));
    return NULL;
}

struct ingest *ingest_new(const char *data_dir, struct objects *objects, bool ephemeral, const struct clock *clock,
                          const struct ingest_events *events, struct err *err)
{
    struct ingest *ingest = calloc(1, sizeof *ingest);
    if (!ingest) {
        err_set(err, ERR_MEMORY, "out of memory");
        return NULL;
    }
    snprintf(ingest->data_dir, sizeof ingest->data_dir, "%s", data_dir);
    ingest->objects = objects;
    ingest->ephemeral = ephemeral;
    ingest->clock = clock;
    ingest->events = *events;
    pthread_mutex_init(&ingest->lock, NULL);
    pthread_condattr_t steady;
    pthread_condattr_init(&steady);
    pthread_condattr_setclock(&steady, CLOCK_MONOTONIC);
    pthread_cond_init(&ingest->changed, &steady);
    pthread_condattr_destroy(&steady);
    int status = pthread_create(&ingest->thread, NULL, work, ingest);
    ingest->running = status == 0;
    if (ingest->running) {
        pthread_setname_np(ingest->thread, "upjob-ingest");
        return ingest;
    }
    err_errno(err, ERR_SYSTEM, status, "cannot start a thread");
    ingest_free(ingest);
    return NULL;
}

bool ingest_start(struct ingest *ingest, struct job_plan *plan, struct err *err)
{
    struct active *a = calloc(1, sizeof *a);
    if (!a)
        return err_set(err, ERR_MEMORY, "out of memory");
    a->job = *plan;
    a->stop = plan->stop;
    if (plan->inferred->queue_seconds > 0)
        a->not_before = clock_steady() + plan->inferred->queue_seconds;
    memset(plan, 0, sizeof *plan);
    pthread_mutex_lock(&ingest->lock);
    append(&ingest->jobs, a);
    pthread_cond_broadcast(&ingest->changed);
    pthread_mutex_unlock(&ingest->lock);
    return true;
}

void ingest_stop_job(struct ingest *ingest, const char *job_id)
{
    pthread_mutex_lock(&ingest->lock);
    if (ingest->current && strcmp(ingest->current->job.job_id, job_id) == 0)
        ingest->current->stop = true;
    for (struct active *a = ingest->jobs; a; a = a->next)
        if (strcmp(a->job.job_id, job_id) == 0)
            a->stop = true;
    pthread_cond_broadcast(&ingest->changed);
    pthread_mutex_unlock(&ingest->lock);
}

/* True while a job of the domain, or its store, is there. */
static bool domain_in_use(struct ingest *ingest, int64_t domain_id)
{
    bool used = ingest->current && ingest->current->job.domain_id == domain_id;
    if (used)
        ingest->current->stop = true;
    for (struct active *a = ingest->jobs; a; a = a->next) {
        if (a->job.domain_id != domain_id)
            continue;
        a->stop = true;
        used = true;
    }
    for (struct domain *d = ingest->domains; d; d = d->next)
        used = used || d->id == domain_id;
    return used;
}

void ingest_close_domain(struct ingest *ingest, int64_t domain_id)
{
    pthread_mutex_lock(&ingest->lock);
    while (!ingest->halt && domain_in_use(ingest, domain_id)) {
        pthread_cond_broadcast(&ingest->changed);
        pthread_cond_wait(&ingest->changed, &ingest->lock);
    }
    pthread_mutex_unlock(&ingest->lock);
}

void ingest_halt(struct ingest *ingest)
{
    if (!ingest || !ingest->running)
        return;
    pthread_mutex_lock(&ingest->lock);
    ingest->halt = true;
    pthread_cond_broadcast(&ingest->changed);
    pthread_mutex_unlock(&ingest->lock);
    pthread_join(ingest->thread, NULL);
    ingest->running = false;
}

void ingest_free(struct ingest *ingest)
{
    if (!ingest)
        return;
    ingest_halt(ingest);
    while (ingest->jobs) {
        struct active *a = ingest->jobs;
        ingest->jobs = a->next;
        ingest_free_job(ingest, a);
    }
    pthread_mutex_destroy(&ingest->lock);
    pthread_cond_destroy(&ingest->changed);
    free(ingest);
}
