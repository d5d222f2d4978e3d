/* tempfile: a temporary file without a name, for what may be large and holds personal data.
 *
 * Mode 0600; nobody else can open it, and it is gone when its descriptor is closed, also by a kill.
 */
#ifndef UPJOB_CORE_TEMPFILE_H
#define UPJOB_CORE_TEMPFILE_H

#include <stddef.h>
#include <stdint.h>

#include "core/err.h"

/* A descriptor for reading and writing, at 0, which the caller closes; -1 with *err. The file is in `directory`, or where that
 * is NULL in TMPDIR, or else in the first of /var/tmp, /tmp and the current directory that can take it and has `bytes` (0: some
 * 256 MiB) of room, or else in the one with the most. *chosen (may be NULL, PATH_MAX bytes) is the directory. */
int tempfile_open(const char *directory, uint64_t bytes, char *chosen, struct err *err) MUST_CHECK;
/* Bytes that the file system of the descriptor has for us; 0 when that cannot be told. */
uint64_t tempfile_room(int fd);
/* Writes all of it. False with *err, which says what to do when the file system in `directory` is full; `what` is what was to be
 * kept: "standard input". */
bool tempfile_write(int fd, const char *bytes, size_t len, const char *directory, const char *what,
                    struct err *err) MUST_CHECK;

#endif
