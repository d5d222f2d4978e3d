/* journal.lock: one process at a time opens the store, and whoever uses it can be seen to do so.
 *
 * Byte 0 is held while the store is opened, byte 1 for as long as it is used, shared. The locks are those of an open file (OFD),
 * so that they end with it, and that SQLite, which uses the other kind, is not in their way. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

#include "core/journal_private.h"

enum { OPENING, IN_USE };

static bool set_lock(int fd, int byte, short type)
{
    struct flock lock = {.l_type = type, .l_whence = SEEK_SET, .l_start = byte, .l_len = 1};
    while (fcntl(fd, F_OFD_SETLK, &lock) != 0)
        if (errno != EINTR)
            return false;
    return true;
}

int journal_lock_file(const char *directory, struct err *err)
{
    char path[PATH_MAX];
    if (snprintf(path, sizeof path, "%s/journal.lock", directory) >= (int)sizeof path) {
        err_set(err, ERR_CONFIG, "the path of the state directory is too long: %.200s…", directory);
        return -1;
    }
    int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd >= 0)
        return fd;
    err->retryable = errno == ENOSPC || errno == EDQUOT || errno == EMFILE || errno == ENFILE;
    err_errno(err, err->retryable ? ERR_SYSTEM : ERR_CONFIG, errno, "cannot open %s", path);
    return -1;
}

/* A process that opens the store is done in milliseconds, unless it looks through a large one after a crash. */
bool journal_lock_opening(int fd, const char *directory, struct err *err)
{
    const struct timespec pause = {0, 5000000};
    for (int waited = 0; waited < LOCK_WAIT_MS; waited += 5) {
        if (set_lock(fd, OPENING, F_WRLCK))
            return true;
        if (errno != EAGAIN && errno != EACCES)
            return err_errno(err, ERR_CONFIG, errno, "cannot lock the journal in %s (choose another directory with --state DIR)",
                             directory);
        nanosleep(&pause, NULL);
    }
    err->retryable = true;
    return err_set(err, ERR_SYSTEM, "another process has been opening the journal in %s for %d seconds: does it hang?", directory,
                   LOCK_WAIT_MS / 1000);
}

void journal_unlock_opening(int fd)
{
    (void)!set_lock(fd, OPENING, F_UNLCK);
}

bool journal_lock_alone(int fd)
{
    return set_lock(fd, IN_USE, F_WRLCK);
}

bool journal_lock_in_use(int fd, struct err *err)
{
    return set_lock(fd, IN_USE, F_RDLCK) || err_errno(err, ERR_SYSTEM, errno, "cannot lock the journal");
}

void journal_unlock_in_use(int fd)
{
    (void)!set_lock(fd, IN_USE, F_UNLCK);
}
