#include "core/s3_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include "core/tempfile.h"

#define SHOWN 32

static const char *shown(uint64_t bytes, char out[SHOWN])
{
    static const char *const units[] = {"bytes", "kB", "MB", "GB", "TB"};
    double value = (double)bytes;
    size_t unit = 0;
    while (value >= 1000 && unit + 1 < sizeof units / sizeof *units) {
        value /= 1000;
        unit++;
    }
    snprintf(out, SHOWN, unit ? "%.1f %s" : "%.0f %s", value, units[unit]);
    return out;
}

static bool no_room(const struct s3_file *file, uint64_t room, struct err *err)
{
    char needed[SHOWN], there[SHOWN];
    return err_set(err, ERR_SYSTEM,
                   "there is no room to fetch it: it has %s, and %.200s has room for %s; make room there, or name another "
                   "directory (--tmp DIR of an import, or TMPDIR)", shown(file->bytes, needed), file->directory, shown(room, there));
}

bool s3_file_open(struct s3_file *file, const char *directory, uint64_t bytes, struct err *err)
{
    file->bytes = bytes;
    int fd = tempfile_open(directory, bytes, file->directory, err);
    if (fd < 0)
        return false;
    /* Never one of the three that programs take for something else. */
    file->fd = fcntl(fd, F_DUPFD_CLOEXEC, 3);
    close(fd);
    if (file->fd < 0)
        return err_errno(err, ERR_SYSTEM, errno, "a temporary file cannot be made");
    uint64_t room = tempfile_room(file->fd);
    return room >= bytes || no_room(file, room, err);
}

bool s3_file_write(struct s3_file *file, const char *bytes, size_t len, uint64_t at, struct err *err)
{
    while (len > 0) {
        ssize_t n = pwrite(file->fd, bytes, len, (off_t)at);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0 && (errno == ENOSPC || errno == EDQUOT))
            return no_room(file, at, err);
        if (n < 0)
            return err_errno(err, ERR_SYSTEM, errno, "cannot be kept in a temporary file in %.200s", file->directory);
        bytes += n;
        at += (uint64_t)n;
        len -= (size_t)n;
    }
    return true;
}

void s3_file_close(struct s3_file *file)
{
    if (file->fd >= 0)
        close(file->fd);
    file->fd = -1;
}
