/* module: where the parts of the program are that it loads when they are first used. */
#ifndef UPJOB_CORE_MODULE_H
#define UPJOB_CORE_MODULE_H

#include <limits.h>
#include <stdbool.h>

#include "core/err.h"

/* Writes the path of a module ("client.so"): beside the program (a build directory), else in ../lib/upjob (an installation).
 * `program_path` is that of the running binary; NULL: asked of the system. False when there is none. */
bool module_path(const char *program_path, const char *module, char path[PATH_MAX]) MUST_CHECK;

#endif
