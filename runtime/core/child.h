/* child: a program that is run beside this one, with all that it starts, in a process group of its own.
 *
 * It has its three descriptors and no other. When it has ended, what is left of its group is killed; it is never left as a zombie.
 * One that runs when this process is killed goes on.
 */
#ifndef UPJOB_CORE_CHILD_H
#define UPJOB_CORE_CHILD_H

#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "core/loop.h"

#define CHILD_ASKS_KEEPER (SIGRTMIN + 1) /* the signal at which a keeper kills all that it keeps */
#define CHILD_LINE_MOST ((size_t)8 << 20) /* bytes of a line; a longer one is cut there */

struct child_end {
    int status; /* of its exit */
    int signal; /* that ended it, or 0 */
};

struct child_options {
    char *const *argv;       /* the program, looked for in PATH, and its arguments; NULL-terminated */
    char *const *env;        /* "NAME=value", NULL-terminated; NULL: this process's */
    const char *directory;   /* NULL: this process's */
    int output;              /* descriptor for its standard output and error; -1: standard output as lines or nowhere, and this
                                process's standard error */
    const char *input;       /* for its standard input, copied; NULL: it is empty */
    size_t input_size;
    bool kept;               /* this program, which has a keeper (host/keeper.h): what leaves its group ends with it, too */
    /* In a turn of the loop: a line of its standard output without its end; NULL: it goes nowhere. */
    void (*line)(void *arg, const char *text, size_t size);
    /* In a turn of the loop, once: it has ended and its output was read. child_free may be called from then on. */
    void (*ended)(void *arg, const struct child_end *end);
    void *arg;
};

struct child;

/* NULL with *err (ERR_SYSTEM) when it cannot be started: `ended` is not called then. */
struct child *child_start(struct loop *loop, const struct child_options *options, struct err *err) MUST_CHECK;
/* What is run from now on has its three standard descriptors and no other: curl makes sockets that are inherited. */
void child_keep_descriptors(void);
pid_t child_pid(const struct child *child);
/* The processor time that it has used itself, of all its threads and without what it has started, in seconds; 0 once it has ended. */
double child_cpu_seconds(const struct child *child);
/* Sends the signal to its whole group; nothing once it has ended. SIGKILL ends all that was started where it has a keeper. */
void child_signal(struct child *child, int number);
/* One that runs is killed; `ended` is not called. NULL is allowed. */
void child_free(struct child *child);

#endif
