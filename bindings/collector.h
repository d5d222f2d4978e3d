/* collector: which of Lua's collectors runs. Generational while the heap is small: it is what rows of a file cost least with.
 * It stops everything for as long as it takes to go over the whole heap, so a large one is collected in steps. */
#ifndef UPJOB_BINDINGS_COLLECTOR_H
#define UPJOB_BINDINGS_COLLECTOR_H

#include <lua.h>
#include <stdbool.h>

void collector_start(lua_State *L);
/* Between turns of the loop: a heap that has become large is collected in steps until it is small again. One whose script has
 * chosen to have it collected in steps stays so. */
void collector_watch(lua_State *L);
/* Collects a little: true when all that nothing refers to has been found. */
bool collector_step(lua_State *L);

#endif
