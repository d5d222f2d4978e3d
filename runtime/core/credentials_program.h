/* credentials_program: runs a program on the loop and takes what it prints. Private to credentials*.c.
 *
 * Its standard input is empty, and no other file or connection of this process is open in it. None is left behind as a zombie,
 * but one that may not be killed; one that runs when this program is killed goes on.
 */
#ifndef UPJOB_CORE_CREDENTIALS_PROGRAM_H
#define UPJOB_CORE_CREDENTIALS_PROGRAM_H

#include "core/buf.h"
#include "core/loop.h"

/* Overwritten and freed once `done` has returned. */
struct program_end {
    int status;               /* of its exit */
    int signal;               /* that ended it, or 0 */
    bool timed_out;           /* it was killed for that */
    bool overflow;            /* … or because it printed more than it may */
    struct buf out, messages; /* standard output; the beginning of standard error */
};

struct program;
/* `words` (NULL-terminated, borrowed): the program, looked for in PATH, and its arguments. `done` comes in a
 * turn of the loop, once. NULL with *err filled when it cannot be started. */
struct program *program_start(struct loop *loop, char *const *words, size_t max_output, long timeout_ms,
                              void (*done)(void *arg, struct program_end *end), void *arg,
                              struct err *err) MUST_CHECK;
/* Kills it; `done` is not called. */
void program_stop(struct program *program);

#endif
