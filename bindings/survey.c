/* survey: upjob.native.survey: what the columns of a file hold, and which phone numbers are some in a region. */
#include "core/survey.h"

#include <string.h>

#include "bindings/app.h"
#include "bindings/wait.h"
#include "core/phone.h"

/* What works in slices on another thread; `self` keeps it, and what it uses, until the work has ended. */
struct working {
    struct wait wait;
    struct loop_work *work;
    int self_ref;
    struct survey *survey;
    /* Phone numbers: `count` texts, which are those of a list that `self` keeps. */
    const char *region;
    struct csv_slice *numbers;
    size_t count, valid;
    bool failed;
    struct err err;
};

static void done(void *arg)
{
    struct working *working = arg;
    working->work = NULL;
    wait_finish(&working->wait);
    luaL_unref(working->wait.app->L, LUA_REGISTRYINDEX, working->self_ref);
}

static void cancel(struct wait *w)
{
    struct working *working = (struct working *)w;
    if (working->work)
        loop_work_cancel(working->work);
}

/* Starts the work of the wait on top of the stack; what is at `used` stays as long. */
static int start(lua_State *L, struct working *working, int used, bool (*slice)(void *))
{
    lua_createtable(L, 2, 0);
    lua_pushvalue(L, used);
    lua_rawseti(L, -2, 1);
    lua_pushvalue(L, -2);
    lua_rawseti(L, -2, 2);
    working->self_ref = luaL_ref(L, LUA_REGISTRYINDEX);
    working->work = loop_work_start(app_of(L)->loop, slice, done, working);
    if (!working->work) {
        luaL_unref(L, LUA_REGISTRYINDEX, working->self_ref);
        return luaL_error(L, "out of memory");
    }
    working->wait.started = true;
    return wait_for(L, lua_gettop(L));
}

/* ---- results ---- */

static void set_integer(lua_State *L, const char *name, uint64_t value)
{
    lua_pushinteger(L, (lua_Integer)value);
    lua_setfield(L, -2, name);
}

static void set_text(lua_State *L, const char *name, const char *bytes, size_t len)
{
    lua_pushlstring(L, bytes, len);
    lua_setfield(L, -2, name);
}

/* As lists of {line =, value =}: the misfits of a kind. */
static void push_misfits(lua_State *L, const struct survey_text *misfits)
{
    lua_newtable(L);
    for (int i = 0; i < SURVEY_MISFITS && misfits[i].line > 0; i++) {
        lua_createtable(L, 0, 2);
        set_integer(L, "line", (uint64_t)misfits[i].line);
        set_text(L, "value", misfits[i].bytes, misfits[i].len);
        lua_rawseti(L, -2, i + 1);
    }
}

static void set_kinds(lua_State *L, const struct survey_column *column)
{
    lua_createtable(L, 0, SURVEY_KINDS);
    for (int i = 0; i < SURVEY_KINDS; i++)
        set_integer(L, survey_kind_name((enum survey_kind)i), column->kinds[i]);
    lua_setfield(L, -2, "kinds");
    lua_createtable(L, 0, SURVEY_KINDS);
    for (int i = 0; i < SURVEY_KINDS; i++) {
        push_misfits(L, column->misfits[i]);
        lua_setfield(L, -2, survey_kind_name((enum survey_kind)i));
    }
    lua_setfield(L, -2, "misfits");
}

static void set_traits(lua_State *L, const struct survey_column *column)
{
    lua_createtable(L, 0, SURVEY_TRAITS);
    for (int i = 0; i < SURVEY_TRAITS; i++)
        set_integer(L, survey_trait_name((enum survey_trait)i), column->traits[i]);
    lua_setfield(L, -2, "traits");
    lua_createtable(L, 0, SURVEY_TRAITS);
    for (int i = 0; i < SURVEY_TRAITS; i++)
        if (column->trait_lines[i] > 0)
            set_integer(L, survey_trait_name((enum survey_trait)i), (uint64_t)column->trait_lines[i]);
    lua_setfield(L, -2, "trait_lines");
}

/* As a list of {format =, count =}, in the order of survey_date_formats. */
static void set_dates(lua_State *L, const struct survey_column *column)
{
    lua_newtable(L);
    for (int i = 0; survey_date_formats[i]; i++) {
        if (column->dates[i] == 0)
            continue;
        lua_createtable(L, 0, 2);
        set_text(L, "format", survey_date_formats[i], strlen(survey_date_formats[i]));
        set_integer(L, "count", column->dates[i]);
        lua_rawseti(L, -2, (lua_Integer)lua_rawlen(L, -2) + 1);
    }
    lua_setfield(L, -2, "dates");
}

static void set_values(lua_State *L, const struct survey_column *column)
{
    if (column->value_count <= SURVEY_VALUES) {
        lua_createtable(L, (int)column->value_count, 0);
        for (size_t i = 0; i < column->value_count; i++) {
            lua_createtable(L, 0, 3);
            set_text(L, "value", column->values[i].text.bytes, column->values[i].text.len);
            set_integer(L, "line", (uint64_t)column->values[i].text.line);
            set_integer(L, "count", column->values[i].count);
            lua_rawseti(L, -2, (lua_Integer)i + 1);
        }
        lua_setfield(L, -2, "values");
    }
    lua_createtable(L, (int)column->sample_count, 0);
    for (size_t i = 0; i < column->sample_count; i++) {
        lua_pushstring(L, column->samples[i]);
        lua_rawseti(L, -2, (lua_Integer)i + 1);
    }
    lua_setfield(L, -2, "phone_samples");
}

static void set_unique(lua_State *L, const struct unique_counts *unique)
{
    lua_createtable(L, 0, 4);
    lua_pushboolean(L, unique->state == UNIQUE_MEASURED);
    lua_setfield(L, -2, "measured");
    set_integer(L, "repeated", unique->repeated);
    if (unique->repeats > 0) {
        set_integer(L, "first_line", (uint64_t)unique->first);
        set_integer(L, "repeats_line", (uint64_t)unique->repeats);
    }
    lua_setfield(L, -2, "unique");
}

static void push_column(lua_State *L, const struct survey_column *column)
{
    lua_createtable(L, 0, 14);
    set_text(L, "name", column->name, column->name_len);
    set_integer(L, "filled", column->filled);
    if (column->first_empty > 0)
        set_integer(L, "first_empty", (uint64_t)column->first_empty);
    set_integer(L, "max_characters", column->max_chars);
    set_integer(L, "distinct", column->distinct);
    set_kinds(L, column);
    set_traits(L, column);
    set_dates(L, column);
    set_values(L, column);
    set_unique(L, &column->unique);
}

static void push_result(lua_State *L, const struct survey_result *result)
{
    lua_createtable(L, 0, 10);
    set_text(L, "encoding", result->facts->encoding, strlen(result->facts->encoding));
    lua_pushboolean(L, result->facts->had_mark);
    lua_setfield(L, -2, "byte_order_mark");
    set_text(L, "delimiter", &result->delimiter, 1);
    set_integer(L, "rows", result->rows);
    set_integer(L, "blank", result->blank);
    set_integer(L, "unreadable", result->unreadable);
    set_integer(L, "ragged", result->ragged);
    lua_createtable(L, (int)result->column_count, 0);
    for (size_t i = 0; i < result->column_count; i++) {
        push_column(L, &result->columns[i]);
        lua_rawseti(L, -2, (lua_Integer)i + 1);
    }
    lua_setfield(L, -2, "columns");
    lua_createtable(L, (int)result->pair_count, 0);
    for (size_t i = 0; i < result->pair_count; i++) {
        lua_createtable(L, 0, 3);
        set_integer(L, "first", result->pairs[i].columns[0] + 1);
        set_integer(L, "second", result->pairs[i].columns[1] + 1);
        set_unique(L, &result->pairs[i].unique);
        lua_rawseti(L, -2, (lua_Integer)i + 1);
    }
    lua_setfield(L, -2, "pairs");
}

/* ---- run ---- */

static bool survey_part(void *arg)
{
    return survey_slice(((struct working *)arg)->survey);
}

static int survey_results(lua_State *L, struct wait *w, int index)
{
    const struct survey_result *result = survey_result(((struct working *)w)->survey);
    (void)index;
    if (result->failed)
        return fail_with(L, &result->err);
    push_result(L, result);
    return 1;
}

static const struct wait_class survey_class = {survey_results, cancel, false};

static int collect(lua_State *L)
{
    struct survey **held = lua_touserdata(L, 1);
    survey_free(*held);
    *held = NULL;
    return 0;
}

/* run{file, fd, encoding, tmp} → survey | nil, err. The survey: { encoding, byte_order_mark, delimiter, rows, blank, unreadable,
 * ragged, columns = {{name, filled, first_empty, max_characters, distinct, kinds, misfits, traits, trait_lines, dates, values,
 * phone_samples, unique}, …}, pairs = {{first, second, unique}, …} }: as core/survey.h says. */
static int native_run(lua_State *L)
{
    static const char *const known[] = {"file", "fd", "encoding", "tmp", NULL};
    struct err e;
    err_clear(&e);
    lua_settop(L, 1);
    check_options(L, 1, "survey", known);
    const struct survey_options options = {.path = need_string(L, 1, "survey", "file"),
                                           .fd = (int)option_number(L, 1, "survey", "fd", -1),
                                           .encoding = option_string(L, 1, "survey", "encoding", NULL),
                                           .temporary = option_string(L, 1, "survey", "tmp", NULL)};
    struct survey **held = lua_newuserdatauv(L, sizeof *held, 0);
    *held = NULL;
    if (luaL_newmetatable(L, "upjob.survey")) {
        lua_pushcfunction(L, collect);
        lua_setfield(L, -2, "__gc");
    }
    lua_setmetatable(L, -2);
    int holder = lua_gettop(L);
    *held = survey_new(&options, &e);
    if (!*held)
        return fail_with(L, &e);
    struct working *working = wait_new(L, sizeof *working, &survey_class);
    working->survey = *held;
    return start(L, working, holder, survey_part);
}

/* ---- valid_phones ---- */

static bool phones_part(void *arg)
{
    struct working *working = arg;
    const struct phone_options options = {.region = working->region, .threads = 1};
    struct phone_rules *rules = phone_rules_new(&options, &working->err);
    struct phone_result result;
    working->failed = !rules;
    for (size_t i = 0; rules && i < working->count; i++) {
        if (!phone_e164(rules, working->numbers[i], &result, &working->err)) {
            working->failed = true;
            break;
        }
        working->valid += result.fault.reason == PHONE_VALID;
    }
    phone_rules_free(rules);
    return false;
}

static int phones_results(lua_State *L, struct wait *w, int index)
{
    struct working *working = (struct working *)w;
    (void)index;
    if (working->failed)
        return fail_with(L, &working->err);
    lua_pushinteger(L, (lua_Integer)working->valid);
    return 1;
}

static const struct wait_class phones_class = {phones_results, cancel, false};

/* valid_phones({number, …}, region) → how many are phone numbers | nil, err. Without a region they need their country codes. */
static int native_valid_phones(lua_State *L)
{
    luaL_checktype(L, 1, LUA_TTABLE);
    const char *region = luaL_optstring(L, 2, NULL);
    lua_settop(L, 2);
    size_t count = lua_rawlen(L, 1);
    lua_createtable(L, (int)count + 2, 0); /* keeps the texts */
    int used = lua_gettop(L);
    struct csv_slice *numbers = lua_newuserdatauv(L, (count + 1) * sizeof *numbers, 0);
    lua_rawseti(L, used, (lua_Integer)count + 1);
    lua_pushvalue(L, 2);
    lua_rawseti(L, used, (lua_Integer)count + 2);
    for (size_t i = 0; i < count; i++) {
        lua_rawgeti(L, 1, (lua_Integer)i + 1);
        numbers[i].data = luaL_checklstring(L, -1, &numbers[i].len);
        lua_rawseti(L, used, (lua_Integer)i + 1);
    }
    struct working *working = wait_new(L, sizeof *working, &phones_class);
    working->region = region;
    working->numbers = numbers;
    working->count = count;
    return start(L, working, used, phones_part);
}

int open_native_survey(lua_State *L)
{
    static const luaL_Reg functions[] = {{"run", native_run}, {"valid_phones", native_valid_phones}, {NULL, NULL}};
    luaL_newlib(L, functions);
    return 1;
}
