/* A new set takes the place of the one that it was compared with. */
#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include "core/keyset.h"

static bool fail(const char *path, const char *what, struct err *err)
{
    err_errno(err, ERR_SYSTEM, errno, "%s", what);
    return err_at(err, path, 0, 0, NULL);
}

/* Held until the descriptor is closed. It is beside the set, which is itself replaced. */
static int take_lock(const char *current, struct err *err)
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
    fail(current, "the fingerprints of the rows cannot be locked", err);
    if (fd >= 0)
        close(fd);
    return -1;
}

static bool sync_path(const char *path, int flags, struct err *err)
{
    int fd = open(path, flags | O_RDONLY | O_CLOEXEC);
    bool synced = fd >= 0 && fsync(fd) == 0;
    if (!synced)
        fail(path, "the fingerprints of the rows cannot be kept", err);
    if (fd >= 0)
        close(fd);
    return synced;
}

static bool sync_directory_of(const char *path, struct err *err)
{
    char copy[PATH_MAX];
    snprintf(copy, sizeof copy, "%s", path);
    return sync_path(dirname(copy), O_DIRECTORY, err);
}

static bool is_next(const struct keyset_reader *staged, const struct keyset_reader *current)
{
    const struct keyset_facts *new = keyset_facts(staged), *old = keyset_facts(current);
    return new->base == old->generation && keyset_same_hash(staged, current);
}

/* Nobody else can put another set there meanwhile. */
static bool may_replace(const struct keyset_reader *staged, const char *path, struct err *err)
{
    struct err damage;
    bool none = access(path, F_OK) != 0 && errno == ENOENT, anew = keyset_facts(staged)->base == 0;
    err_clear(&damage);
    struct keyset_reader *current = none ? NULL : keyset_reader_open(path, &damage);
    bool may = current ? is_next(staged, current) : anew && (none || err_is(&damage, ERR_FILE));
    keyset_reader_free(current);
    if (may)
        return true;
    err_set(err, KEYSET_OUTDATED, "the fingerprints of the rows are not those that this import was compared with any more: another "
            "one has put its own there, or they were removed; the next import sends what has changed since");
    return err_at(err, path, 0, 0, NULL);
}

static bool replace(const char *staged, const char *current, struct err *err)
{
    struct keyset_reader *reader = keyset_reader_open(staged, err);
    bool may = reader && may_replace(reader, current, err);
    keyset_reader_free(reader);
    if (!may || !sync_path(staged, 0, err))
        return false;
    return (rename(staged, current) == 0 || fail(current, "the fingerprints of the rows cannot be kept", err)) &&
           sync_directory_of(current, err);
}

bool keyset_promote(const char *staged, const char *current, struct err *err)
{
    int lock = take_lock(current, err);
    if (lock < 0)
        return false;
    bool done = replace(staged, current, err);
    close(lock);
    return done;
}
