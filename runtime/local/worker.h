/* worker: a thread with a queue, for work that may block: database writes, fsync, searches.
 *
 * `run` is called on the worker's thread, in order; then `done` on the loop's thread, in a turn of the loop.
 * worker_post may be called on any thread.
 */
#ifndef UPJOB_LOCAL_WORKER_H
#define UPJOB_LOCAL_WORKER_H

#include "core/err.h"
#include "core/loop.h"

struct worker;

struct worker *worker_new(struct loop *loop, const char *name, struct err *err) MUST_CHECK;
/* False when memory is out or the worker was halted; then neither is called. `done` may be NULL. */
bool worker_post(struct worker *worker, void (*run)(void *arg), void (*done)(void *arg), void *arg) MUST_CHECK;
/* Runs what is queued, joins the thread, calls the outstanding `done`s. NULL is allowed. */
void worker_halt(struct worker *worker);
/* Frees a halted worker. NULL is allowed. */
void worker_free(struct worker *worker);

#endif
