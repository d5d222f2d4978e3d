/* task: what the scheduler (wait.c) and the tasks that scripts see share: the module (task.c), waiting for tasks (join.c), their
 * errors (task_errors.c). For these only. */
#ifndef UPJOB_BINDINGS_TASK_H
#define UPJOB_BINDINGS_TASK_H

#include <lua.h>
#include <signal.h>
#include <stdbool.h>

#include "bindings/wait.h"
#include "core/err.h"

enum task_state { TASK_READY, TASK_RUNNING, TASK_WAITING, TASK_ENDED };

/* A userdata, alive until it has ended and nobody holds it. Its coroutine is its user value, so that results can be had as
 * long as the handle lives. */
struct task {
    struct app *app;
    lua_State *co;
    int self_ref;         /* keeps this userdata alive until it has ended */
    enum task_state state;
    int nargs;            /* of the first resume */
    bool started;
    bool handler;
    bool failed;                 /* its error is on its stack, and above it, unless it was pardoned, the text */
    bool pardoned;               /* its error is nobody's concern: it was made to end */
    bool untold;                 /* its error is kept until somebody asks for it */
    bool queued;
    struct wait *waiting;        /* what it yielded for */
    struct joining *joins;       /* whose ends it waits for */
    struct task *above;          /* that was resumed from within it and stands on the C stack above it */
    bool has_interrupt;
    struct err interrupt;        /* raised at its wait */
    int nresults;                /* on co's stack once it has ended */
    struct task *next_ready;
    struct task *previous, *next; /* all that have not ended; then those whose errors are untold */
    struct joined *joined;       /* who waits for its end */
    unsigned seen;               /* by which search for a circle */
    struct task *next_seen;
};

struct scheduler {
    struct app *app;
    struct task *current;
    struct task *main;
    struct task *ready_first, *ready_last;
    struct task *tasks;
    struct posted *posted;
    lua_State *running;
    volatile sig_atomic_t halted; /* by a signal: no task is resumed before on_halt was called */
    void (*on_halt)(struct scheduler *scheduler);
    struct task *untold;
    struct posted look;          /* for handles that are gone */
    struct loop_timer *look_timer;
    uint64_t look_ms;
    bool abandoned;              /* once the main task has ended: the tasks that are left are not waited for */
    bool had_errors;
    bool at_prompt;              /* errors of tasks do not make the program fail */
    int nested;                  /* waits that stand on the C stack, one above the other */
    bool pinned;                 /* what runs cannot leave the C stack: a coroutine below it cannot yield */
    unsigned searches;           /* for a circle, so far */
    char refusal[256];           /* why nothing is waited for, and no task started, for the time being; "" when they are */
};

/* ---- of wait.c ---- */

/* The task is to be resumed between turns, after those that are. Twice is once. */
void scheduler_enqueue(struct task *t);
/* As the first of all. */
void scheduler_enqueue_first(struct task *t);

/* ---- of task.c ---- */

/* The task whose handle is at `index`; raises when it is none. */
struct task *task_check(lua_State *L, int index);
/* Its coroutine has returned `nresults` values, or died with a status other than LUA_OK: whoever waits for it goes on. A task
 * that dies is still the running one, unless it never ran. */
void task_end(struct task *t, int status, int nresults);
/* Raises `e` at the task's wait. */
void task_interrupt(struct task *t, const struct err *e);
void task_link(struct task **list, struct task *t);
void task_unlink(struct task **list, struct task *t);

/* Seconds at `index`, 0 or more, in milliseconds: no timer is set for more than ages. Raises for anything else. */
uint64_t task_check_seconds(lua_State *L, int index);

/* ---- of join.c ---- */

/* The task has ended: whoever waits for it goes on. */
void join_ended(struct task *t);
/* Functions of the module. */
int join_wait(lua_State *L);
int join_all(lua_State *L);
int join_any(lua_State *L);
int join_refusal(lua_State *L);

/* ---- of task_errors.c ---- */

/* Pushes the text of the error at the top of the task's stack, with the traceback of where it was raised. */
void task_push_error_text(lua_State *L, struct task *t);
/* The task has failed and is in no list: error and text are on its stack. They are told when its handle is gone. */
void task_keep_error(struct task *t);
/* Somebody has its error: it is not told. */
void task_heard(struct task *t);
/* Its __gc. */
int task_collect(lua_State *L);

#endif
