/* control_server: answers callers on a daemon's control socket, line by line.
 *
 * A caller sends lines and gets one for each, in turn: its next one is read when it has its answer, so that nobody makes us keep
 * much. Lines have CONTROL_LINE bytes at most; CONTROL_CALLERS are served at a time. Who is silent, or does not take its answer,
 * is let go after CONTROL_SILENT_MS, and at once, if it was silent for a second, when others need the room.
 */
#ifndef UPJOB_CORE_CONTROL_SERVER_H
#define UPJOB_CORE_CONTROL_SERVER_H

#include <stdint.h>

#include "core/loop.h"

#define CONTROL_LINE ((size_t)1 << 20)
#define CONTROL_CALLERS 64
#define CONTROL_SILENT_MS 30000

struct control_server;

struct control_request {
    uint64_t caller;
    char *line; /* without its end; to be freed */
    size_t len;
};

/* Listens in the directory. `asked(arg)` is called in turns of the loop when there is a request. The lines for who is not served
 * are the caller's, static. NULL with ERR_CONFIG: core/control_socket.h. */
struct control_server *control_server_new(struct loop *loop, const char *directory, const char *too_long, const char *too_many,
                                          void (*asked)(void *arg), void *arg, struct err *err) MUST_CHECK;
/* The next request that nobody has taken yet; false when there is none. */
bool control_server_next(struct control_server *server, struct control_request *request);
/* The answer to a request: a line without its end, which is copied. Of a caller that has gone, nothing. */
void control_server_answer(struct control_server *server, uint64_t caller, const char *line, size_t len);
/* Removes the socket; callers are let go. NULL is allowed. */
void control_server_free(struct control_server *server);

#endif
