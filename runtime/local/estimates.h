/* estimates: counts the members of segments, on a thread of its own, in slices: one after the other of those that are asked for,
 * so that a large one keeps no small one waiting, and none keeps a store from being written to.
 */
#ifndef UPJOB_LOCAL_ESTIMATES_H
#define UPJOB_LOCAL_ESTIMATES_H

#include "core/loop.h"
#include "core/worker.h"
#include "local/clock.h"
#include "local/state_segments.h"

struct estimates;

/* Ends are written down in `state`, on its worker. All of these outlive it. */
struct estimates *estimates_new(struct loop *loop, const char *data_dir, const struct clock *clock, struct state *state,
                                struct worker *state_worker, struct err *err) MUST_CHECK;
/* Whether one more may be asked for: so many run at once at most. Any thread. */
bool estimates_have_room(const struct estimates *estimates);
/* Takes one on, its plan too, which is freed also when it fails. Any thread. */
bool estimates_start(struct estimates *estimates, struct estimate_task *task, struct err *err) MUST_CHECK;
/* Ends what runs; it is RUNNING still, for the next start. Before the state's worker is halted. NULL is allowed. */
void estimates_halt(struct estimates *estimates);
/* After the state's worker was halted. NULL is allowed. */
void estimates_free(struct estimates *estimates);

#endif
