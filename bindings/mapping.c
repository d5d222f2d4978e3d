#include "bindings/mapping.h"

#include <string.h>

#define MAPPING_TYPE "upjob.mapping"

/* ---- reading tables: texts are theirs, so the plan must live until the mapping is made ---- */

/* Of a field or a step: where it stands in the mapping file. */
static const char *where_of(lua_State *L, int table)
{
    lua_getfield(L, table, "where");
    const char *where = lua_tostring(L, -1);
    lua_pop(L, 1);
    return where;
}

/* Raises an error object: what is wrong is wrong in a file that somebody wrote. */
static int refuse(lua_State *L, int table, const char *message)
{
    const char *where = where_of(L, table);
    struct err err;
    err_clear(&err);
    err_set(&err, ERR_MAPPING, "%s%s%s", where ? where : "", where ? ": " : "", message);
    return raise_err(L, &err);
}

static void *room(lua_State *L, struct lua_mapping *made, size_t count, size_t size)
{
    void *room = mapping_arena_room(&made->memory, (count + 1) * size);
    if (!room)
        luaL_error(L, "out of memory");
    memset(room, 0, (count + 1) * size);
    return room;
}

static const char *field_text(lua_State *L, int table, const char *name)
{
    lua_getfield(L, table, name);
    const char *text = lua_tostring(L, -1);
    lua_pop(L, 1);
    return text;
}

static bool field_flag(lua_State *L, int table, const char *name)
{
    lua_getfield(L, table, name);
    bool flag = lua_toboolean(L, -1);
    lua_pop(L, 1);
    return flag;
}

static long field_number(lua_State *L, int table, const char *name)
{
    lua_getfield(L, table, name);
    long number = (long)lua_tointeger(L, -1);
    lua_pop(L, 1);
    return number;
}

/* A list of texts, copied, as an array that ends with NULL; NULL when there is no list. */
static const char *const *field_list(lua_State *L, struct lua_mapping *made, int table, const char *name,
                                     size_t *count)
{
    lua_getfield(L, table, name);
    *count = lua_istable(L, -1) ? lua_rawlen(L, -1) : 0;
    const char **list = lua_istable(L, -1) ? room(L, made, *count, sizeof *list) : NULL;
    for (size_t i = 0; i < *count; i++) {
        size_t len;
        lua_rawgeti(L, -1, (lua_Integer)i + 1);
        const char *text = luaL_checklstring(L, -1, &len);
        list[i] = mapping_arena_keep(&made->memory, text, len);
        if (!list[i])
            luaL_error(L, "out of memory");
        lua_pop(L, 1);
    }
    lua_pop(L, 1);
    return list;
}

static int field_choice(lua_State *L, int table, const char *name, const char *const *choices)
{
    const char *text = field_text(L, table, name);
    for (int i = 0; text && choices[i]; i++)
        if (strcmp(choices[i], text) == 0)
            return i;
    return refuse(L, table, lua_pushfstring(L, "%s: there is no \"%s\"", name, text ? text : ""));
}

/* ---- steps ---- */

static const char *const step_names[] = {
    [MAPPING_TRIM] = "trim",
    [MAPPING_LOWER] = "lower",
    [MAPPING_UPPER] = "upper",
    [MAPPING_TITLE] = "title",
    [MAPPING_DIGITS] = "digits",
    [MAPPING_E164] = "e164",
    [MAPPING_DATE] = "date",
    [MAPPING_REPLACE] = "replace",
    [MAPPING_DEFAULT] = "default",
    [MAPPING_SPLIT] = "split",
    [MAPPING_LOOKUP] = "lookup",
    [MAPPING_CALL] = "call",
    NULL,
};

static void read_pairs(lua_State *L, struct lua_mapping *made, int table, struct mapping_step *step)
{
    static const char *const missing[] = {"reject", "keep", "blank", NULL};
    size_t count = 0;
    step->missing = (enum mapping_missing)field_choice(L, table, "missing", missing);
    step->with = "";
    lua_getfield(L, table, "pairs");
    luaL_argcheck(L, lua_istable(L, -1), 1, "a lookup has pairs");
    for (lua_pushnil(L); lua_next(L, -2); lua_pop(L, 1))
        count++;
    struct mapping_pair *pairs = room(L, made, count, sizeof *pairs);
    for (lua_pushnil(L); lua_next(L, -2); lua_pop(L, 1))
        pairs[step->pair_count++] = (struct mapping_pair){luaL_checkstring(L, -2), luaL_checkstring(L, -1)};
    step->pairs = pairs;
    lua_pop(L, 1);
}

/* The function is kept among the mapping's, with where it stands. */
static long keep_function(lua_State *L, int table, int self)
{
    lua_getiuservalue(L, self, MAPPING_FUNCTIONS);
    lua_Integer n = (lua_Integer)lua_rawlen(L, -1) + 1;
    lua_getfield(L, table, "call");
    luaL_argcheck(L, lua_isfunction(L, -1), 1, "a step that calls has a function");
    lua_rawseti(L, -2, n);
    lua_pop(L, 1);
    lua_getiuservalue(L, self, MAPPING_WHERES);
    const char *where = where_of(L, table);
    lua_pushstring(L, where ? where : "");
    lua_rawseti(L, -2, n);
    lua_pop(L, 1);
    return (long)n;
}

static void read_step(lua_State *L, struct lua_mapping *made, int table, int self, struct mapping_step *step)
{
    size_t count;
    struct err err;
    err_clear(&err);
    step->kind = (enum mapping_step_kind)field_choice(L, table, "kind", step_names);
    step->text = field_text(L, table, "text");
    step->with = field_text(L, table, "with");
    step->number = field_number(L, table, "number");
    step->list = field_list(L, made, table, "list", &count);
    if (step->kind == MAPPING_LOOKUP)
        read_pairs(L, made, table, step);
    if (step->kind == MAPPING_CALL)
        step->number = keep_function(L, table, self);
    made->on_loop = made->on_loop || step->kind == MAPPING_CALL;
    if (!mapping_step_check(step, &err))
        refuse(L, table, err.message);
}

/* Lists of several formats are looked at for dates that fit more than one. */
static void note_dates(struct lua_mapping *made, struct check_dates *dates, size_t field,
                       const struct mapping_step *step)
{
    if (step->kind == MAPPING_DATE && step->list && step->list[0] && step->list[1] &&
        (made->date_count == 0 || dates[made->date_count - 1].field != field))
        dates[made->date_count++] = (struct check_dates){field, step->list};
}

/* ---- fields ---- */

static void read_steps(lua_State *L, struct lua_mapping *made, int table, int self,
                       struct mapping_field *field)
{
    lua_getfield(L, table, "steps");
    int list = lua_gettop(L);
    field->step_count = lua_istable(L, list) ? lua_rawlen(L, list) : 0;
    struct mapping_step *steps = room(L, made, field->step_count, sizeof *steps);
    for (size_t i = 0; i < field->step_count; i++) {
        lua_rawgeti(L, list, (lua_Integer)i + 1);
        read_step(L, made, lua_gettop(L), self, &steps[i]);
        lua_pop(L, 1);
    }
    field->steps = steps;
    lua_pop(L, 1);
}

static void read_field(lua_State *L, struct lua_mapping *made, int table, int self,
                       struct mapping_field *field)
{
    static const char *const types[] = {
        [MAPPING_STRING] = "STRING",       [MAPPING_NUMBER] = "NUMBER", [MAPPING_PHONE] = "PHONE_NUMBER",
        [MAPPING_EMAIL] = "EMAIL_ADDRESS", [MAPPING_NAME] = "NAME",     NULL};
    size_t count;
    field->key = field_text(L, table, "key");
    field->target = field_text(L, table, "target");
    field->type = (enum mapping_type)field_choice(L, table, "type", types);
    field->columns = field_list(L, made, table, "columns", &count);
    field->separator = field_text(L, table, "separator");
    field->constant = field_text(L, table, "constant");
    field->required = field_flag(L, table, "required");
    field->is_key = field_flag(L, table, "is_key");
    field->is_id = field_flag(L, table, "is_id");
    field->max_length = (size_t)field_number(L, table, "max_length");
    read_steps(L, made, table, self, field);
}

static void make_mapping(lua_State *L, struct lua_mapping *made, const struct mapping_field *fields,
                         size_t count, mapping_call call)
{
    struct err err;
    err_clear(&err);
    made->mapping = mapping_new(fields, count, call, made, &err);
    if (!made->mapping)
        raise_err(L, &err);
}

static void read_fields(lua_State *L, struct lua_mapping *made, int table, int self)
{
    lua_getfield(L, table, "fields");
    int list = lua_gettop(L);
    luaL_argcheck(L, lua_istable(L, list), table, "a mapping has fields");
    size_t count = lua_rawlen(L, list);
    struct mapping_field *fields = room(L, made, count, sizeof *fields);
    struct check_dates *dates = room(L, made, count, sizeof *dates);
    for (size_t i = 0; i < count; i++) {
        lua_rawgeti(L, list, (lua_Integer)i + 1);
        read_field(L, made, lua_gettop(L), self, &fields[i]);
        for (size_t j = 0; j < fields[i].step_count; j++)
            note_dates(made, dates, i, &fields[i].steps[j]);
        lua_pop(L, 1);
    }
    made->dates = dates;
    make_mapping(L, made, fields, count, mapping_call_function);
    lua_pop(L, 1);
}

static void read_filters(lua_State *L, struct lua_mapping *made, int table, int self)
{
    if (lua_getfield(L, table, "filters") != LUA_TTABLE) {
        lua_pop(L, 1);
        lua_newtable(L);
    }
    made->filter_count = lua_rawlen(L, -1);
    made->on_loop = made->on_loop || made->filter_count > 0;
    lua_setiuservalue(L, self, MAPPING_FILTERS);
}

static int collect(lua_State *L)
{
    struct lua_mapping *made = lua_touserdata(L, 1);
    mapping_free(made->mapping);
    made->mapping = NULL;
    mapping_arena_free(&made->memory);
    return 0;
}

static struct lua_mapping *new_userdata(lua_State *L)
{
    struct lua_mapping *made = lua_newuserdatauv(L, sizeof *made, MAPPING_VALUES);
    memset(made, 0, sizeof *made);
    if (luaL_newmetatable(L, MAPPING_TYPE)) {
        lua_pushcfunction(L, collect);
        lua_setfield(L, -2, "__gc");
    }
    lua_setmetatable(L, -2);
    lua_newtable(L);
    lua_setiuservalue(L, -2, MAPPING_FUNCTIONS);
    lua_newtable(L);
    lua_setiuservalue(L, -2, MAPPING_WHERES);
    return made;
}

struct lua_mapping *push_mapping(lua_State *L, int index)
{
    static const char *const on_invalid[] = {
        [MAPPING_REJECT] = "reject", [MAPPING_BLANK] = "blank", [MAPPING_STOP] = "stop", NULL};
    size_t skipped;
    luaL_checkstack(L, 20, "a mapping");
    struct lua_mapping *made = new_userdata(L);
    int self = lua_gettop(L);
    made->on_invalid = (enum mapping_on_invalid)field_choice(L, index, "on_invalid", on_invalid);
    made->skipped = field_list(L, made, index, "skipped", &skipped);
    read_filters(L, made, index, self);
    read_fields(L, made, index, self);
    lua_settop(L, self);
    return made;
}
