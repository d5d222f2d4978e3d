/* module: parts of the program that are loaded when first used, so that a run which needs none of them starts at once.
 *
 * A part that is linked into the program (in the tests) is found there. Threads may load.
 */
#ifndef UPJOB_CORE_MODULE_H
#define UPJOB_CORE_MODULE_H

#include <limits.h>
#include <stdbool.h>

#include "core/err.h"

/* Where the running program is; copied. Called once, before anything is loaded; without it the system is asked. */
void module_set_program(const char *path);
/* Writes the path of a module ("charset.so"): beside the program (a build directory), else in ../lib/upjob (an installation).
 * False when there is none. */
bool module_path(const char *module, char path[PATH_MAX]) MUST_CHECK;
/* The address of `symbol` in `module`, which is loaded unless it is there; it stays. NULL with *err (ERR_INTERNAL) when it
 * cannot be loaded. */
void *module_find(const char *module, const char *symbol, struct err *err) MUST_CHECK;

#endif
