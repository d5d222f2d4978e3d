#include "host/state.h"

#include <lualib.h>
#include <string.h>

#include "bindings/collector.h"
#include "bindings/modules.h"
#include "bindings/wait.h"
#include "core/buf.h"
#include "core/log.h"
#include "host/embedded.h"

/* Where a module of ours is in a checkout: upjob.cmd.X in scripts/cmd, upjob.X in scripts/upjob. NULL: not ours. */
static const char *module_path(lua_State *L, const char *module)
{
    if (strcmp(module, "argparse") == 0)
        return lua_pushliteral(L, "argparse.lua");
    if (strncmp(module, "upjob.cmd.", 10) == 0)
        return lua_pushfstring(L, "scripts/cmd/%s.lua", module + 10);
    if (strncmp(module, "upjob.", 6) == 0 && !strchr(module + 6, '.'))
        return lua_pushfstring(L, "scripts/upjob/%s.lua", module + 6);
    return NULL;
}

/* A searcher: with UPJOB_PATH the checkout's file, else the one built in, else the native module of the same name. */
static int search_module(lua_State *L)
{
    const char *module = luaL_checkstring(L, 1);
    const char *path = module_path(L, module);
    const char *root = app_of(L)->library_path;
    if (!path)
        return 0;
    if (root && strcmp(module, "argparse") != 0) {
        const char *file = lua_pushfstring(L, "%s/%s", root, path);
        int status = luaL_loadfile(L, file);
        if (status == LUA_OK)
            return lua_pushstring(L, file), 2;
        if (status != LUA_ERRFILE)
            return lua_error(L);
        lua_pop(L, 1);
    }
    const struct embedded_file *file = embedded_find(path);
    if (file && (!root || strcmp(module, "argparse") == 0)) {
        if (luaL_loadbufferx(L, file->data, file->size, module, "b") != LUA_OK)
            return lua_error(L);
        lua_pushstring(L, file->name);
        return 2;
    }
    lua_getfield(L, LUA_REGISTRYINDEX, LUA_PRELOAD_TABLE);
    lua_pushfstring(L, "upjob.native.%s", module + 6);
    if (lua_rawget(L, -2) == LUA_TFUNCTION)
        return 1;
    lua_pushfstring(L, "no module '%s' in upjob", module);
    return 1;
}

static void add_searcher(lua_State *L)
{
    lua_getglobal(L, "package");
    lua_getfield(L, -1, "searchers");
    for (lua_Integer i = (lua_Integer)lua_rawlen(L, -1); i >= 2; i--) {
        lua_rawgeti(L, -1, i);
        lua_rawseti(L, -2, i + 1);
    }
    lua_pushcfunction(L, search_module);
    lua_rawseti(L, -2, 2); /* after preload */
    lua_pop(L, 2);
}

static void add_native_modules(lua_State *L)
{
    static const luaL_Reg modules[] = {
        {"upjob.native.task", open_native_task},
        {"upjob.native.json", open_native_json},
        {"upjob.native.log", open_native_log},
        {"upjob.native.secret", open_native_secret},
        {"upjob.native.csv", open_native_csv},
        {"upjob.native.local", open_native_local},
        {"upjob.native.system", open_native_system},
        {"upjob.native.embedded", open_native_embedded},
        {"upjob.native.schedule", open_native_schedule},
        {"upjob.native.process", open_native_process},
        {"upjob.native.signals", open_native_signals},
        {"upjob.native.lock", open_native_lock},
        {"upjob.native.folder", open_native_folder},
        {"upjob.native.control", open_native_control},
        {"upjob.native.supervisor", open_native_supervisor},
        {NULL, NULL},
    };
    static const struct {
        const char *name, *module, *symbol;
    } late[] = {
        {"upjob.native.http", "client.so", "open_native_http"},
        {"upjob.native.credentials", "client.so", "open_native_credentials"},
        {"upjob.native.profiles", "client.so", "open_native_profiles"},
        {"upjob.native.upload", "client.so", "open_native_upload"},
        {"upjob.native.s3", "client.so", "open_native_s3"},
        {"upjob.native.check", "client.so", "open_native_check"},
        {"upjob.native.changes", "client.so", "open_native_changes"},
        {"upjob.native.survey", "client.so", "open_native_survey"},
        {"upjob.native.journal", "journal.so", "open_native_journal"},
        {"upjob.native.metrics", "metrics.so", "open_native_metrics"},
        {"upjob.native.notify", "client.so", "open_native_notify"},
        {"upjob.native.prompt", "prompt.so", "open_native_prompt"},
    };
    luaL_getsubtable(L, LUA_REGISTRYINDEX, LUA_PRELOAD_TABLE);
    luaL_setfuncs(L, modules, 0);
    for (size_t i = 0; i < sizeof late / sizeof late[0]; i++) {
        push_late_opener(L, late[i].module, late[i].symbol);
        lua_setfield(L, -2, late[i].name);
    }
    lua_pop(L, 1);
}

/* Whether the error on top of the stack is require's for a module that there is not. */
static bool is_not_found(lua_State *L)
{
    const char *message = lua_type(L, -1) == LUA_TSTRING ? lua_tostring(L, -1) : "";
    return strncmp(message, "module 'upjob.", 14) == 0 && strstr(message, "' not found:") != NULL;
}

/* _G.__index: a module's last name is a global that is loaded when it is first used. */
static int global_module(lua_State *L)
{
    static const char *const names[] = {"profiles", "upload", "csv", "mapping", "job", "schedule", "notify",
                                        "task", "http", "json", "log", NULL};
    const char *name = lua_type(L, 2) == LUA_TSTRING ? lua_tostring(L, 2) : "";
    for (const char *const *n = names; *n; n++) {
        if (strcmp(*n, name) != 0)
            continue;
        lua_getglobal(L, "require");
        lua_pushfstring(L, "upjob.%s", name);
        /* A module that is not there is nil, as any global is. */
        if (lua_pcall(L, 1, 1, 0) != LUA_OK)
            return is_not_found(L) ? 0 : lua_error(L);
        lua_pushvalue(L, 2);
        lua_pushvalue(L, -2);
        lua_rawset(L, 1);
        return 1;
    }
    return 0;
}

static void add_globals(lua_State *L)
{
    lua_pushglobaltable(L);
    lua_createtable(L, 0, 1);
    lua_pushcfunction(L, global_module);
    lua_setfield(L, -2, "__index");
    lua_setmetatable(L, -2);
    lua_pop(L, 1);
}

/* ---- warnings, which come in pieces; one that is whole and begins with @ is for the handler ---- */

#define WARNING_MOST 4096

static struct {
    bool on;
    bool within;
    struct buf text; /* so far; pieces that would make it longer are left out */
} warnings;

static void warned(void *unused, const char *piece, int to_be_continued)
{
    (void)unused;
    if (!warnings.within && !to_be_continued && piece[0] == '@') {
        if (strcmp(piece, "@on") == 0 || strcmp(piece, "@off") == 0)
            warnings.on = piece[2] == 'n';
        return;
    }
    warnings.within = to_be_continued;
    if (!warnings.on)
        return;
    warnings.text.max = WARNING_MOST;
    (void)!buf_adds(&warnings.text, piece);
    if (to_be_continued)
        return;
    log_put(&(struct log_line){.level = LOG_WARN, .prefix = "", .what = "Lua warning: ",
                               .text = warnings.text.data ? warnings.text.data : "", .len = warnings.text.len});
    buf_free(&warnings.text);
}

void state_handle_warnings(lua_State *L)
{
    lua_setwarnf(L, warned, NULL);
}

void state_fill(lua_State *L)
{
    collector_start(L);
    luaL_openlibs(L);
    wait_patch_coroutines(L);
    add_native_modules(L);
    add_searcher(L);
    add_globals(L);
    /* Types that C pushes before any script asked for their module. */
    lua_pushcfunction(L, open_native_task);
    lua_call(L, 0, 0);
    lua_pushcfunction(L, open_native_secret);
    lua_call(L, 0, 0);
    lua_pushcfunction(L, open_native_json);
    lua_call(L, 0, 0);
}
