/* csv_rest: what works on all that is left of the input: count() and sample(). In slices on another thread; the little that a
 * function gives at a time is worked on in place. */
#include "bindings/csv.h"

#include <limits.h>
#include <string.h>
#include <sys/random.h>

#include "bindings/wait.h"
#include "core/csv_sample.h"
#include "core/loop_watch.h"

#define SLICE        ((uint64_t)4 << 20)
#define IN_PLACE     ((size_t)1 << 20) /* bytes: under a few milliseconds */
#define MOST_SAMPLED 1000000
#define SAMPLE_TYPE  "upjob.csv.sample"

/* Where everything is on the stack of a call. */
enum { AT_READER = 1, AT_SAMPLE, AT_REST };

struct rest {
    struct wait wait;
    struct reader *reader;
    struct loop_work *work;
    struct loop_watch *watch;  /* instead, while the input has nothing yet */
    bool stopped;
    enum csv_status status;    /* of the last slice */
    uint64_t rows;
    struct csv_sample *sample; /* that of the userdata at AT_SAMPLE; NULL: it counts */
    struct err error;
    int self_ref; /* the work cannot be cut short within a slice: the userdata stays until it has ended */
};

static bool slice(void *arg)
{
    struct rest *rest = arg;
    struct csv_reader *csv = rest->reader->csv;
    rest->status = rest->sample ? csv_sample_read(rest->sample, csv, SLICE, &rest->error)
                                : csv_reader_count(csv, SLICE, &rest->rows, &rest->error);
    return rest->status == CSV_NOTHING_YET;
}

/* ---- on another thread ---- */

/* Nothing works on the reader any more. */
static void release(struct rest *rest)
{
    struct reader *reader = rest->reader;
    int self_ref = rest->self_ref;
    reader->rest = NULL;
    rest->self_ref = LUA_NOREF;
    if (reader->closed)
        csv_free_closed(reader);
    luaL_unref(rest->wait.app->L, LUA_REGISTRYINDEX, self_ref);
}

static void end(struct rest *rest)
{
    wait_finish(&rest->wait);
    release(rest);
}

static void go_on(void *arg);

/* No slice waits for input: the thread pool has other work. */
static void slices_done(void *arg)
{
    struct rest *rest = arg;
    rest->work = NULL;
    int fd = rest->status == CSV_FAILED && csv_waits(rest->reader) ? csv_waits_for(rest->reader) : -1;
    if (!rest->stopped && fd >= 0) {
        rest->watch = loop_watch_start(rest->wait.app->loop, fd, go_on, rest);
        if (rest->watch)
            return;
    }
    end(rest);
}

static void go_on(void *arg)
{
    struct rest *rest = arg;
    rest->watch = NULL;
    err_clear(&rest->error);
    rest->work = loop_work_start(rest->wait.app->loop, slice, slices_done, rest);
    if (rest->work)
        return;
    err_set(&rest->error, ERR_MEMORY, "out of memory");
    end(rest);
}

/* Work under way calls slices_done when its slice has ended; a watch calls no more. */
static void cancel(struct wait *w)
{
    struct rest *rest = (struct rest *)w;
    rest->stopped = true;
    if (rest->work)
        loop_work_cancel(rest->work);
    if (!rest->watch)
        return;
    loop_watch_stop(rest->watch);
    rest->watch = NULL;
    release(rest);
}

void csv_rest_closed(struct rest *rest)
{
    const struct reader *reader = rest->reader;
    cancel(&rest->wait);
    if (!reader->rest) /* it waited */
        wait_finish(&rest->wait);
}

static void start(lua_State *L, struct rest *rest)
{
    struct reader *reader = rest->reader;
    /* First what can raise: nothing may take the userdata away while another thread works with it. */
    lua_pushvalue(L, AT_REST);
    rest->self_ref = luaL_ref(L, LUA_REGISTRYINDEX);
    rest->work = loop_work_start(app_of(L)->loop, slice, slices_done, rest);
    if (!rest->work) {
        luaL_unref(L, LUA_REGISTRYINDEX, rest->self_ref);
        luaL_error(L, "out of memory");
    }
    reader->rest = rest;
    reader->row = NULL; /* its cells are what the other thread reads into */
    rest->wait.started = true;
    rest->wait.done = false;
}

/* ---- results ---- */

static int push_sample(lua_State *L, struct csv_sample *sample)
{
    size_t count = csv_sample_finish(sample);
    csv_push_columns(L, AT_READER);
    int columns = lua_gettop(L);
    lua_createtable(L, (int)count, 0);
    lua_createtable(L, (int)count, 0);
    for (size_t i = 0; i < count; i++) {
        const struct csv_sampled *record = csv_sample_at(sample, i);
        lua_createtable(L, (int)record->count, (int)record->count);
        for (size_t cell = record->count; cell > 0; cell--)
            csv_add_cell(L, columns, (lua_Integer)cell, record->cells[cell - 1]);
        lua_rawseti(L, columns + 1, (lua_Integer)i + 1);
        lua_pushinteger(L, record->line);
        lua_rawseti(L, columns + 2, (lua_Integer)i + 1);
    }
    lua_pushinteger(L, (lua_Integer)csv_sample_seen(sample));
    return 3;
}

static int was_closed(lua_State *L, const struct rest *rest)
{
    struct err e;
    err_clear(&e);
    err_set(&e, ERR_CANCELLED, "the CSV reader was closed while it was %s", rest->sample ? "sampling" : "counting");
    return fail_with(L, &e);
}

static bool has_on_error(lua_State *L)
{
    bool has = lua_getiuservalue(L, AT_READER, READER_ON_ERROR) != LUA_TNIL;
    lua_pop(L, 1);
    return has;
}

static int work(lua_State *L);

/* The last slice has ended. True: there is more to be worked on. False: return *result. */
static bool more(lua_State *L, struct rest *rest, int *result)
{
    struct reader *reader = rest->reader;
    if (reader->closed) {
        *result = was_closed(L, rest);
        return false;
    }
    if (rest->status == CSV_FAILED && csv_waits(reader))
        return csv_more_text(L, reader, work, result);
    if (rest->status == CSV_BAD && rest->sample && has_on_error(L)) {
        csv_tell_error(L, AT_READER, &rest->error);
        return true;
    }
    if (rest->status != CSV_END) {
        lua_pushnil(L);
        csv_push_error(L, reader, &rest->error);
        *result = 2;
    } else if (rest->sample) {
        *result = push_sample(L, rest->sample);
    } else {
        lua_pushinteger(L, (lua_Integer)rest->rows);
        *result = 1;
    }
    return false;
}

/* Where Lua cannot yield. */
static void wait_here(lua_State *L, struct rest *rest)
{
    struct err interrupt;
    bool ended = wait_quietly(L, &rest->wait, &interrupt);
    if (!ended && !rest->wait.done)
        cancel(&rest->wait);
    rest->wait.started = false;
    if (!ended)
        raise_err(L, &interrupt);
}

static int work(lua_State *L)
{
    struct rest *rest = lua_touserdata(L, AT_REST);
    struct reader *reader = rest->reader;
    int result;
    do {
        lua_settop(L, AT_REST);
        if (reader->closed)
            return was_closed(L, rest);
        csv_check_free(L, reader);
        err_clear(&rest->error);
        if (reader->asks && reader->text_left <= IN_PLACE) {
            reader->row = NULL;
            while (slice(rest))
                ;
        } else {
            start(L, rest);
            if (lua_isyieldable(L))
                return wait_for(L, AT_REST);
            wait_here(L, rest);
        }
    } while (more(L, rest, &result));
    return result;
}

static int rest_results(lua_State *L, struct wait *w, int index)
{
    int result;
    lua_settop(L, index);
    return more(L, (struct rest *)w, &result) ? work(L) : result;
}

static const struct wait_class rest_class = {rest_results, cancel, false};

/* ---- the calls ---- */

static int sample_collect(lua_State *L)
{
    struct csv_sample **sample = luaL_checkudata(L, 1, SAMPLE_TYPE);
    csv_sample_free(*sample);
    *sample = NULL;
    return 0;
}

/* Pushes what holds the sample, NULL yet, and the reader. */
static struct csv_sample **push_holder(lua_State *L)
{
    struct csv_sample **sample = lua_newuserdatauv(L, sizeof(struct csv_sample *), 1);
    *sample = NULL;
    if (luaL_newmetatable(L, SAMPLE_TYPE)) {
        lua_pushcfunction(L, sample_collect);
        lua_setfield(L, -2, "__gc");
    }
    lua_setmetatable(L, -2);
    lua_pushvalue(L, AT_READER);
    lua_setiuservalue(L, -2, 1);
    return sample;
}

/* With the holder of the sample on the stack. */
static int begin(lua_State *L, struct reader *reader, struct csv_sample *sample)
{
    struct rest *rest = wait_new(L, sizeof *rest, &rest_class);
    lua_pushvalue(L, AT_SAMPLE);
    lua_setiuservalue(L, AT_REST, 1);
    rest->reader = reader;
    rest->sample = sample;
    return work(L);
}

/* count() → how many records are left | nil, err */
int csv_reader_count_rest(lua_State *L)
{
    struct reader *reader = csv_check_reader(L, 1);
    lua_settop(L, AT_READER);
    push_holder(L);
    return begin(L, reader, NULL);
}

static uint64_t any_seed(void)
{
    uint64_t seed = 0;
    (void)!getrandom(&seed, sizeof seed, 0);
    return seed;
}

/* sample(n, { seed = }?) → copies of n of the records that are left, their lines, how many there were | nil, err */
int csv_reader_sample(lua_State *L)
{
    static const char *const known[] = {"seed", NULL};
    struct reader *reader = csv_check_reader(L, 1);
    uint64_t seed;
    struct err e;
    lua_Integer n = lua_tointeger(L, 2);
    if (!lua_isinteger(L, 2) || n < 1 || n > MOST_SAMPLED)
        return luaL_error(L, "reader:sample: a whole number of rows from 1 to %d is needed, not %s", MOST_SAMPLED,
                          luaL_tolstring(L, 2, NULL));
    if (lua_isnoneornil(L, 3)) {
        seed = any_seed();
    } else {
        check_options(L, 3, "reader:sample", known);
        bool given = lua_getfield(L, 3, "seed") != LUA_TNIL;
        seed = given ? (uint64_t)option_integer(L, 3, "reader:sample", "seed", LONG_MIN, LONG_MAX, 0) : any_seed();
    }
    lua_settop(L, AT_READER);
    struct csv_sample **sample = push_holder(L);
    err_clear(&e);
    *sample = csv_sample_new((size_t)n, seed, &e);
    return *sample ? begin(L, reader, *sample) : fail_with(L, &e);
}
