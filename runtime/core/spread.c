#include "core/spread.h"

#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>

#define MAX_THREADS 64

struct spread {
    unsigned threads;
    pthread_t helpers[MAX_THREADS - 1];
    unsigned helper_count; /* started */
    bool tried;            /* to start them */
    pthread_mutex_t turn;  /* one run at a time */
    pthread_mutex_t lock;  /* of what follows */
    pthread_cond_t begun, left;
    uint64_t run;       /* number of the current run */
    bool open, ending;  /* a helper may join the run; the helpers are to end */
    unsigned joined;    /* helpers that are at work */
    void (*work)(void *arg, size_t from, size_t to);
    void *arg;
    size_t count, part;
    atomic_size_t next;
};

static unsigned usable_processors(void)
{
    cpu_set_t set;
    int n = sched_getaffinity(0, sizeof set, &set) == 0 ? CPU_COUNT(&set) : 1;
    return n > 0 ? (unsigned)n : 1;
}

struct spread *spread_new(unsigned threads)
{
    struct spread *spread = calloc(1, sizeof *spread);
    if (!spread)
        return NULL;
    if (threads == 0)
        threads = usable_processors();
    spread->threads = threads < MAX_THREADS ? threads : MAX_THREADS;
    pthread_mutex_init(&spread->turn, NULL);
    pthread_mutex_init(&spread->lock, NULL);
    pthread_cond_init(&spread->begun, NULL);
    pthread_cond_init(&spread->left, NULL);
    return spread;
}

unsigned spread_threads(const struct spread *spread)
{
    return spread->threads;
}

static void do_parts(struct spread *spread)
{
    for (;;) {
        size_t from = atomic_fetch_add(&spread->next, spread->part);
        if (from >= spread->count)
            return;
        size_t rest = spread->count - from;
        spread->work(spread->arg, from, from + (rest < spread->part ? rest : spread->part));
    }
}

static void *help(void *arg)
{
    struct spread *spread = arg;
    uint64_t seen = 0;
    pthread_mutex_lock(&spread->lock);
    for (;;) {
        while (!spread->ending && !(spread->open && spread->run != seen))
            pthread_cond_wait(&spread->begun, &spread->lock);
        if (spread->ending)
            break;
        seen = spread->run;
        spread->joined++;
        pthread_mutex_unlock(&spread->lock);
        do_parts(spread);
        pthread_mutex_lock(&spread->lock);
        if (--spread->joined == 0)
            pthread_cond_signal(&spread->left);
    }
    pthread_mutex_unlock(&spread->lock);
    return NULL;
}

static void start_helpers(struct spread *spread)
{
    sigset_t all, before;
    spread->tried = true;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    while (spread->helper_count + 1 < spread->threads &&
           pthread_create(&spread->helpers[spread->helper_count], NULL, help, spread) == 0)
        spread->helper_count++;
    pthread_sigmask(SIG_SETMASK, &before, NULL);
}

/* A helper that wakes up late finds the run closed: nobody waits for it. */
static void run_with_helpers(struct spread *spread)
{
    pthread_mutex_lock(&spread->lock);
    spread->run++;
    spread->open = true;
    pthread_cond_broadcast(&spread->begun);
    pthread_mutex_unlock(&spread->lock);
    do_parts(spread);
    pthread_mutex_lock(&spread->lock);
    spread->open = false;
    while (spread->joined > 0)
        pthread_cond_wait(&spread->left, &spread->lock);
    pthread_mutex_unlock(&spread->lock);
}

void spread_run(struct spread *spread, size_t count, size_t part, void (*work)(void *arg, size_t from, size_t to), void *arg)
{
    if (part == 0)
        part = 1;
    if (spread->threads == 1 || count <= part) {
        for (size_t from = 0; from < count; from += part)
            work(arg, from, count - from < part ? count : from + part);
        return;
    }
    pthread_mutex_lock(&spread->turn);
    if (!spread->tried)
        start_helpers(spread);
    spread->work = work;
    spread->arg = arg;
    spread->count = count;
    spread->part = part;
    atomic_store(&spread->next, 0);
    run_with_helpers(spread);
    pthread_mutex_unlock(&spread->turn);
}

void spread_free(struct spread *spread)
{
    if (!spread)
        return;
    pthread_mutex_lock(&spread->lock);
    spread->ending = true;
    pthread_cond_broadcast(&spread->begun);
    pthread_mutex_unlock(&spread->lock);
    for (unsigned i = 0; i < spread->helper_count; i++)
        pthread_join(spread->helpers[i], NULL);
    pthread_cond_destroy(&spread->left);
    pthread_cond_destroy(&spread->begun);
    pthread_mutex_destroy(&spread->lock);
    pthread_mutex_destroy(&spread->turn);
    free(spread);
}
