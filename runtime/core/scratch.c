#include "core/scratch.h"

#include <errno.h>
#include <unistd.h>

#include "core/tempfile.h"

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

bool scratch_open(struct scratch *scratch, const char *directory, struct err *err)
{
    scratch->size = 0;
    scratch->fd = tempfile_open(directory, 0, scratch->directory, err);
    return scratch->fd >= 0;
}

bool scratch_append(struct scratch *scratch, const void *bytes, size_t len, struct err *err)
{
    size_t done = pwrite_all(scratch->fd, bytes, len, scratch->size);
    scratch->size += done;
    if (done == len)
        return true;
    err_errno(err, ERR_SYSTEM, errno,
              "a temporary file here cannot grow beyond %llu MiB; make room, or name another directory (--tmp DIR, or TMPDIR)",
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
