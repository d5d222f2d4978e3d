/* scratch: a temporary file (core/tempfile.h) for what does not fit in memory. It is appended to, and read anywhere. */
#ifndef UPJOB_CORE_SCRATCH_H
#define UPJOB_CORE_SCRATCH_H

#include <limits.h>
#include <stddef.h>
#include <stdint.h>

#include "core/err.h"

struct scratch {
    int fd;        /* -1: closed */
    uint64_t size; /* bytes written */
    char directory[PATH_MAX];
};

/* In `directory`, or where that is NULL as tempfile_open says. */
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
