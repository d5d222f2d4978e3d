/* app: what one process of the program holds, reached from any coroutine; and what bindings share. */
#ifndef UPJOB_BINDINGS_APP_H
#define UPJOB_BINDINGS_APP_H

#include <lauxlib.h>
#include <lua.h>
#include <stdbool.h>

#include "core/err.h"
#include "core/http.h"
#include "core/loop.h"

struct scheduler;

struct app {
    lua_State *L;   /* the main state */
    struct loop *loop;
    struct scheduler *scheduler;
    struct http *http;             /* made when first used: app_http; freed with free_http */
    void (*free_http)(struct http *http); /* of the client, which is loaded when first used; NULL until then */
    bool collects_in_steps;        /* by the collector's own choice: bindings/collector.h */
    const char *library_path;      /* UPJOB_PATH: read Lua files from this checkout; NULL: those built in */
};

/* Coroutines inherit the pointer from the state that made them. */
static inline struct app *app_of(lua_State *L)
{
    return *(struct app **)lua_getextraspace(L);
}

/* The HTTP client, made on first use; raises when it cannot be made. */
struct http *app_http(lua_State *L);

/* ---- errors (bindings/errors.c) ---- */

/* Pushes an error object, a table that reads as text: code message retryable, and what applies of operation status request_id
 * file line column value, and outcome = "unknown" where a request may have been carried out. */
void push_err(lua_State *L, const struct err *e);
/* nil, err: what a function that failed at run time returns. */
int fail_with(lua_State *L, const struct err *e);
/* Raises the object (iterators, cancelled waits). */
int raise_err(lua_State *L, const struct err *e);
/* error_object(table) and is_error(value), for the Lua half of the library. */
int native_error_object(lua_State *L);
int native_is_error(lua_State *L);

/* ---- options (bindings/options.c) ---- */

/* Misuse raises at the caller's line, before anything is done: an argument that must be a table of options, of which
 * only `known` (NULL-terminated) may be given. `what` names the function: "upload.put". */
void check_options(lua_State *L, int index, const char *what, const char *const *known);
/* A field by name, or the default when it is absent. The string lives as long as the table's field. */
const char *option_string(lua_State *L, int index, const char *what, const char *name, const char *fallback);
const char *need_string(lua_State *L, int index, const char *what, const char *name);
double option_number(lua_State *L, int index, const char *what, const char *name, double fallback);
/* A whole number within the limits, both included. */
long option_integer(lua_State *L, int index, const char *what, const char *name, long min, long max, long fallback);
bool option_boolean(lua_State *L, int index, const char *what, const char *name, bool fallback);
/* Seconds to milliseconds; absent: 0. */
long option_timeout_ms(lua_State *L, int index, const char *what, const char *name);
/* Pushes the field when it is a function or a callable and returns true; absent: pushes nothing, false. */
bool option_function(lua_State *L, int index, const char *what, const char *name);

/* ---- secrets (bindings/secret.c) ---- */

struct secret;
/* Pushes an opaque secret, which takes the ownership; it prints as <secret>. Returns where it keeps it, to be filled later
 * when it is NULL. */
struct secret **push_secret(lua_State *L, struct secret *secret);
/* The secret at `index` (a secret or a string, of which a secret is made and left on the stack in its place). */
const struct secret *check_secret(lua_State *L, int index, const char *what);

/* ---- temporary directories (bindings/temporary.c), for the Lua half ---- */

int native_temporary_directory(lua_State *L);
int native_remove_tree(lua_State *L);
int native_sweep_temporary(lua_State *L);

/* ---- directories (bindings/directory.c), for the Lua half ---- */

int native_list_files(lua_State *L);
int native_glob(lua_State *L);
int native_absolute(lua_State *L);

/* ---- the end (bindings/system.c) ---- */

/* The exit status: not 0 when what was printed could not be written. Where the reader has gone (head), nobody asks for it. */
int end_output(int status);

/* Each opens one native module: pushes its table. Those of http, credentials, profiles, upload, check, changes, survey and notify
 * are in client.so, the journal's is in journal.so, that of metrics in metrics.so (modules.h). */
/* Each opens one native module: pushes its table. Those of http, credentials, profiles, upload, s3, check, survey and notify are in
 * client.so, the journal's is in journal.so, that of metrics in metrics.so (modules.h). */
int open_native_task(lua_State *L);
int open_native_json(lua_State *L);
int open_native_http(lua_State *L);
int open_native_credentials(lua_State *L);
int open_native_log(lua_State *L);
int open_native_secret(lua_State *L);
int open_native_profiles(lua_State *L);
int open_native_upload(lua_State *L);
int open_native_s3(lua_State *L);
int open_native_csv(lua_State *L);
int open_native_check(lua_State *L);
int open_native_changes(lua_State *L);
int open_native_survey(lua_State *L);
int open_native_notify(lua_State *L);
int open_native_local(lua_State *L);
int open_native_metrics(lua_State *L);
int open_native_system(lua_State *L);
int open_native_supervisor(lua_State *L);
int open_native_schedule(lua_State *L);
int open_native_journal(lua_State *L);
int open_native_process(lua_State *L);
int open_native_signals(lua_State *L);
int open_native_lock(lua_State *L);
int open_native_folder(lua_State *L);
int open_native_control(lua_State *L);

#endif
