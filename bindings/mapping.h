/* mapping: a mapping that was written in Lua, compiled, with the functions that its steps call. */
#ifndef UPJOB_BINDINGS_MAPPING_H
#define UPJOB_BINDINGS_MAPPING_H

#include "core/check.h"
#include "core/mapping.h"

#include "bindings/app.h"

/* Of what is wrong in a mapping file. */
#define ERR_MAPPING "InvalidMapping"

/* User values: lists of functions, of the places where they stand, and of rows()'s; the row. */
enum { MAPPING_FUNCTIONS = 1, MAPPING_WHERES, MAPPING_FILTERS, MAPPING_VIEW, MAPPING_VALUES = MAPPING_VIEW };

/* A userdata; its user values keep the functions and the row that they are given. */
struct lua_mapping {
    struct mapping *mapping;
    enum mapping_on_invalid on_invalid;
    const char *const *skipped;      /* headers, NULL-terminated */
    const struct check_dates *dates; /* fields whose dates may be written in several ways */
    size_t date_count;
    size_t filter_count;
    bool on_loop;                /* it has functions: it is used between turns of the loop */
    struct mapping_arena memory; /* of what stands above */
    /* While it is used. */
    lua_State *L;
    int self; /* its place on that stack */
    struct reader *view;
};

/* Compiles what upjob.mapping_plan makes of a mapping, the table at `index`, and pushes it; raises for a
 * mapping that cannot be compiled, with the line of the field that it is about. */
struct lua_mapping *push_mapping(lua_State *L, int index);
/* Before functions may be called: the userdata is at `self` of a stack on which they run; `csv` has read its
 * header. */
void mapping_enter(struct lua_mapping *mapping, lua_State *L, int self, struct csv_reader *csv);
/* The row that functions were given is gone. */
void mapping_leave(struct lua_mapping *mapping);
/* A mapping_call (core/mapping.h); the argument is the mapping. */
enum mapping_called mapping_call_function(void *mapping, long function, const struct csv_row *row,
                                          struct csv_slice value, struct mapping_arena *arena,
                                          struct csv_slice *result, struct err *err);
/* As struct check_plan wants it; the argument is the mapping. */
bool mapping_wants_row(void *mapping, const struct csv_row *row, bool *wanted, struct err *err);

#endif
