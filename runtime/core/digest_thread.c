#include "core/digest_thread.h"

#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#define BLOCKS 4

struct digest_thread {
    struct digest *digest; /* the thread's while it runs */
    pthread_t thread;
    bool running, tried;
    size_t len;            /* of the block that is being filled */
    pthread_mutex_t lock;  /* of what follows */
    pthread_cond_t filled, emptied;
    size_t begin, end;     /* blocks from begin to end, counted on and on, wait for the digest; `end` is being filled */
    bool ending;
    bool failed;
    struct err failure;
    char blocks[BLOCKS][DIGEST_THREAD_BLOCK];
};

struct digest_thread *digest_thread_new(struct err *err)
{
    struct digest_thread *digest = malloc(sizeof *digest);
    if (!digest) {
        err_set(err, ERR_MEMORY, "cannot compute the file's MD5: out of memory");
        return NULL;
    }
    memset(digest, 0, offsetof(struct digest_thread, blocks));
    digest->digest = digest_new(err);
    if (!digest->digest) {
        free(digest);
        return NULL;
    }
    pthread_mutex_init(&digest->lock, NULL);
    pthread_cond_init(&digest->filled, NULL);
    pthread_cond_init(&digest->emptied, NULL);
    return digest;
}

/* ---- the thread ---- */

static void *work(void *arg)
{
    struct digest_thread *digest = arg;
    struct err err;
    err_clear(&err);
    pthread_mutex_lock(&digest->lock);
    while (digest->begin < digest->end || !digest->ending) {
        if (digest->begin == digest->end) {
            pthread_cond_wait(&digest->filled, &digest->lock);
            continue;
        }
        const char *block = digest->blocks[digest->begin % BLOCKS];
        pthread_mutex_unlock(&digest->lock);
        bool done = digest_add(digest->digest, block, DIGEST_THREAD_BLOCK, &err);
        pthread_mutex_lock(&digest->lock);
        if (!done && !digest->failed)
            digest->failure = err;
        digest->failed = digest->failed || !done;
        digest->begin++;
        pthread_cond_signal(&digest->emptied);
    }
    pthread_mutex_unlock(&digest->lock);
    return NULL;
}

static void start(struct digest_thread *digest)
{
    sigset_t all, before;
    digest->tried = true;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    digest->running = pthread_create(&digest->thread, NULL, work, digest) == 0;
    pthread_sigmask(SIG_SETMASK, &before, NULL);
}

static void stop(struct digest_thread *digest)
{
    if (!digest->running)
        return;
    pthread_mutex_lock(&digest->lock);
    digest->ending = true;
    pthread_cond_signal(&digest->filled);
    pthread_mutex_unlock(&digest->lock);
    pthread_join(digest->thread, NULL);
    digest->running = false;
}

/* ---- its owner ---- */

/* The block that is filled is full: there is room for another afterwards. */
static bool pass_block(struct digest_thread *digest, struct err *err)
{
    digest->len = 0;
    if (!digest->tried)
        start(digest);
    if (!digest->running)
        return digest_add(digest->digest, digest->blocks[digest->end % BLOCKS], DIGEST_THREAD_BLOCK, err);
    pthread_mutex_lock(&digest->lock);
    digest->end++;
    pthread_cond_signal(&digest->filled);
    while (digest->end - digest->begin == BLOCKS)
        pthread_cond_wait(&digest->emptied, &digest->lock);
    pthread_mutex_unlock(&digest->lock);
    return true;
}

bool digest_thread_add(struct digest_thread *digest, const void *bytes, size_t len, struct err *err)
{
    const char *from = bytes;
    while (len > 0) {
        if (digest->len == DIGEST_THREAD_BLOCK && !pass_block(digest, err))
            return false;
        size_t room = DIGEST_THREAD_BLOCK - digest->len, n = len < room ? len : room;
        memcpy(digest->blocks[digest->end % BLOCKS] + digest->len, from, n);
        digest->len += n;
        from += n;
        len -= n;
    }
    return true;
}

bool digest_thread_text(struct digest_thread *digest, char out[DIGEST_TEXT], struct err *err)
{
    stop(digest);
    if (digest->failed) {
        *err = digest->failure;
        return false;
    }
    return digest_add(digest->digest, digest->blocks[digest->end % BLOCKS], digest->len, err) &&
           digest_text(digest->digest, out, err);
}

void digest_thread_free(struct digest_thread *digest)
{
    if (!digest)
        return;
    stop(digest);
    digest_free(digest->digest);
    pthread_cond_destroy(&digest->emptied);
    pthread_cond_destroy(&digest->filled);
    pthread_mutex_destroy(&digest->lock);
    free(digest);
}
