/* state: the Lua state of the program: libraries, modules, coroutines that pass waits through. */
#ifndef UPJOB_HOST_STATE_H
#define UPJOB_HOST_STATE_H

#include "bindings/app.h"

/* Has warn() say on standard error what it is given between warn("@on") and warn("@off"). */
void state_handle_warnings(lua_State *L);
/* Fills a new state. May raise: call it protected. */
void state_fill(lua_State *L);
/* upjob.native.embedded: the files built in. */
int open_native_embedded(lua_State *L);
/* upjob.native.prompt, in prompt.so (bindings/modules.h). */
int open_native_prompt(lua_State *L);

#endif
