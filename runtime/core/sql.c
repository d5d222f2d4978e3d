#include "core/sql.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#define BUSY_MS 30000 /* a disk may stand still for seconds while another process writes */

static bool tell(sqlite3 *db, const char *name, struct err *err)
{
    int code = sqlite3_errcode(db), system_error = sqlite3_system_errno(db);
    bool full = code == SQLITE_FULL || (code == SQLITE_IOERR && (system_error == ENOSPC || system_error == EDQUOT));
    /* SQLite does not tell why a file of ours cannot be opened: room for its name, or for one more open file, may come back. */
    bool cannot_open = code == SQLITE_CANTOPEN, busy = code == SQLITE_BUSY;
    err->retryable = full || cannot_open || busy;
    if (cannot_open)
        return err_set(err, ERR_SYSTEM, "the database %s cannot be opened: the disk may be full, or too many files open", name);
    if (full)
        return err_set(err, ERR_SYSTEM, "the disk is full: %s cannot be written", name);
    if (busy)
        return err_set(err, ERR_SYSTEM, "the database %s was in use by other processes for %d seconds", name, BUSY_MS / 1000);
    if (code == SQLITE_CORRUPT || code == SQLITE_NOTADB)
        return err_set(err, ERR_DAMAGED, "the database %s is damaged: %s", name, sqlite3_errmsg(db));
    return err_set(err, ERR_SYSTEM, "the database %s failed: %s", name, sqlite3_errmsg(db));
}

bool sql_fail(sqlite3 *db, struct err *err)
{
    return tell(db, sqlite3_db_filename(db, NULL), err);
}

bool sql_exec(sqlite3 *db, const char *text, struct err *err)
{
    return sqlite3_exec(db, text, NULL, NULL, NULL) == SQLITE_OK || sql_fail(db, err);
}

sqlite3_stmt *sql_prepare(sqlite3 *db, const char *text, struct err *err)
{
    sqlite3_stmt *statement = NULL;
    if (sqlite3_prepare_v3(db, text, -1, SQLITE_PREPARE_PERSISTENT, &statement, NULL) != SQLITE_OK)
        sql_fail(db, err);
    return statement;
}

bool sql_run(sqlite3_stmt *statement, struct err *err)
{
    int status = sqlite3_step(statement);
    bool ok = status == SQLITE_DONE || status == SQLITE_ROW || sql_fail(sqlite3_db_handle(statement), err);
    sqlite3_reset(statement);
    return ok;
}

const char *sql_text(sqlite3_stmt *statement, int column)
{
    const char *text = (const char *)sqlite3_column_text(statement, column);
    return text ? text : "";
}

static int user_version(sqlite3 *db)
{
    sqlite3_stmt *statement = NULL;
    int version = -1;
    if (sqlite3_prepare_v2(db, "PRAGMA user_version", -1, &statement, NULL) == SQLITE_OK &&
        sqlite3_step(statement) == SQLITE_ROW)
        version = sqlite3_column_int(statement, 0);
    sqlite3_finalize(statement);
    return version;
}

static void open_failed(sqlite3 *db, const char *path, struct err *err)
{
    if (db)
        tell(db, path, err);
    else
        err_set(err, ERR_MEMORY, "cannot open the database %s: out of memory", path);
}

static bool check_version(const char *path, int found, int version, struct err *err)
{
    if (found > version)
        return err_set(err, ERR_CONFIG, "%s is of version %d, made by a newer upjob; this one knows version %d", path, found, version);
    return found == version ||
           err_set(err, ERR_CONFIG, "%s is of version %d, made by an older upjob; this one knows version %d: remove the data "
                   "directory, or use another", path, found, version);
}

/* The schema and its version in one transaction: a database is made whole or not at all. */
static bool prepare_schema(sqlite3 *db, const char *path, int version, const char *schema, struct err *err)
{
    char pragma[64];
    struct err ignored;
    int found = user_version(db);
    if (found < 0)
        return sql_fail(db, err);
    if (found > 0)
        return check_version(path, found, version, err);
    snprintf(pragma, sizeof pragma, "PRAGMA user_version = %d; COMMIT", version);
    if (sql_exec(db, "BEGIN IMMEDIATE", err) && sql_exec(db, schema, err) && sql_exec(db, pragma, err))
        return true;
    err_clear(&ignored);
    (void)!sql_exec(db, "ROLLBACK", &ignored);
    return false;
}

/* SQLite gives the files beside it the mode of the database. Never opened here when it is there: closing it would drop the
 * locks that other connections of this process have on it. */
static void make_private(const char *path)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd >= 0)
        close(fd);
}

sqlite3 *sql_open(const char *path, const struct sql_store *store, bool ephemeral, struct err *err)
{
    sqlite3 *db = NULL;
    char pragmas[256];
    snprintf(pragmas, sizeof pragmas,
             "PRAGMA page_size = %d; PRAGMA journal_mode = WAL; PRAGMA synchronous = %s; PRAGMA foreign_keys = ON; PRAGMA cache_size = -%d;",
             store->page_size, ephemeral ? "OFF" : "FULL", store->cache_kib);
    make_private(path);
    if (sqlite3_open_v2(path, &db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX, NULL) != SQLITE_OK) {
        open_failed(db, path, err);
        sqlite3_close(db);
        return NULL;
    }
    sqlite3_busy_timeout(db, BUSY_MS);
    if (sql_exec(db, pragmas, err) && prepare_schema(db, path, store->version, store->schema, err))
        return db;
    sqlite3_close(db);
    return NULL;
}

sqlite3 *sql_open_any(const char *path, struct err *err)
{
    sqlite3 *db = NULL;
    if (sqlite3_open_v2(path, &db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX, NULL) == SQLITE_OK) {
        sqlite3_busy_timeout(db, BUSY_MS);
        return db;
    }
    open_failed(db, path, err);
    sqlite3_close(db);
    return NULL;
}

sqlite3 *sql_open_reader(const char *path, int version, struct err *err)
{
    if (access(path, F_OK) != 0 && errno == ENOENT)
        return NULL;
    sqlite3 *db = sql_open_any(path, err);
    if (!db)
        return NULL;
    int found = user_version(db);
    if (found < 0)
        sql_fail(db, err);
    else if (found > 0 && check_version(path, found, version, err))
        return db;
    sqlite3_close(db);
    return NULL;
}
