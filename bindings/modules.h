/* modules: loading parts of the program from Lua when they are first used (core/module.h).
 *
 *   client.so       the API client and the uploader: libcurl, OpenSSL
 *   local.so        the embedded service: SQLite, libmicrohttpd (and, through client.so, the signer)
 *   journal.so      the journal of runs and schedules: SQLite
 *   metrics.so      pages for those who watch a daemon: libmicrohttpd
 *   prompt.so       line editing: libedit
 *   compression.so  what reads compressed input: zlib, zstd
 *   charset.so      what reads other character sets than UTF-8: ICU
 *
 * The last two are loaded by core/input.c, and phone.so (libphonenumber) by core/phone.c.
 */
#ifndef UPJOB_BINDINGS_MODULES_H
#define UPJOB_BINDINGS_MODULES_H

#include <lua.h>

/* The address of `symbol` in the module. Raises when the module cannot be loaded; a loaded one stays. */
void *module_symbol(lua_State *L, const char *module, const char *symbol);
/* Pushes a function that loads the module and calls its `symbol`, a lua_CFunction: for package.preload. */
void push_late_opener(lua_State *L, const char *module, const char *symbol);

#endif
