/* scratch: a nameless file for what does not fit in memory.
 *
 * Mode 0600 and without a name from its birth, so that nobody else can open it and nothing is left of it however the process
 * ends. It is appended to, and read anywhere.
 */
#ifndef UPJOB_CORE_SCRATCH_H
#define UPJOB_CORE_SCRATCH_H

#include <stddef.h>
#include <stdint.h>

#include "core/err.h"

struct scratch {
    int fd;        /* -1: closed */
    uint64_t size; /* bytes written */
    char directory[256];
};

/* In `directory`; when that is NULL in TMPDIR; when that is not set in /var/tmp or /tmp: the one on a disk (not in memory), and
 * of two on disks the one with more room. */
bool scratch_open(struct scratch *scratch, const char *directory, struct err *err) MUST_CHECK;
/* All of it or an error: a full disk is told with the directory and what to do. */
bool scratch_append(struct scratch *scratch, const void *bytes, size_t len, struct err *err) MUST_CHECK;
/* Exactly `len` bytes at `offset`, which were written. */
bool scratch_read(const struct scratch *scratch, uint64_t offset, void *bytes, size_t len, struct err *err) MUST_CHECK;
/* Closes it: its room is free again. May be called twice, and on one that could not be opened. */
void scratch_close(struct scratch *scratch);

/* pwrite(2) and pread(2) until all is done: interruptions and parts are gone on with. The number of bytes that were written or
 * read; less than `len` with errno set after an error, with errno 0 at the end of the file. */
size_t pwrite_all(int fd, const void *bytes, size_t len, uint64_t offset);
size_t pread_all(int fd, void *bytes, size_t len, uint64_t offset);

#endif
