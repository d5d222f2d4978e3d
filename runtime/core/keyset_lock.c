#include "core/keyset_lock.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <limits.h>
#include <stdio.h>
#include <sys/file.h>
#include <unistd.h>

bool keyset_fail(const char *path, const char *what, struct err *err)
{
    err_errno(err, ERR_SYSTEM, errno, "%s", what);
    return err_at(err, path, 0, 0, NULL);
}

int keyset_lock(const char *current, struct err *err)
{
    char path[PATH_MAX];
    int fd = -1, locked = -1;
    if (snprintf(path, sizeof path, "%s.lock", current) < (int)sizeof path)
        fd = open(path, O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
    else
        errno = ENAMETOOLONG;
    while (fd >= 0 && (locked = flock(fd, LOCK_EX)) != 0 && errno == EINTR)
        ;
    if (locked == 0)
        return fd;
    keyset_fail(current, "the fingerprints of the rows cannot be locked", err);
    if (fd >= 0)
        close(fd);
    return -1;
}

bool keyset_sync(const char *path, int flags, struct err *err)
{
    int fd = open(path, flags | O_RDONLY | O_CLOEXEC);
    bool synced = fd >= 0 && fsync(fd) == 0;
    if (!synced)
        keyset_fail(path, "the fingerprints of the rows cannot be kept", err);
    if (fd >= 0)
        close(fd);
    return synced;
}

bool keyset_sync_directory_of(const char *path, struct err *err)
{
    char copy[PATH_MAX];
    snprintf(copy, sizeof copy, "%s", path);
    return keyset_sync(dirname(copy), O_DIRECTORY, err);
}
