/* check: what the files of upjob.native.check share: check.c runs, check_plan.c reads what is asked for,
 * check_results.c says what was found. */
#ifndef UPJOB_BINDINGS_CHECK_H
#define UPJOB_BINDINGS_CHECK_H

#include "core/check.h"

#include "bindings/app.h"

/* Pushes the result of a check that has ended, or nil and the error: 1 or 2 values. `file` is its name. */
int push_check_result(lua_State *L, struct check *check, const struct mapping *mapping, const char *file);
/* Pushes what the file is. */
void push_check_facts(lua_State *L, const struct input_facts *facts);

/* options.mapping is pushed, and stays while the plan is in use: its place, 0 when none was given. */
int read_check_mapping(lua_State *L, struct check_plan *plan);
/* options.split = { salt =, part_bytes =, slots =, parts = }; what it leaves on the stack holds what the plan has. */
void read_check_split(lua_State *L, struct check_split_plan *plan);

#endif
