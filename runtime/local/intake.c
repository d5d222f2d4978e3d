#include "local/intake.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/secret.h"
#include "core/worker.h"
#include "local/digests.h"

#define MOST_THREADS 8

struct intakes {
    struct loop *loop;
    size_t most, count; /* threads that write: that there may be, and are */
    size_t next;        /* that has its turn */
    bool halted;
    struct worker *workers[MOST_THREADS];
    struct digests *digests; /* NULL: no upload has come yet */
};

struct block {
    unsigned char *bytes;
    size_t len;
};

struct intake {
    struct intakes *all;
    struct worker *worker; /* one for all of it: blocks are written in their order */
    struct object_writer *writer;
    void (*told)(void *arg);
    void *arg;
    struct block filling, written;
    struct md5 md5;
    struct digest_piece piece;
    int busy;     /* threads that have `written`: `facts` and `failure` are one's, `md5` is the other's */
    bool ending;  /* all has come */
    bool ended;   /* and is being written, or was */
    bool waiting; /* to be told */
    bool freed;   /* as soon as the thread has done with it */
    struct object_facts facts;
    struct err failure;
};

/* ---- the threads ---- */

struct intakes *intakes_new(struct loop *loop)
{
    struct intakes *intakes = calloc(1, sizeof *intakes);
    long processors = sysconf(_SC_NPROCESSORS_ONLN);
    if (!intakes)
        return NULL;
    intakes->loop = loop;
    intakes->most = processors < 1 ? 1 : processors > MOST_THREADS ? MOST_THREADS : (size_t)processors;
    return intakes;
}

void intakes_halt(struct intakes *intakes)
{
    if (!intakes)
        return;
    intakes->halted = true;
    for (size_t i = 0; i < intakes->count; i++)
        worker_halt(intakes->workers[i]);
    digests_halt(intakes->digests);
}

void intakes_free(struct intakes *intakes)
{
    if (!intakes)
        return;
    for (size_t i = 0; i < intakes->count; i++)
        worker_free(intakes->workers[i]);
    digests_free(intakes->digests);
    free(intakes);
}

/* It may be kept when it is sent once more, to this service or the next one. */
static void fail_to_keep(struct err *err)
{
    err_set(err, ERR_SYSTEM, "the uploaded file cannot be kept: the service is stopping, or memory is out");
    err->retryable = true;
}

/* The next one. With threads running, one that cannot be started is none that is missed. */
static struct worker *take_turn(struct intakes *intakes, struct err *err)
{
    if (intakes->halted) {
        fail_to_keep(err);
        return NULL;
    }
    if (!intakes->digests && !(intakes->digests = digests_new(intakes->loop, err)))
        return NULL;
    if (intakes->count < intakes->most) {
        struct worker *worker = worker_new(intakes->loop, "upjob-intake", err);
        if (worker)
            return intakes->workers[intakes->count++] = worker;
        if (intakes->count == 0)
            return NULL;
        err_clear(err);
        intakes->most = intakes->count;
    }
    return intakes->workers[intakes->next++ % intakes->count];
}

/* ---- an intake ---- */

struct intake *intake_new(struct intakes *intakes, struct object_writer *writer, void (*told)(void *arg), void *arg,
                          struct err *err)
{
    struct intake *intake = calloc(1, sizeof *intake);
    if (!intake) {
        err_set(err, ERR_MEMORY, "out of memory");
        object_writer_free(writer);
        return NULL;
    }
    intake->all = intakes;
    intake->writer = writer;
    intake->told = told;
    md5_begin(&intake->md5);
    intake->arg = arg;
    intake->filling.bytes = malloc(INTAKE_BLOCK);
    intake->written.bytes = malloc(INTAKE_BLOCK);
    if (!intake->filling.bytes || !intake->written.bytes)
        err_set(err, ERR_MEMORY, "out of memory");
    else if ((intake->worker = take_turn(intakes, err)))
        return intake;
    intake_free(intake);
    return NULL;
}

/* ---- on the writing thread ---- */

static void write_block(void *arg)
{
    struct intake *intake = arg;
    if (!intake->failure.code[0] &&
        object_writer_add(intake->writer, intake->written.bytes, intake->written.len, &intake->failure) && intake->ended)
        (void)!object_writer_end(intake->writer, &intake->facts, &intake->failure);
}

/* ---- on the loop's ---- */

static void block_done(void *arg);

/* To the threads, unless one of them takes no more. */
static void hand_over(struct intake *intake)
{
    intake->piece = (struct digest_piece){.piece = {&intake->md5, intake->written.bytes, intake->written.len},
                                          .done = block_done,
                                          .arg = intake};
    intake->busy = digests_add(intake->all->digests, &intake->piece);
    if (intake->busy && worker_post(intake->worker, write_block, block_done, intake))
        intake->busy = 2;
    else if (!intake->failure.code[0])
        fail_to_keep(&intake->failure);
}

/* The block that was filled becomes the one that is written. */
static void pass_block(struct intake *intake)
{
    struct block free_one = intake->written;
    intake->written = intake->filling;
    intake->filling = free_one;
    intake->filling.len = 0;
    intake->ended = intake->ending;
    hand_over(intake);
}

static void tell(struct intake *intake)
{
    if (!intake->waiting)
        return;
    intake->waiting = false;
    intake->told(intake->arg);
}

/* Written, or in the digest. */
static void block_done(void *arg)
{
    struct intake *intake = arg;
    if (--intake->busy > 0)
        return;
    if (intake->freed) {
        intake_free(intake);
        return;
    }
    bool more = intake->filling.len == INTAKE_BLOCK || (intake->ending && !intake->ended);
    if (more && !intake->failure.code[0])
        pass_block(intake);
    if (!intake->ending || !intake->busy)
        tell(intake);
}

static bool has_failed(const struct intake *intake)
{
    return !intake->busy && intake->failure.code[0];
}

size_t intake_room(const struct intake *intake)
{
    return has_failed(intake) ? INTAKE_BLOCK : INTAKE_BLOCK - intake->filling.len;
}

void intake_wait(struct intake *intake)
{
    intake->waiting = true;
}

bool intake_add(struct intake *intake, const void *bytes, size_t len, struct err *err)
{
    if (!has_failed(intake)) {
        memcpy(intake->filling.bytes + intake->filling.len, bytes, len);
        intake->filling.len += len;
        if (intake->filling.len == INTAKE_BLOCK && !intake->busy)
            pass_block(intake);
    }
    if (has_failed(intake))
        *err = intake->failure;
    return !has_failed(intake);
}

void intake_end(struct intake *intake)
{
    intake->ending = intake->waiting = true;
    if (!intake->busy)
        pass_block(intake);
    if (!intake->busy)
        tell(intake);
}

bool intake_facts(const struct intake *intake, struct object_facts *facts, struct err *err)
{
    if (intake->failure.code[0]) {
        *err = intake->failure;
        return false;
    }
    *facts = intake->facts;
    struct md5 whole = intake->md5;
    md5_end(&whole, facts->md5);
    return true;
}

struct object_writer *intake_writer(const struct intake *intake)
{
    return intake->writer;
}

static void free_block(struct block *block)
{
    if (block->bytes)
        secret_cleanse(block->bytes, INTAKE_BLOCK);
    free(block->bytes);
}

void intake_free(struct intake *intake)
{
    if (!intake)
        return;
    intake->freed = true;
    if (intake->busy)
        return;
    free_block(&intake->filling);
    free_block(&intake->written);
    object_writer_free(intake->writer);
    secret_cleanse(&intake->md5, sizeof intake->md5);
    free(intake);
}
