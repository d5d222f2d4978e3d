/* csv_source: what a reader reads: a string, the strings that a function gives, or a pipe or a terminal that has to be waited
 * for. */
#include <string.h>

#include "bindings/csv.h"
#include "bindings/wait.h"
#include "core/loop_watch.h"

long csv_give_text(void *arg, char *into, size_t size, struct err *e)
{
    struct reader *reader = arg;
    size_t n = reader->text_left < size ? reader->text_left : size;
    if (reader->ask_failed) {
        err_set(e, ERR_FILE, "the function that gives the text has failed");
        return -1;
    }
    if (n == 0)
        return reader->text_ended ? 0 : CSV_SOURCE_WAITS;
    memcpy(into, reader->text, n);
    reader->text += n;
    reader->text_left -= n;
    return (long)n;
}

void csv_set_text(lua_State *L, int reader_index, int index)
{
    struct reader *reader = lua_touserdata(L, reader_index);
    lua_pushvalue(L, index);
    reader->text = lua_tolstring(L, -1, &reader->text_left);
    lua_setiuservalue(L, reader_index, READER_TEXT);
}

bool csv_waits(const struct reader *reader)
{
    return csv_reader_waits(reader->csv);
}

int csv_waits_for(const struct reader *reader)
{
    int fd = -1;
    return reader->input && input_waits(reader->input, &fd) ? fd : -1;
}

/* ---- asking the function ---- */

static bool has_code(lua_State *L, int index, const char *code)
{
    lua_getfield(L, index, "code");
    bool has = lua_type(L, -1) == LUA_TSTRING && strcmp(lua_tostring(L, -1), code) == 0;
    lua_pop(L, 1);
    return has;
}

static bool is_error_object(lua_State *L, int index)
{
    lua_pushcfunction(L, native_is_error);
    lua_pushvalue(L, index);
    lua_call(L, 1, 1);
    bool is = lua_toboolean(L, -1);
    lua_pop(L, 1);
    return is;
}

/* What is at `index` becomes the reader's error: an error object as it is, anything else as a text. What interrupts the task is
 * not the function's. */
static void fail_with_value(lua_State *L, struct reader *reader, int index)
{
    struct err e;
    if (is_error_object(L, index)) {
        if (has_code(L, index, ERR_CANCELLED) || has_code(L, index, ERR_INTERRUPTED)) {
            lua_pushvalue(L, index);
            lua_error(L);
        }
        lua_pushvalue(L, index);
    } else {
        err_clear(&e);
        err_set(&e, ERR_FILE, "the function that gives the text of the CSV reader failed: %s", luaL_tolstring(L, index, NULL));
        push_err(L, &e);
    }
    lua_setiuservalue(L, 1, READER_FAILURE);
    reader->ask_failed = true;
}

/* The function has returned: its two values, or its error, are on top of the stack. */
static void take_answer(lua_State *L, struct reader *reader, int status)
{
    int top = lua_gettop(L);
    reader->asking = false;
    if (status != LUA_OK && status != LUA_YIELD) {
        fail_with_value(L, reader, top);
        lua_settop(L, top - 1);
        return;
    }
    if (lua_type(L, top - 1) == LUA_TSTRING) {
        csv_set_text(L, 1, top - 1);
    } else if (!lua_isnil(L, top - 1)) {
        lua_pushfstring(L, "it gave a %s: it gives strings, and nil at the end", luaL_typename(L, top - 1));
        fail_with_value(L, reader, lua_gettop(L));
    } else if (!lua_isnil(L, top)) {
        fail_with_value(L, reader, top);
    } else {
        reader->text_ended = true;
    }
    lua_settop(L, top - 2);
}

static int answered(lua_State *L, int status, lua_KContext again)
{
    take_answer(L, lua_touserdata(L, 1), status);
    return ((lua_CFunction)again)(L);
}

/* ---- waiting for a pipe or a terminal to go on ---- */

struct reading {
    struct wait wait;
    struct reader *reader;
    struct loop_watch *watch;
    lua_CFunction again; /* what is called again then */
};

static void end_watch(struct reading *reading)
{
    loop_watch_stop(reading->watch);
    reading->watch = NULL;
    reading->reader->waiting = NULL;
}

static void can_go_on(void *arg)
{
    struct reading *reading = arg;
    reading->watch = NULL; /* it has called */
    end_watch(reading);
    wait_finish(&reading->wait);
}

static void reading_cancel(struct wait *w)
{
    struct reading *reading = (struct reading *)w;
    if (reading->watch)
        end_watch(reading);
}

static int reading_results(lua_State *L, struct wait *w, int index)
{
    lua_CFunction again = ((struct reading *)w)->again;
    lua_settop(L, index - 1);
    return again(L);
}

static const struct wait_class reading_class = {reading_results, reading_cancel, false};

void csv_stop_waiting(struct reader *reader)
{
    struct wait *wait = &reader->waiting->wait;
    end_watch(reader->waiting);
    wait_finish(wait);
}

static int wait_for_input(lua_State *L, struct reader *reader, int fd, lua_CFunction again)
{
    struct reading *reading = wait_new(L, sizeof *reading, &reading_class);
    int index = lua_gettop(L);
    lua_pushvalue(L, 1);
    lua_setiuservalue(L, index, 1);
    reading->reader = reader;
    reading->again = again;
    reading->watch = loop_watch_start(app_of(L)->loop, fd, can_go_on, reading);
    if (!reading->watch)
        return luaL_error(L, "cannot wait for the input of the CSV reader");
    reader->waiting = reading;
    reading->wait.started = true;
    return wait_for(L, index);
}

bool csv_more_text(lua_State *L, struct reader *reader, lua_CFunction again, int *result)
{
    int fd = csv_waits_for(reader);
    if (fd >= 0) {
        *result = wait_for_input(L, reader, fd, again);
        return false;
    }
    reader->asking = true;
    lua_getiuservalue(L, 1, READER_ASK);
    take_answer(L, reader, wait_pcall(L, 0, 2, (lua_KContext)again, answered));
    return true;
}
