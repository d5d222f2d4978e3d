/* failing_disk: a file system for SQLite that refuses writes from one of them on. */
#ifndef UPJOB_TESTS_FAILING_DISK_H
#define UPJOB_TESTS_FAILING_DISK_H

#include <sqlite3.h>
#include <string.h>

/* Writes, syncs, cuts and openings are counted; from number `failing_from` on they fail, `failing_for` of them. */
static int failing_from, failing_for, writes_counted;

static inline int fails(int code)
{
    int number = ++writes_counted;
    return failing_from && number >= failing_from && number < failing_from + failing_for ? code : SQLITE_OK;
}

struct failing_file {
    sqlite3_file base;
    sqlite3_file real; /* and what belongs to it */
};

static inline sqlite3_file *real_file(sqlite3_file *file)
{
    return &((struct failing_file *)file)->real;
}

#define FORWARD(name, parameters, ...)                                                                                       \
    static int failing_##name parameters                                                                                     \
    {                                                                                                                        \
        return real_file(f)->pMethods->name(real_file(f), ##__VA_ARGS__);                                                    \
    }
#define FORWARD_UNLESS_FAILING(name, code, parameters, ...)                                                                  \
    static int failing_##name parameters                                                                                     \
    {                                                                                                                        \
        int status = fails(code);                                                                                            \
        return status ? status : real_file(f)->pMethods->name(real_file(f), ##__VA_ARGS__);                                  \
    }
FORWARD(xClose, (sqlite3_file * f))
FORWARD(xRead, (sqlite3_file * f, void *data, int n, sqlite3_int64 at), data, n, at)
FORWARD_UNLESS_FAILING(xWrite, SQLITE_FULL, (sqlite3_file * f, const void *data, int n, sqlite3_int64 at), data, n, at)
FORWARD_UNLESS_FAILING(xTruncate, SQLITE_IOERR_TRUNCATE, (sqlite3_file * f, sqlite3_int64 size), size)
FORWARD(xFileSize, (sqlite3_file * f, sqlite3_int64 *size), size)
FORWARD(xLock, (sqlite3_file * f, int lock), lock)
FORWARD(xUnlock, (sqlite3_file * f, int lock), lock)
FORWARD(xCheckReservedLock, (sqlite3_file * f, int *out), out)
FORWARD(xFileControl, (sqlite3_file * f, int what, void *arg), what, arg)
FORWARD(xSectorSize, (sqlite3_file * f))
FORWARD(xDeviceCharacteristics, (sqlite3_file * f))
FORWARD_UNLESS_FAILING(xShmMap, SQLITE_IOERR_SHMSIZE, (sqlite3_file * f, int region, int size, int extend, void volatile **out),
                       region, size, extend, out)
FORWARD(xShmLock, (sqlite3_file * f, int offset, int n, int flags), offset, n, flags)
FORWARD(xShmUnmap, (sqlite3_file * f, int remove), remove)

/* Nobody pulls the plug: syncs are counted and not made. */
static inline int failing_xSync(sqlite3_file *f, int flags)
{
    (void)f;
    (void)flags;
    return fails(SQLITE_IOERR_FSYNC);
}

static inline void failing_xShmBarrier(sqlite3_file *f)
{
    real_file(f)->pMethods->xShmBarrier(real_file(f));
}

static const sqlite3_io_methods failing_methods = {
    .iVersion = 2,
    .xClose = failing_xClose,
    .xRead = failing_xRead,
    .xWrite = failing_xWrite,
    .xTruncate = failing_xTruncate,
    .xSync = failing_xSync,
    .xFileSize = failing_xFileSize,
    .xLock = failing_xLock,
    .xUnlock = failing_xUnlock,
    .xCheckReservedLock = failing_xCheckReservedLock,
    .xFileControl = failing_xFileControl,
    .xSectorSize = failing_xSectorSize,
    .xDeviceCharacteristics = failing_xDeviceCharacteristics,
    .xShmMap = failing_xShmMap,
    .xShmLock = failing_xShmLock,
    .xShmBarrier = failing_xShmBarrier,
    .xShmUnmap = failing_xShmUnmap,
};

static sqlite3_vfs *real_vfs, failing_vfs;

static inline int failing_xOpen(sqlite3_vfs *vfs, const char *name, sqlite3_file *f, int flags, int *out)
{
    (void)vfs;
    f->pMethods = NULL;
    int status = fails(SQLITE_CANTOPEN);
    if (status == SQLITE_OK)
        status = real_vfs->xOpen(real_vfs, name, real_file(f), flags, out);
    if (status == SQLITE_OK)
        f->pMethods = &failing_methods;
    return status;
}

/* All databases are on it from now on; it does not fail yet. */
static inline void use_failing_disk(void)
{
    real_vfs = sqlite3_vfs_find(NULL);
    failing_vfs = *real_vfs;
    failing_vfs.zName = "failing";
    failing_vfs.szOsFile += (int)sizeof(struct failing_file);
    failing_vfs.xOpen = failing_xOpen;
    sqlite3_vfs_register(&failing_vfs, 1);
}

#endif
