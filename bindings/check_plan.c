/* check_plan: what upjob.native.check is asked for, of its options: the mapping, and how what is sent is split. */
#include <stdlib.h>

#include "bindings/check.h"
#include "bindings/mapping.h"

int read_check_mapping(lua_State *L, struct check_plan *plan)
{
    lua_getfield(L, 1, "mapping");
    if (lua_isnil(L, -1))
        return 0;
    luaL_argcheck(L, lua_istable(L, -1), 1, "mapping must be what mapping_plan makes");
    struct lua_mapping *made = push_mapping(L, lua_gettop(L));
    plan->mapping = made->mapping;
    plan->on_invalid = made->on_invalid;
    plan->skipped = made->skipped;
    plan->dates = made->dates;
    plan->date_count = made->date_count;
    plan->wants = made->filter_count > 0 ? mapping_wants_row : NULL;
    plan->arg = made;
    return lua_gettop(L);
}

/* ---- parts ---- */

static uint64_t need_hash(lua_State *L, int part, const char *name)
{
    size_t len;
    char *end = NULL;
    lua_getfield(L, part, name);
    const char *text = luaL_checklstring(L, -1, &len);
    uint64_t hash = strtoull(text, &end, 16);
    luaL_argcheck(L, len == 16 && end == text + len, 1, "split: low and high are 16 hexadecimal digits");
    lua_pop(L, 1);
    return hash;
}

/* The ranges of the parts that are to be written now, in a userdata that is pushed. */
static void read_ranges(lua_State *L, int split, struct check_split_plan *plan)
{
    lua_getfield(L, split, "parts");
    if (lua_isnil(L, -1))
        return;
    luaL_argcheck(L, lua_istable(L, -1), 1, "split: parts must be a list");
    int parts = lua_gettop(L);
    size_t count = (size_t)luaL_len(L, parts);
    luaL_argcheck(L, count > 0, 1, "split: parts must not be empty");
    struct split_range *ranges = lua_newuserdatauv(L, count * sizeof *ranges, 0);
    for (size_t i = 0; i < count; i++) {
        lua_rawgeti(L, parts, (lua_Integer)i + 1);
        luaL_argcheck(L, lua_istable(L, -1), 1, "split: parts must be a list of tables");
        ranges[i] = (struct split_range){need_hash(L, lua_gettop(L), "low"), need_hash(L, lua_gettop(L), "high")};
        luaL_argcheck(L, ranges[i].low <= ranges[i].high && (i == 0 || ranges[i].low > ranges[i - 1].high), 1,
                      "split: parts must be in order");
        lua_pop(L, 1);
    }
    plan->ranges = ranges;
    plan->range_count = count;
}

void read_check_split(lua_State *L, struct check_split_plan *plan)
{
    static const char *const known[] = {"salt", "part_bytes", "slots", "parts", NULL};
    lua_getfield(L, 1, "split");
    if (lua_isnil(L, -1))
        return;
    luaL_argcheck(L, lua_istable(L, -1), 1, "split must be a table");
    int split = lua_gettop(L);
    check_options(L, split, "split", known);
    plan->salt = need_string(L, split, "split", "salt");
    plan->part_bytes = (uint64_t)option_integer(L, split, "split", "part_bytes", 1024, CHECK_MAX_BYTES, CHECK_MAX_BYTES);
    plan->slots = (size_t)option_integer(L, split, "split", "slots", 1, 1024, 4);
    read_ranges(L, split, plan);
}
