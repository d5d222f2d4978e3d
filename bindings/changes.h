/* changes: the rows of a file that are to be sent, as scripts hold them (upjob.native.changes, upjob.native.check). */
#ifndef UPJOB_BINDINGS_CHANGES_H
#define UPJOB_BINDINGS_CHANGES_H

#include <lua.h>

#include "core/rowset.h"

/* Pushes a handle that is to be closed. Returns where it keeps the rows, which it owns. */
struct rowset **push_rows(lua_State *L);
/* The rows of the handle in the option; NULL when it is absent. Raises for anything else, and when it was closed. */
struct rowset *option_rows(lua_State *L, int index, const char *what, const char *name);

#endif
