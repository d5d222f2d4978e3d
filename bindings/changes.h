/* changes: what has changed in files, and their rows that are to be sent, as scripts hold both (upjob.native.changes,
 * upjob.native.check). */
#ifndef UPJOB_BINDINGS_CHANGES_H
#define UPJOB_BINDINGS_CHANGES_H

#include <lua.h>

#include "core/changes.h"

/* What is found out file by file: upjob.native.changes.compare. */
struct comparison {
    struct changes *changes; /* NULL: closed */
    bool used;               /* by a check, on whatever thread */
    bool closed;             /* it goes when it is not used any more */
};

/* The comparison of the option; NULL when it is absent. It is pushed, nil for none. Raises for anything else, and when it was
 * closed or is in use. */
struct comparison *option_comparison(lua_State *L, int index, const char *what, const char *name);
/* It is not used any more. */
void comparison_leave(struct comparison *comparison);

/* Pushes a handle that is to be closed. Returns where it keeps the rows, which it owns. */
struct rowset **push_rows(lua_State *L);
/* The rows of the handle in the option; NULL when it is absent. Raises for anything else, and when it was closed. */
struct rowset *option_rows(lua_State *L, int index, const char *what, const char *name);

#endif
