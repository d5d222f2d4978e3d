/* operations: the part of upjob.native.profiles that knows the operations of the API and calls none. */
#ifndef UPJOB_BINDINGS_OPERATIONS_H
#define UPJOB_BINDINGS_OPERATIONS_H

#include "bindings/app.h"

/* Adds its functions to the table on top of the stack. */
void add_operations(lua_State *L);

#endif
