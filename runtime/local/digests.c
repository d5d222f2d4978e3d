#include "local/digests.h"

#include <pthread.h>
#include <stdlib.h>

#include "core/worker.h"

struct digests {
    struct worker *worker;
    pthread_mutex_t lock; /* of the pieces that wait. Each has a job of the worker, but an earlier job may have taken it along */
    struct digest_piece *first, **end;
};

struct digests *digests_new(struct loop *loop, struct err *err)
{
    struct digests *digests = calloc(1, sizeof *digests);
    if (!digests) {
        err_set(err, ERR_MEMORY, "out of memory");
        return NULL;
    }
    digests->end = &digests->first;
    digests->worker = worker_new(loop, "upjob-digest", err);
    if (!digests->worker) {
        free(digests);
        return NULL;
    }
    pthread_mutex_init(&digests->lock, NULL);
    return digests;
}

/* As many as go side by side. */
static size_t take(struct digests *digests, struct md5_piece pieces[MD5_LANES])
{
    size_t count = 0;
    pthread_mutex_lock(&digests->lock);
    for (; digests->first && count < MD5_LANES; digests->first = digests->first->next)
        pieces[count++] = digests->first->piece;
    if (!digests->first)
        digests->end = &digests->first;
    pthread_mutex_unlock(&digests->lock);
    return count;
}

static void make(void *arg)
{
    struct digest_piece *piece = arg;
    struct md5_piece pieces[MD5_LANES];
    md5_add(pieces, take(piece->digests, pieces));
}

static void made(void *arg)
{
    struct digest_piece *piece = arg;
    piece->done(piece->arg);
}

bool digests_add(struct digests *digests, struct digest_piece *piece)
{
    piece->digests = digests;
    piece->next = NULL;
    pthread_mutex_lock(&digests->lock);
    bool taken = worker_post(digests->worker, make, made, piece);
    if (taken) {
        *digests->end = piece;
        digests->end = &piece->next;
    }
    pthread_mutex_unlock(&digests->lock);
    return taken;
}

void digests_halt(struct digests *digests)
{
    if (digests)
        worker_halt(digests->worker);
}

void digests_free(struct digests *digests)
{
    if (!digests)
        return;
    worker_free(digests->worker);
    pthread_mutex_destroy(&digests->lock);
    free(digests);
}
