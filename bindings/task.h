/* task: what the scheduler (wait.c) and the tasks that scripts see (task.c) share. For these two only. */
#ifndef UPJOB_BINDINGS_TASK_H
#define UPJOB_BINDINGS_TASK_H

#include <lua.h>
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
    bool failed, observed;
    bool queued;
    struct wait *waiting;        /* what it yielded for */
    struct task *waits_for;      /* the task whose end it waits for */
    bool has_interrupt;
    struct err interrupt;        /* raised at its wait */
    int nresults;                /* on co's stack once it has ended */
    struct task *next_ready;
    struct task *previous, *next; /* all tasks that have not ended */
    struct task_end *ends;       /* who waits for its end */
};

struct scheduler {
    struct app *app;
    struct task *current;
    struct task *main;
    struct task *ready_first, *ready_last;
    struct task *tasks;
    struct posted *posted;
    lua_State *running;
    bool had_errors;
};

/* ---- of wait.c ---- */

/* The task is to be resumed between turns. Twice is once. */
void scheduler_enqueue(struct task *t);

/* ---- of task.c ---- */

/* The task whose handle is at `index`; raises when it is none. */
struct task *task_check(lua_State *L, int index);
/* Its coroutine has returned `nresults` values, or died with a status other than LUA_OK: whoever waits for it goes on. */
void task_end(struct task *t, int status, int nresults);
/* Raises `e` at the task's wait. */
void task_interrupt(struct task *t, const struct err *e);

#endif
