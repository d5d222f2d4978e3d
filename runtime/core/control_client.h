/* control_client: one request to a daemon through its control socket, and its answer. */
#ifndef UPJOB_CORE_CONTROL_CLIENT_H
#define UPJOB_CORE_CONTROL_CLIENT_H

#include <stddef.h>

#include "core/loop.h"

#define CONTROL_ANSWER ((size_t)64 << 20) /* bytes of an answer at most */

struct control_call;

/* Sends a line, which is given without its end and copied, to who listens in the directory. `done(arg)` is called once, in a turn,
 * unless it is freed before. NULL: ERR_NO_DAEMON and others of core/control_socket.h. */
struct control_call *control_call_new(struct loop *loop, const char *directory, const char *line, size_t len, uint64_t timeout_ms,
                                      void (*done)(void *arg), void *arg, struct err *err) MUST_CHECK;
/* After done: the answer, without its end, until it is freed; NULL: ERR_TIMEOUT, or ERR_CONNECTION when there was none. */
const char *control_call_answer(struct control_call *call, size_t *len, struct err *err);
/* Gives it up. NULL is allowed. */
void control_call_free(struct control_call *call);

#endif
