/* Scripts that go on when memory was out: what the CSV reader keeps is right after each failure. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <lauxlib.h>
#include <stdlib.h>
#include <string.h>

#include "bindings/app.h"
#include "bindings/wait.h"
#include "core/memory.h"
#include "host/state.h"

#define NEVER (-1L)

struct piece {
    struct piece *next;
    size_t padding;
};

struct script {
    struct app app;
    struct memory memory;
    long left; /* objects until the one that there is no memory for */
    bool again; /* Lua collects then, and asks again */
    bool kept;  /* what was freed is overwritten and not used again: a use too late does not pass unseen */
    struct piece *freed;
};

static bool is_out(struct script *script)
{
    if (script->left == NEVER || script->left > 0) {
        script->left -= script->left > 0;
        return false;
    }
    if (script->again)
        script->left = NEVER;
    script->again = !script->again;
    return true;
}

static void bury(struct script *script, void *object, size_t size)
{
    struct piece *piece = (struct piece *)object - 1;
    memset(object, 0xA5, size);
    piece->next = script->freed;
    script->freed = piece;
}

static void *kept_alloc(struct script *script, void *object, size_t old_size, size_t new_size)
{
    struct piece *piece = new_size > 0 ? malloc(sizeof *piece + new_size) : NULL;
    if (piece && object)
        memcpy(piece + 1, object, old_size < new_size ? old_size : new_size);
    if (object)
        bury(script, object, old_size);
    return piece ? piece + 1 : NULL;
}

static void *alloc(void *arg, void *object, size_t old_size, size_t new_size)
{
    struct script *script = arg;
    if (new_size > 0 && (!object || new_size > old_size) && is_out(script))
        return NULL;
    if (script->kept)
        return kept_alloc(script, object, old_size, new_size);
    return memory_alloc(&script->memory, object, old_size, new_size);
}

/* out_of_memory_after(objects) */
static int out_of_memory_after(lua_State *L)
{
    struct script *script = (struct script *)app_of(L);
    script->left = (long)luaL_checkinteger(L, 1);
    script->again = false;
    return 0;
}

static int fill(lua_State *L)
{
    state_fill(L);
    lua_register(L, "out_of_memory_after", out_of_memory_after);
    /* What Lua needs for the calls themselves may be what is missing. */
    return luaL_dostring(L, "function succeeds(objects, f, ...)\n"
                            "  local ok = false\n"
                            "  pcall(function(...) out_of_memory_after(objects) ok = pcall(f, ...) end, ...)\n"
                            "  out_of_memory_after(-1)\n"
                            "  return ok\n"
                            "end\n") == LUA_OK ? 0 : lua_error(L);
}

static void on_halt(struct scheduler *scheduler)
{
    (void)scheduler;
}

static void run(bool kept, const char *code)
{
    struct script script = {.left = NEVER, .kept = kept};
    struct err e;
    err_clear(&e);
    script.app.loop = loop_new(&e);
    script.app.scheduler = scheduler_new(&script.app, on_halt);
    lua_State *L = script.app.L = lua_newstate(alloc, &script);
    assert_true(script.app.loop && script.app.scheduler && L);
    *(struct app **)lua_getextraspace(L) = &script.app;
    lua_pushcfunction(L, fill);
    if (lua_pcall(L, 0, 0, 0) != LUA_OK || luaL_dostring(L, code) != LUA_OK)
        fail_msg("%s", luaL_tolstring(L, -1, NULL));
    loop_finish_work(script.app.loop);
    lua_close(L);
    loop_free(script.app.loop);
    scheduler_free(script.app.scheduler);
    memory_free_all(&script.memory);
    while (script.freed) {
        struct piece *piece = script.freed;
        script.freed = piece->next;
        free(piece);
    }
}

/* References take more and more of the registry, so that once there is no memory for the one that the count needs. */
static void a_count_that_there_is_no_memory_for_leaves_no_thread_with_freed_memory(void **state)
{
    (void)state;
    run(true, "local csv, task = require 'upjob.csv', require 'upjob.task'\n"
              "local others, text, failed = {}, 'a\\n' .. ('1\\n'):rep(1000), 0\n"
              "for held = 1, 20 do\n"
              "  for objects = 0, 8 do\n"
              "    local reader = csv.parse(text)\n"
              "    for i = 1, held do\n"
              "      local other = csv.parse(text)\n"
              "      task.spawn(function() return other:count() end)\n"
              "    end\n"
              "    task.sleep(0)\n"
              "    local ok = succeeds(objects, reader.count, reader)\n"
              "    failed = failed + (ok and 0 or 1)\n"
              "    collectgarbage()\n"
              "    task.sleep(0.001)\n"
              "    local count = reader:count()\n"
              "    assert(count == (ok and 0 or 1000), count)\n"
              "  end\n"
              "end\n"
              "assert(failed > 0)\n");
}

/* Strings come where those of the names were that were not kept. */
static void a_name_that_no_column_has_finds_no_cell_after_memory_was_out(void **state)
{
    (void)state;
    run(false, "local csv, failed = require 'upjob.csv', 0\n"
               "local function list(prefix) local l = {} for i = 1, 60 do l[i] = prefix .. i end return l end\n"
               "for objects = 0, 130 do\n"
               "  local text = table.concat(list('n' .. objects .. '_'), ',') .. '\\n' .. table.concat(list '', ',')\n"
               "  collectgarbage()\n"
               "  local reader = csv.parse(text)\n"
               "  failed = failed + (succeeds(objects, reader.rows, reader) and 0 or 1)\n"
               "  collectgarbage()\n"
               "  collectgarbage()\n"
               "  local others = list('x' .. objects .. '_')\n"
               "  for row in reader:rows() do\n"
               "    for i, name in ipairs(reader:header()) do assert(row[name] == tostring(i), name) end\n"
               "    for _, name in ipairs(others) do assert(not pcall(function() return row[name] end), name) end\n"
               "  end\n"
               "end\n"
               "assert(failed > 0)\n");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_count_that_there_is_no_memory_for_leaves_no_thread_with_freed_memory),
        cmocka_unit_test(a_name_that_no_column_has_finds_no_cell_after_memory_was_out),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
