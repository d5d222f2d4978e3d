/* worker: a thread with a queue, for work that may block: database writes, fsync, searches.
 *
 * `run` is called on the worker's thread, in order; then `done` on the loop's thread, in a turn of the loop.
 * worker_post may be called on any thread.
 */
#ifndef UPJOB_CORE_WORKER_H
#define UPJOB_CORE_WORKER_H

#include "core/err.h"
#include "core/loop.h"

struct worker;

struct worker *worker_new(struct loop *loop, const char *name, struct err *err) MUST_CHECK;
/* False when memory is out or the worker was halted; then neither is called. `done` may be NULL. */
bool worker_post(struct worker *worker, void (*run)(void *arg), void (*done)(void *arg), void *arg) MUST_CHECK;
/* Whether the loop goes on for the worker: a worker that nobody waits for does not keep a program from its end. From the loop's
 * thread. */
void worker_hold(struct worker *worker, bool hold);
/* From now on calls `tick(arg)` on the worker's thread whenever `seconds` have passed, also while the loop is busy. Once. */
void worker_every(struct worker *worker, double seconds, void (*tick)(void *arg), void *arg);
/* Runs what is queued, joins the thread, calls the outstanding `done`s. NULL is allowed. */
void worker_halt(struct worker *worker);
/* Frees a halted worker. NULL is allowed. */
void worker_free(struct worker *worker);

#endif
