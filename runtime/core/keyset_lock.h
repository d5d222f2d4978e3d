/* keyset_lock: what replaces a set of keys (core/keyset.h): one at a time, and on the disk. */
#ifndef UPJOB_CORE_KEYSET_LOCK_H
#define UPJOB_CORE_KEYSET_LOCK_H

#include <stdbool.h>

#include "core/err.h"

/* Held until the descriptor is closed. It is beside the set, which is itself replaced. -1 with *err. */
int keyset_lock(const char *current, struct err *err) MUST_CHECK;
/* fsync of what is opened with `flags`. */
bool keyset_sync(const char *path, int flags, struct err *err) MUST_CHECK;
bool keyset_sync_directory_of(const char *path, struct err *err) MUST_CHECK;
/* False, with errno as the error of `path`. */
bool keyset_fail(const char *path, const char *what, struct err *err);

#endif
