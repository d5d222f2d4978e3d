#include "core/sql_version.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "core/sql.h"

bool sql_read_number(sqlite3 *db, const char *pragma, int64_t *number, struct err *err)
{
    sqlite3_stmt *statement = sql_prepare(db, pragma, err);
    bool ok = statement && (sqlite3_step(statement) == SQLITE_ROW || sql_fail(db, err));
    *number = ok ? sqlite3_column_int64(statement, 0) : 0;
    sqlite3_finalize(statement);
    return ok;
}

bool sql_knows_way(const struct migration *migrations, int64_t from)
{
    for (const struct migration *m = migrations; m->text; m++)
        if (m->from == from)
            return true;
    return false;
}

static bool sync_path(const char *path, int flags)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | flags);
    bool ok = fd >= 0 && fsync(fd) == 0;
    if (fd >= 0)
        close(fd);
    return ok;
}

bool sql_sync_directory_of(const char *path, struct err *err)
{
    char directory[PATH_MAX];
    snprintf(directory, sizeof directory, "%.*s", (int)(strrchr(path, '/') - path), path);
    return sync_path(directory, O_DIRECTORY) ||
           err_errno(err, ERR_SYSTEM, errno, "cannot write the directory of %s to the disk", path);
}

static bool make_copy(sqlite3 *db, const char *path, const char *to, struct err *err)
{
    /* SQLite would make it for others to read, too. */
    int fd = open(to, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd < 0)
        return err_errno(err, ERR_SYSTEM, errno, "cannot copy %s to %s, as it must be before it is changed", path, to);
    close(fd);
    sqlite3_stmt *statement = sql_prepare(db, "VACUUM INTO ?", err);
    if (statement)
        sqlite3_bind_text(statement, 1, to, -1, SQLITE_STATIC);
    bool ok = statement && sql_run(statement, err);
    sqlite3_finalize(statement);
    if (ok && !sync_path(to, 0))
        ok = err_errno(err, ERR_SYSTEM, errno, "cannot write %s to the disk", to);
    if (!ok)
        unlink(to);
    return ok && sql_sync_directory_of(to, err);
}

static bool change(sqlite3 *db, int64_t from, int version, const struct migration *migrations, struct err *err)
{
    char pragma[64];
    struct err ignored;
    snprintf(pragma, sizeof pragma, "PRAGMA user_version = %d", version);
    bool ok = sql_exec(db, "BEGIN EXCLUSIVE", err);
    for (const struct migration *m = migrations; ok && m->text; m++)
        if (m->from >= from && m->from < version)
            ok = sql_exec(db, m->text, err);
    if (ok && sql_exec(db, pragma, err) && sql_exec(db, "COMMIT", err))
        return true;
    err_clear(&ignored);
    if (!sqlite3_get_autocommit(db))
        (void)!sql_exec(db, "ROLLBACK", &ignored);
    return false;
}

bool sql_migrate(sqlite3 *db, const char *path, int64_t from, int version, const struct migration *migrations, const char *copy,
                 struct err *err)
{
    return make_copy(db, path, copy, err) && change(db, from, version, migrations, err);
}
