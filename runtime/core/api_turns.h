/* api_turns: the calls of one operation, in the order in which they came, each sent when the rate has room for it. One that
 * leaves before its turn takes nothing of the rate: those behind it move up.
 */
#ifndef UPJOB_CORE_API_TURNS_H
#define UPJOB_CORE_API_TURNS_H

#include <stdbool.h>

#include "core/api_rate.h"
#include "core/err.h"
#include "core/loop.h"

/* A place in the queue. In place within what waits; zero it first. */
struct api_turn {
    struct api_turns *of; /* that it waits in, or NULL */
    struct api_turn *next;
    void (*came)(void *arg);
    void *arg;
};

/* One per operation and client, in place. */
struct api_turns {
    struct loop *loop;
    struct api_rate rate;
    struct api_turn *first; /* that waits, or NULL */
    struct loop_timer *timer; /* of the first, or NULL */
};

/* `most` as for api_rate_init. */
void api_turns_init(struct api_turns *turns, struct loop *loop, double most);
/* True when a call may be sent at once, and is counted; else it has to wait. */
bool api_turns_take(struct api_turns *turns) MUST_CHECK;
/* Puts `turn` at the end of the queue: `came(arg)` is called in a turn of the loop, once, when the call may be sent. */
bool api_turns_wait(struct api_turns *turns, struct api_turn *turn, void (*came)(void *arg), void *arg, struct err *e) MUST_CHECK;
/* It waits no more; nothing happens when it does not. */
void api_turn_leave(struct api_turn *turn);
/* The service throttled a call that was sent at `sent`, in the seconds of api_turns_now; or it answered one. */
void api_turns_throttled(struct api_turns *turns, double sent);
void api_turns_answered(struct api_turns *turns);
double api_turns_now(void);

#endif
