/* json: between Lua values and cJSON. */
#ifndef UPJOB_BINDINGS_JSON_H
#define UPJOB_BINDINGS_JSON_H

#include <cjson/cJSON.h>
#include <lua.h>

#include "core/operations.h"

#define JSON_MAX_DEPTH 100

/* A new tree for the value at `index`; NULL with a message on the stack when it cannot be JSON, which says where in the value
 * ("Fields.email.Source: a function cannot be JSON"). An empty table is an object, unless `shape` or json.array says that it is
 * a list. With a `shape` (may be NULL) strings are not checked to be UTF-8: shape_validate does that. */
cJSON *json_from_lua(lua_State *L, int index, const struct shape *shape);
/* Pushes the value. Null is json.null; members of objects that are null are left out. */
void json_to_lua(lua_State *L, const cJSON *value);
/* Keeps a tree alive until the userdata on the stack that this pushes is collected: for code that may raise. */
void json_guard(lua_State *L, cJSON *tree);

#endif
