/* loop_watch: tells when a descriptor of any origin can be read: standard input, a named pipe, a terminal.
 *
 * It may be shared with other processes, so its flags stay as they are (uv_poll would make it non-blocking
 * for all of them).
 */
#ifndef UPJOB_CORE_LOOP_WATCH_H
#define UPJOB_CORE_LOOP_WATCH_H

#include "core/loop.h"

struct loop_watch;
/* Calls `ready(arg)` once, in a turn, when `fd` has something to read or has ended. The loop owns the watch;
 * it is gone once it has called or been stopped. NULL when the descriptor cannot be watched or memory is out.
 */
struct loop_watch *loop_watch_start(struct loop *loop, int fd, void (*ready)(void *arg), void *arg);
/* Before the descriptor is closed; NULL is allowed. */
void loop_watch_stop(struct loop_watch *watch);

#endif
