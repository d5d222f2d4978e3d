/* sql: the few things that every SQLite store does the same way. */
#ifndef UPJOB_CORE_SQL_H
#define UPJOB_CORE_SQL_H

#include <sqlite3.h>
#include <stdbool.h>

#include "core/err.h"

#define ERR_DAMAGED "DatabaseDamaged" /* the file is no database, or not whole */

struct sql_store {
    int version;        /* kept in user_version; another one is ERR_CONFIG */
    const char *schema; /* makes a new database */
    int page_size;      /* bytes, of a new database */
    int cache_kib;
};
/* Opens or makes a database, mode 0600: WAL, foreign keys, a busy timeout; synced unless `ephemeral`. NULL with *err. */
sqlite3 *sql_open(const char *path, const struct sql_store *store, bool ephemeral, struct err *err) MUST_CHECK;
/* For searches, of a database that a writer made or is about to. NULL without *err when there is none yet, or it is still empty;
 * ERR_CONFIG for another version. */
sqlite3 *sql_open_reader(const char *path, int version, struct err *err) MUST_CHECK;
/* Opens a database that is there, of whatever version. NULL with *err. */
sqlite3 *sql_open_any(const char *path, struct err *err) MUST_CHECK;
/* Fills *err from the connection: a full disk, a file that cannot be opened and one that others hold are told as such, and are
 * retryable. Always false. */
bool sql_fail(sqlite3 *db, struct err *err);
bool sql_exec(sqlite3 *db, const char *text, struct err *err) MUST_CHECK;
/* A prepared statement, the caller's to finalize; NULL with *err. */
sqlite3_stmt *sql_prepare(sqlite3 *db, const char *text, struct err *err) MUST_CHECK;
/* Steps a statement that gives no rows, and resets it. */
bool sql_run(sqlite3_stmt *statement, struct err *err) MUST_CHECK;
/* A text column as a string of the statement's, "" for NULL. */
const char *sql_text(sqlite3_stmt *statement, int column);

#endif
