/* glob: does a file's name match a pattern as shells have it?
 *
 * "*" is any text, "?" one character, "[abc]" "[a-z]" one of these, "[!abc]" one of none of these ("[^abc]" too); "\" makes what
 * follows stand for itself. Case matters. Wildcards stand in the last part of a path only.
 */
#ifndef UPJOB_CORE_GLOB_H
#define UPJOB_CORE_GLOB_H

#include <stdbool.h>

#include "core/err.h"

/* Bytes that are not UTF-8 are a character each. Safe on any thread; the time is at most the product of the lengths. */
bool glob_matches(const char *pattern, const char *name);

/* Parts a path with a pattern: the directory, without a slash at its end ("." for none), and the name's pattern, both to be freed.
 * ERR_USAGE: a wildcard in the directory, no name, a "[" that is not closed, "**". */
bool glob_split(const char *path, char **directory, char **name, struct err *err) MUST_CHECK;

#endif
