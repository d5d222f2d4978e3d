/* file_identity: is this still the file that was looked at?
 *
 * A file is read more than once on its way: checked, digested, sent. Each pass compares what it has open, and what stands at
 * the path, with what the first one saw: device, inode, size, time of the last change.
 */
#ifndef UPJOB_CORE_FILE_IDENTITY_H
#define UPJOB_CORE_FILE_IDENTITY_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/stat.h>

#include "core/err.h"

#define FILE_IDENTITY_TEXT 96

struct file_identity {
    uint64_t device, inode, size;
    int64_t modified; /* nanoseconds since the epoch */
};

void file_identity_of(const struct stat *info, struct file_identity *out);
/* The open file is the one that `was` says, and so is the file at `path` (NULL: a file without a name). Otherwise an ERR_FILE
 * at `path` that says what happened: changed, grown, shortened, replaced, removed. */
bool file_identity_check(const struct file_identity *was, int fd, const char *path, struct err *err) MUST_CHECK;

/* As text, to be handed through Lua; FILE_IDENTITY_TEXT bytes at most. */
void file_identity_text(const struct file_identity *identity, char out[FILE_IDENTITY_TEXT]);
bool file_identity_parse(const char *text, struct file_identity *out) MUST_CHECK;

#endif
