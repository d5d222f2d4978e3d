/* wait: how Lua waits. The only unit with lua_yieldk and lua_resume.
 *
 * A task is a coroutine that the scheduler resumes. A binding that must wait makes a userdata whose first member
 * is a struct wait, starts its work, and returns wait_for(L, index). Its callback (in a turn of the loop) fills the
 * userdata and calls wait_finish. The task is resumed between turns, and the wait's `results` pushes what the call
 * returns. Where Lua cannot yield (require, table.sort, a metamethod called from C) wait_for runs the scheduler itself,
 * all tasks but those already on the C stack. coroutine.resume and coroutine.wrap pass a wait through.
 */
#ifndef UPJOB_BINDINGS_WAIT_H
#define UPJOB_BINDINGS_WAIT_H

#include <lua.h>
#include <stdbool.h>

#include "core/err.h"
#include "core/loop.h"

struct app;
struct task;
struct wait;

struct wait_class {
    /* Pushes the results of a finished wait; may raise. The userdata is at `index`. NULL: there are none. */
    int (*results)(lua_State *L, struct wait *wait, int index);
    /* Gives up the work that is under way, or results that nobody takes; never calls wait_finish. NULL: nothing to give up. */
    void (*cancel)(struct wait *wait);
    bool by_tasks; /* other tasks may have to run before it is over */
};

/* The first member of every userdata that is waited for. */
struct wait {
    const struct wait_class *class;
    struct app *app;
    struct task *task;  /* that waits for it by yielding; NULL when none does */
    bool started;       /* the work is under way: cancel is due when it is dropped */
    bool done;
};

struct scheduler;
/* `on_halt` is called between turns after scheduler_halt, which may come from a signal handler. */
struct scheduler *scheduler_new(struct app *app, void (*on_halt)(struct scheduler *scheduler));
void scheduler_free(struct scheduler *scheduler);

/* Raises the reason while waits are refused (native.task.refuse_waits). */
void wait_check_refusal(lua_State *L);
/* Makes a userdata of `size` bytes, zeroed, with a struct wait at its head; its metatable cancels on collection. Raises while
 * waits are refused, before there is any work. */
void *wait_new(lua_State *L, size_t size, const struct wait_class *class);
/* Waits for the userdata at `index` (absolute) and returns its results. Must be the binding's return expression. */
int wait_for(lua_State *L, int index);
/* As a nested wait, whatever the place, for C that must not be jumped over: false when the task was interrupted, with what;
 * it is then the caller's to raise. */
bool wait_quietly(lua_State *L, struct wait *wait, struct err *interrupt) MUST_CHECK;
/* Calls in protected mode, as lua_pcall does, a function that may wait: returns its status, unless it waited where Lua can yield;
 * then `then` goes on in the caller's place, with LUA_YIELD or the status of an error. */
int wait_pcall(lua_State *L, int nargs, int nresults, lua_KContext context, lua_KFunction then);
/* From a callback: the work has ended. Idempotent. */
void wait_finish(struct wait *wait);

/* Starts the function with `nargs` arguments on top of the stack as a task; pops them, pushes the task's handle. A
 * handler's error is told at once and ends nothing else. */
void task_spawn(lua_State *L, int nargs, bool handler);
/* Runs the scheduler until the task at `index` has ended and, when `all`, every other one too. From the host only,
 * outside of any task. Returns LUA_OK or an error status, with the results or the error pushed, *count of them. */
int scheduler_run(lua_State *L, int index, int *count);
/* Runs the tasks that are left until they have ended, or the program is interrupted. */
void scheduler_drain(lua_State *L);
/* Between turns no task is resumed before `on_halt` was called. */
void scheduler_halt(struct scheduler *scheduler);
/* Makes `e` be raised at the wait of the main task, before any other goes on, and in the tasks that stand on the C stack above
 * it. When the main task has ended, no task is waited for any longer. From between turns. */
void scheduler_interrupt(struct scheduler *scheduler, const struct err *e);
/* From the hook of a coroutine that computes and is about to raise: true when the main task runs it, and so has been
 * interrupted. Any other task is given up, and the main one is still to be interrupted. */
bool scheduler_interrupts_main(struct scheduler *scheduler);
/* Gives up every task but the running one. */
void scheduler_cancel_all(lua_State *L);
/* Tells the errors of tasks that nobody waited for: when the program ends. */
void scheduler_tell_errors(struct scheduler *scheduler);
/* True when such an error was told. */
bool scheduler_had_errors(const struct scheduler *scheduler);
/* The coroutine that runs now: for the signal handler's hook. */
lua_State *scheduler_running(const struct scheduler *scheduler);

/* Something to do in Lua because of a callback, between turns: callbacks themselves run no Lua. Embedded in its owner,
 * who unposts it before it goes. Posting twice is once. */
struct posted {
    void (*run)(lua_State *L, struct posted *posted);
    struct posted *next;
    bool queued;
};
void scheduler_post(struct scheduler *scheduler, struct posted *posted);
void scheduler_unpost(struct scheduler *scheduler, struct posted *posted);

/* Replaces resume and wrap in the coroutine library. */
void wait_patch_coroutines(lua_State *L);
#endif
