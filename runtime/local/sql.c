#include "local/sql.h"

#include <stdio.h>

bool sql_fail(sqlite3 *db, struct err *err)
{
    int code = sqlite3_errcode(db);
    if (code == SQLITE_FULL)
        return err_set(err, ERR_SYSTEM, "the disk is full: %s", sqlite3_errmsg(db));
    return err_set(err, ERR_SYSTEM, "the database %s failed: %s", sqlite3_db_filename(db, NULL), sqlite3_errmsg(db));
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

/* The schema and its version in one transaction: a database is made whole or not at all. */
static bool prepare_schema(sqlite3 *db, const char *path, int version, const char *schema, struct err *err)
{
    char pragma[64];
    int found = user_version(db);
    if (found < 0)
        return sql_fail(db, err);
    if (found > version)
        return err_set(err, ERR_CONFIG, "%s is of version %d, made by a newer upjob; this one knows version %d", path,
                       found, version);
    if (found == version)
        return true;
    if (found > 0)
        return err_set(err, ERR_CONFIG, "%s is of version %d, made by an older upjob; this one knows version %d: remove the "
                       "data directory, or use another", path, found, version);
    snprintf(pragma, sizeof pragma, "PRAGMA user_version = %d; COMMIT", version);
    return sql_exec(db, "BEGIN IMMEDIATE", err) && sql_exec(db, schema, err) && sql_exec(db, pragma, err);
}

sqlite3 *sql_open(const char *path, int version, const char *schema, int cache_kib, bool ephemeral, struct err *err)
{
    sqlite3 *db = NULL;
    char pragmas[256];
    snprintf(pragmas, sizeof pragmas,
             "PRAGMA journal_mode = WAL; PRAGMA synchronous = %s; PRAGMA foreign_keys = ON; PRAGMA cache_size = -%d;",
             ephemeral ? "OFF" : "FULL", cache_kib);
    if (sqlite3_open_v2(path, &db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX, NULL) != SQLITE_OK) {
        err_set(err, ERR_CONFIG, "cannot open the database %s: %s", path, db ? sqlite3_errmsg(db) : "out of memory");
        sqlite3_close(db);
        return NULL;
    }
    sqlite3_busy_timeout(db, 10000);
    if (sql_exec(db, pragmas, err) && prepare_schema(db, path, version, schema, err))
        return db;
    sqlite3_close(db);
    return NULL;
}

sqlite3 *sql_open_reader(const char *path, struct err *err)
{
    sqlite3 *db = NULL;
    if (sqlite3_open_v2(path, &db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX, NULL) != SQLITE_OK) {
        err_set(err, ERR_FILE, "there is no database %s", path);
        sqlite3_close(db);
        return NULL;
    }
    sqlite3_busy_timeout(db, 10000);
    return db;
}
