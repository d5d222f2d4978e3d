/* What a compiled mapping calls: functions of scripts, between turns of the loop. */
#include <string.h>

#include "bindings/csv.h"
#include "bindings/mapping.h"

/* A reader that is never read from: it stands for the check's, so that rows are what csv gives (csv_row.c).
 */
void mapping_enter(struct lua_mapping *made, lua_State *L, int self, struct csv_reader *csv)
{
    made->L = L;
    made->self = self;
    if (made->view)
        return;
    struct reader *view = lua_newuserdatauv(L, sizeof *view, READER_VALUES);
    memset(view, 0, sizeof *view);
    view->csv = csv;
    made->view = view;
    lua_setiuservalue(L, self, MAPPING_VIEW);
}

void mapping_leave(struct lua_mapping *made)
{
    if (made->view)
        made->view->row = NULL;
    made->L = NULL;
}

static void push_row(struct lua_mapping *made, const struct csv_row *row)
{
    lua_State *L = made->L;
    lua_getiuservalue(L, made->self, MAPPING_VIEW);
    made->view->row = row;
    made->view->line = row->line;
    csv_push_row(L, lua_gettop(L));
    lua_remove(L, -2);
}

/* An error that a function raised, or an object: as text, with the place of the step where it has none. */
static void take_error(struct lua_mapping *made, const char *where, struct err *err)
{
    lua_State *L = made->L;
    const char *text = luaL_tolstring(L, -1, NULL);
    bool placed = lua_type(L, -2) == LUA_TSTRING;
    if (placed || !where || !*where)
        err_set(err, ERR_MAPPING, "%s", text);
    else
        err_set(err, ERR_MAPPING, "%s: %s", where, text);
}

static enum mapping_called take_text(struct lua_mapping *made, int index, struct csv_slice value,
                                     struct mapping_arena *arena, struct csv_slice *result, struct err *err)
{
    size_t len;
    const char *text = lua_tolstring(made->L, index, &len);
    if (len == value.len && memcmp(text, value.data, len) == 0)
        return MAPPING_CALL_SAME;
    const char *kept = mapping_arena_keep(arena, text, len);
    *result = (struct csv_slice){kept, len};
    if (kept)
        return MAPPING_CALL_VALUE;
    err_set(err, ERR_MEMORY, "no memory for a value");
    return MAPPING_CALL_FAILED;
}

/* Its results are the two values on top of the stack. */
static enum mapping_called take_results(struct lua_mapping *made, const char *where, struct csv_slice value,
                                        struct mapping_arena *arena, struct csv_slice *result,
                                        struct err *err)
{
    lua_State *L = made->L;
    if (lua_isstring(L, -2))
        return take_text(made, -2, value, arena, result, err);
    if (lua_toboolean(L, -2)) {
        err_set(err, ERR_MAPPING, "%s: the function returned a %s, not a text", where, luaL_typename(L, -2));
        return MAPPING_CALL_FAILED;
    }
    *result = (struct csv_slice){"", 0};
    if (!lua_isstring(L, -1))
        return MAPPING_CALL_VALUE;
    enum mapping_called taken = take_text(made, -1, *result, arena, result, err);
    return taken == MAPPING_CALL_FAILED ? taken : MAPPING_CALL_REFUSES;
}

enum mapping_called mapping_call_function(void *arg, long function, const struct csv_row *row,
                                          struct csv_slice value, struct mapping_arena *arena,
                                          struct csv_slice *result, struct err *err)
{
    struct lua_mapping *made = arg;
    lua_State *L = made->L;
    int top = lua_gettop(L);
    lua_getiuservalue(L, made->self, MAPPING_WHERES);
    lua_rawgeti(L, -1, function);
    const char *where = lua_tostring(L, -1); /* MAPPING_WHERES keeps it */
    lua_getiuservalue(L, made->self, MAPPING_FUNCTIONS);
    lua_rawgeti(L, -1, function);
    lua_pushlstring(L, value.data ? value.data : "", value.len);
    push_row(made, row);
    enum mapping_called called = MAPPING_CALL_FAILED;
    if (lua_pcall(L, 2, 2, 0) == LUA_OK)
        called = take_results(made, where, value, arena, result, err);
    else
        take_error(made, where, err);
    lua_settop(L, top);
    return called;
}

bool mapping_wants_row(void *arg, const struct csv_row *row, bool *wanted, struct err *err)
{
    struct lua_mapping *made = arg;
    lua_State *L = made->L;
    int top = lua_gettop(L);
    bool good = true;
    *wanted = true;
    lua_getiuservalue(L, made->self, MAPPING_FILTERS);
    for (size_t i = 1; good && *wanted && i <= made->filter_count; i++) {
        lua_rawgeti(L, top + 1, (lua_Integer)i);
        push_row(made, row);
        good = lua_pcall(L, 1, 1, 0) == LUA_OK;
        if (good)
            *wanted = lua_toboolean(L, -1);
        else
            take_error(made, NULL, err);
        lua_settop(L, top + 1);
    }
    lua_settop(L, top);
    return good;
}
