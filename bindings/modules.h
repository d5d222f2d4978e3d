/* modules: parts of the program that are loaded when first used, so that a run which needs none of them starts at once.
 *
 *   client.so   the API client and the uploader: libcurl, OpenSSL
 *   local.so    the embedded service: SQLite, libmicrohttpd (and, through client.so, the signer)
 *   prompt.so   line editing: libedit
 *
 * phone.so (libphonenumber) is loaded by core/phone.c.
 */
#ifndef UPJOB_BINDINGS_MODULES_H
#define UPJOB_BINDINGS_MODULES_H

#include <lua.h>

/* The address of `symbol` in the module. Raises when the module cannot be loaded; a loaded one stays. */
void *module_symbol(lua_State *L, const char *module, const char *symbol);
/* Pushes a function that loads the module and calls its `symbol`, a lua_CFunction: for package.preload. */
void push_late_opener(lua_State *L, const char *module, const char *symbol);

#endif
