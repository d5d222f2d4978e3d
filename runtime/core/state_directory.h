/* state_directory: where upjob keeps what must outlive a process: a directory of one person on a disk of this machine. */
#ifndef UPJOB_CORE_STATE_DIRECTORY_H
#define UPJOB_CORE_STATE_DIRECTORY_H

#include <stdbool.h>
#include <sys/types.h>

#include "core/err.h"

/* Makes the directory and what is missing above it, mode 0700. ERR_CONFIG when it cannot be made or written, is none, or lies on
 * a network file system, where locks and syncs do not hold what a database needs of them. */
bool state_directory_make(const char *path, struct err *err) MUST_CHECK;

/* The name of a network file system by the f_type of statfs(2) and, for FUSE, the type that /proc/self/mountinfo tells (may be
 * NULL); NULL for one that is of this machine. */
const char *state_directory_network(long f_type, const char *fuse_type);

/* The type of the file system that has this device, by a file in the form of /proc/self/mountinfo: "fuse.sshfs". False when that
 * does not tell. */
bool state_directory_mount_type(const char *mountinfo, dev_t device, char out[64]) MUST_CHECK;

#endif
