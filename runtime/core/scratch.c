#ifndef _GNU_SOURCE
#define _GNU_SOURCE /* O_TMPFILE, mkostemp */
#endif

#include "core/scratch.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/vfs.h>
#include <unistd.h>

size_t pwrite_all(int fd, const void *bytes, size_t len, uint64_t offset)
{
    size_t done = 0;
    errno = 0;
    while (done < len) {
        ssize_t n = pwrite(fd, (const char *)bytes + done, len - done, (off_t)(offset + done));
        if (n < 0 && errno == EINTR)
            continue;
        if (n == 0)
            errno = ENOSPC;
        if (n <= 0)
            break;
        done += (size_t)n;
    }
    return done;
}

size_t pread_all(int fd, void *bytes, size_t len, uint64_t offset)
{
    size_t done = 0;
    errno = 0;
    while (done < len) {
        ssize_t n = pread(fd, (char *)bytes + done, len - done, (off_t)(offset + done));
        if (n < 0 && errno == EINTR)
            continue;
        if (n == 0)
            errno = 0;
        if (n <= 0)
            break;
        done += (size_t)n;
    }
    return done;
}

/* Room in bytes; a file system in memory is counted as having one byte, so that it is the last choice. */
static uint64_t room_of(const char *directory)
{
    struct statfs info;
    if (access(directory, W_OK | X_OK) != 0 || statfs(directory, &info) != 0)
        return 0;
    if (info.f_type == TMPFS_MAGIC || info.f_type == RAMFS_MAGIC)
        return 1;
    return (uint64_t)info.f_bavail * (uint64_t)info.f_bsize;
}

static const char *choose_directory(const char *wanted)
{
    const char *set = wanted ? wanted : getenv("TMPDIR");
    if (set && *set)
        return set;
    return room_of("/tmp") > room_of("/var/tmp") ? "/tmp" : "/var/tmp";
}

static int open_unlinked(const char *directory)
{
    char path[sizeof((struct scratch *)0)->directory + 16];
    snprintf(path, sizeof path, "%s/upjob-XXXXXX", directory);
    int fd = mkostemp(path, O_CLOEXEC);
    if (fd >= 0)
        unlink(path);
    return fd;
}

bool scratch_open(struct scratch *scratch, const char *directory, struct err *err)
{
    directory = choose_directory(directory);
    scratch->size = 0;
    scratch->fd = -1;
    if (strlen(directory) >= sizeof scratch->directory) {
        err_set(err, ERR_CONFIG, "the name of the directory for temporary files is too long (TMPDIR says where)");
        return err_at(err, directory, 0, 0, NULL);
    }
    memcpy(scratch->directory, directory, strlen(directory) + 1);
    scratch->fd = open(directory, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
    if (scratch->fd < 0 && (errno == EOPNOTSUPP || errno == EISDIR || errno == EINVAL))
        scratch->fd = open_unlinked(directory); /* not every file system has nameless files */
    if (scratch->fd >= 0)
        return true;
    err_errno(err, ERR_SYSTEM, errno, "a temporary file cannot be made here (TMPDIR says where)");
    return err_at(err, directory, 0, 0, NULL);
}

bool scratch_append(struct scratch *scratch, const void *bytes, size_t len, struct err *err)
{
    size_t done = pwrite_all(scratch->fd, bytes, len, scratch->size);
    scratch->size += done;
    if (done == len)
        return true;
    err_errno(err, ERR_SYSTEM, errno,
              "a temporary file here cannot grow beyond %llu MiB; make room, or name another directory with TMPDIR",
              (unsigned long long)(scratch->size >> 20));
    return err_at(err, scratch->directory, 0, 0, NULL);
}

bool scratch_read(const struct scratch *scratch, uint64_t offset, void *bytes, size_t len, struct err *err)
{
    if (pread_all(scratch->fd, bytes, len, offset) == len)
        return true;
    if (errno)
        err_errno(err, ERR_SYSTEM, errno, "a temporary file here cannot be read");
    else
        err_set(err, ERR_SYSTEM, "a temporary file here ends before what was written to it");
    return err_at(err, scratch->directory, 0, 0, NULL);
}

void scratch_close(struct scratch *scratch)
{
    if (scratch->fd >= 0)
        close(scratch->fd);
    scratch->fd = -1;
    scratch->size = 0;
}
