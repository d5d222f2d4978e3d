/* The tables of the store, and how one of an older version becomes one of this. */
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "core/journal_private.h"

#define VERSION 1

static const char schema[] =
    "PRAGMA application_id = " JOURNAL_APPLICATION ";"
    "CREATE TABLE run ("
    "    id INTEGER PRIMARY KEY AUTOINCREMENT, kind TEXT NOT NULL, parent INTEGER REFERENCES run (id) ON DELETE SET NULL,"
    "    ordinal INTEGER, try INTEGER NOT NULL DEFAULT 1, schedule TEXT, state TEXT NOT NULL, attempt INTEGER NOT NULL DEFAULT 0,"
    "    fence INTEGER NOT NULL DEFAULT 0, run_key TEXT, script TEXT, arguments TEXT, directory TEXT, file TEXT,"
    "    file_fingerprint TEXT, mapping_file TEXT, mapping TEXT, mapping_fingerprint TEXT, domain TEXT, display_name TEXT,"
    "    job_id TEXT, job_status TEXT, options TEXT, event TEXT, result TEXT, error TEXT, exit_status INTEGER, output TEXT,"
    "    queued_at REAL, begun_at REAL, ended_at REAL, not_before REAL,"
    "    holder TEXT, lease_until REAL);" /* the boot's clock: journal_lease.c */
    "CREATE UNIQUE INDEX run_of_parent ON run (parent, ordinal, try) WHERE parent IS NOT NULL;"
    "CREATE INDEX run_of_schedule ON run (schedule, id) WHERE schedule IS NOT NULL;"
    "CREATE INDEX run_by_key ON run (run_key) WHERE run_key IS NOT NULL;"
    "CREATE INDEX run_open ON run (state) WHERE " RUN_IS_OPEN ";"
    "CREATE TABLE step (run INTEGER NOT NULL REFERENCES run (id) ON DELETE CASCADE, number INTEGER NOT NULL,"
    "    attempt INTEGER NOT NULL, step TEXT NOT NULL, state TEXT NOT NULL, at REAL NOT NULL, detail TEXT,"
    "    PRIMARY KEY (run, number)) WITHOUT ROWID;"
    "CREATE TABLE schedule (id TEXT PRIMARY KEY, dir TEXT, file TEXT, timing TEXT, definition TEXT, created_at REAL NOT NULL,"
    "    since REAL NOT NULL," /* nothing before this is due */
    "    last_due REAL, paused INTEGER NOT NULL DEFAULT 0, gone INTEGER NOT NULL DEFAULT 0, streak INTEGER NOT NULL DEFAULT 0,"
    "    last_run INTEGER, last_ok REAL) WITHOUT ROWID;"
    "CREATE TABLE tick (schedule TEXT NOT NULL, key TEXT NOT NULL, due REAL NOT NULL, at REAL NOT NULL, run INTEGER,"
    "    skipped TEXT, PRIMARY KEY (schedule, key)) WITHOUT ROWID;"
    "CREATE INDEX tick_by_run ON tick (run);"
    "CREATE TABLE dead_letter (id INTEGER PRIMARY KEY AUTOINCREMENT, at REAL NOT NULL, kind TEXT NOT NULL, target TEXT,"
    "    payload TEXT NOT NULL, error TEXT, attempts INTEGER);";

const struct sql_store journal_store = {VERSION, schema, 4096, 2048};

/* Each takes a store to the next version; none yet. */
const struct migration journal_migrations[] = {{0, NULL}};

static void remove_database(const char *path)
{
    static const char *const beside[] = {"", "-wal", "-shm", "-journal"};
    char file[PATH_MAX + 16];
    for (size_t i = 0; i < sizeof beside / sizeof beside[0]; i++) {
        snprintf(file, sizeof file, "%s%s", path, beside[i]);
        unlink(file);
    }
}

static bool count_runs_from(sqlite3 *db, int64_t highest, struct err *err)
{
    char text[96];
    snprintf(text, sizeof text, "INSERT INTO sqlite_sequence (name, seq) VALUES ('run', %lld)", (long long)highest);
    return sql_exec(db, text, err);
}

/* Written beside its place, so that a file in it is always one that was whole. */
bool journal_make(const char *path, int64_t highest_id, struct err *err)
{
    char new[PATH_MAX + 8];
    snprintf(new, sizeof new, "%s.new", path);
    remove_database(new);
    sqlite3 *db = sql_open(new, &journal_store, false, err);
    bool ok = db && count_runs_from(db, highest_id, err);
    if (db && sqlite3_close(db) != SQLITE_OK && ok)
        ok = err_set(err, ERR_SYSTEM, "the journal %s cannot be made", path);
    if (ok && journal_was_left_open(new)) /* its pages could not be put into the file itself */
        ok = err_set(err, ERR_SYSTEM, "the journal %s cannot be made: is the disk full?", path);
    if (ok && rename(new, path) != 0)
        ok = err_errno(err, ERR_SYSTEM, errno, "cannot make the journal %s", path);
    if (!ok)
        remove_database(new);
    return ok && sql_sync_directory_of(path, err);
}

/* Whether a statement of this form can be made of the table: it is not run. */
static bool can_prepare(sqlite3 *db, const char *format, const char *table)
{
    char text[128];
    sqlite3_stmt *statement = NULL;
    snprintf(text, sizeof text, format, table);
    bool ok = sqlite3_prepare_v2(db, text, -1, &statement, NULL) == SQLITE_OK;
    sqlite3_finalize(statement);
    return ok;
}

static bool has_column(sqlite3_stmt *column, const char *table, const char *name)
{
    sqlite3_bind_text(column, 1, table, -1, SQLITE_STATIC);
    sqlite3_bind_text(column, 2, name, -1, SQLITE_STATIC);
    bool found = sqlite3_step(column) == SQLITE_ROW;
    sqlite3_reset(column);
    return found;
}

static bool has_tables_of(sqlite3 *db, sqlite3 *model)
{
    static const char columns[] = "SELECT m.name, p.name, p.cid FROM sqlite_schema AS m, pragma_table_info(m.name) AS p"
                                  " WHERE m.type = 'table' AND m.name NOT LIKE 'sqlite_%'";
    sqlite3_stmt *wanted = NULL, *column = NULL;
    bool ok = sqlite3_prepare_v2(model, columns, -1, &wanted, NULL) == SQLITE_OK &&
              sqlite3_prepare_v2(db, "SELECT 1 FROM pragma_table_info(?1) WHERE name = ?2", -1, &column, NULL) == SQLITE_OK;
    while (ok && sqlite3_step(wanted) == SQLITE_ROW) {
        const char *table = sql_text(wanted, 0);
        ok = has_column(column, table, sql_text(wanted, 1));
        if (ok && sqlite3_column_int(wanted, 2) == 0) /* what it refers to is looked for, too */
            ok = can_prepare(db, "INSERT INTO %s DEFAULT VALUES", table) && can_prepare(db, "DELETE FROM %s WHERE 0", table);
    }
    sqlite3_finalize(wanted);
    sqlite3_finalize(column);
    return ok;
}

/* Damage to the text of a table's definition gives the table, a column or what it refers to another name, which is all that
 * SQLite would see of it. */
bool journal_has_all(sqlite3 *db)
{
    sqlite3 *model = NULL;
    bool made = sqlite3_open(":memory:", &model) == SQLITE_OK && sqlite3_exec(model, schema, NULL, NULL, NULL) == SQLITE_OK;
    bool has_all = !made || has_tables_of(db, model);
    sqlite3_close(model);
    return has_all;
}

/* ---- versions ---- */

static bool migrate(sqlite3 *db, const char *path, int64_t found, const struct version *to, bool alone, char *copy, size_t size,
                    struct err *err)
{
    char stamp[STAMP_SIZE];
    if (!sql_knows_way(to->migrations, found))
        return err_set(err, ERR_CONFIG,
                       "%s is of version %lld, which this upjob no longer knows (it makes version %d): choose another "
                       "directory with --state DIR",
                       path, (long long)found, to->number);
    if (!alone)
        return err_set(err, ERR_CONFIG,
                       "%s is of version %lld, made by an older upjob that still uses it: stop that first, then it "
                       "is brought to version %d",
                       path, (long long)found, to->number);
    journal_stamp(stamp);
    snprintf(copy, size, "%s.version-%lld-%s", path, (long long)found, stamp);
    return sql_migrate(db, path, found, to->number, to->migrations, copy, err);
}

bool journal_check_version(const char *path, const struct version *to, bool alone, char *copy, size_t size, struct err *err)
{
    int64_t found = 0, application = 0;
    copy[0] = '\0';
    sqlite3 *db = sql_open_any(path, err);
    if (!db)
        return false;
    bool ok = sql_read_number(db, "PRAGMA user_version", &found, err) && sql_read_number(db, "PRAGMA application_id", &application, err);
    if (ok && application != strtoll(JOURNAL_APPLICATION, NULL, 10))
        ok = err_set(err, ERR_CONFIG, "%s is a database, but no journal of upjob: choose another directory with --state DIR",
                     path);
    if (ok && found > to->number)
        ok = err_set(err, ERR_CONFIG,
                     "%s is of version %lld, made by a newer upjob; this one knows version %d: use the newer one, or "
                     "choose another directory with --state DIR",
                     path, (long long)found, to->number);
    if (ok && found < to->number)
        ok = migrate(db, path, found, to, alone, copy, size, err);
    sqlite3_close(db);
    return ok;
}
