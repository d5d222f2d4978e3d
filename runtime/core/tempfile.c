#ifndef _GNU_SOURCE
#define _GNU_SOURCE /* O_TMPFILE, mkostemp */
#endif

#include "core/tempfile.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/statvfs.h>
#include <unistd.h>

#define ROOM_DEFAULT ((uint64_t)256 << 20)

static int open_in(const char *directory)
{
    char path[PATH_MAX];
    int fd = open(directory, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
    if (fd >= 0 || snprintf(path, sizeof path, "%s/upjob-XXXXXX", directory) >= (int)sizeof path)
        return fd;
    /* Not every file system has nameless files. */
    fd = mkostemp(path, O_CLOEXEC);
    if (fd >= 0)
        unlink(path);
    return fd;
}

uint64_t tempfile_room(int fd)
{
    struct statvfs info;
    return fstatvfs(fd, &info) == 0 ? (uint64_t)info.f_bavail * info.f_frsize : 0;
}

static int fail_in(const char *directory, int errnum, struct err *err)
{
    err_errno(err, ERR_SYSTEM, errnum, "a temporary file cannot be made (TMPDIR, or --tmp, says where)");
    err_at(err, directory, 0, 0, NULL);
    return -1;
}

/* The first that has the room, or else the one with the most. */
static int open_anywhere(uint64_t bytes, const char **chosen)
{
    static const char *const places[] = {"/var/tmp", "/tmp", "."};
    int best = -1;
    uint64_t most = 0;
    for (size_t i = 0; i < sizeof places / sizeof places[0] && most < bytes; i++) {
        int fd = open_in(places[i]);
        uint64_t room = fd >= 0 ? tempfile_room(fd) : 0;
        if (fd < 0 || (best >= 0 && room <= most)) {
            if (fd >= 0)
                close(fd);
            continue;
        }
        if (best >= 0)
            close(best);
        best = fd;
        most = room;
        *chosen = places[i];
    }
    return best;
}

int tempfile_open(const char *directory, uint64_t bytes, char *chosen, struct err *err)
{
    const char *place = directory ? directory : getenv("TMPDIR");
    bool told = place && *place;
    int fd = told ? open_in(place) : open_anywhere(bytes ? bytes : ROOM_DEFAULT, &place);
    if (fd < 0)
        return fail_in(told ? place : "/var/tmp", errno, err);
    if (chosen)
        snprintf(chosen, PATH_MAX, "%s", place);
    return fd;
}

static bool fail_write(const char *directory, const char *what, int errnum, struct err *err)
{
    err_at(err, directory, 0, 0, NULL);
    if (errnum == ENOSPC || errnum == EDQUOT)
        return err_set(err, ERR_SYSTEM,
                       "the disk is full, %s cannot be kept there: make room, or name a directory that has it (--tmp DIR, or TMPDIR)", what);
    return err_errno(err, ERR_SYSTEM, errnum, "%s cannot be kept in a temporary file (TMPDIR, or --tmp, says where)", what);
}

bool tempfile_write(int fd, const char *bytes, size_t len, const char *directory, const char *what, struct err *err)
{
    while (len > 0) {
        ssize_t n = write(fd, bytes, len);
        if (n < 0 && errno != EINTR)
            return fail_write(directory, what, errno, err);
        bytes += n > 0 ? n : 0;
        len -= n > 0 ? (size_t)n : 0;
    }
    return true;
}
