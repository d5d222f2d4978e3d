/* Opening the store: its directory, its version, what is done with one that is damaged. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "core/journal_private.h"
#include "core/state_directory.h"

#define VERSION 1

static const char schema[] =
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
    "CREATE INDEX run_open ON run (state) WHERE state IN ('queued', 'running', 'interrupted');"
    "CREATE TABLE step (run INTEGER NOT NULL REFERENCES run (id) ON DELETE CASCADE, number INTEGER NOT NULL, attempt INTEGER NOT NULL,"
    "    step TEXT NOT NULL, state TEXT NOT NULL, at REAL NOT NULL, detail TEXT, PRIMARY KEY (run, number)) WITHOUT ROWID;"
    "CREATE TABLE schedule (id TEXT PRIMARY KEY, dir TEXT, file TEXT, timing TEXT, definition TEXT, created_at REAL NOT NULL,"
    "    since REAL NOT NULL," /* nothing before this is due */
    "    last_due REAL, paused INTEGER NOT NULL DEFAULT 0, gone INTEGER NOT NULL DEFAULT 0, streak INTEGER NOT NULL DEFAULT 0,"
    "    last_run INTEGER, last_ok REAL) WITHOUT ROWID;"
    "CREATE TABLE tick (schedule TEXT NOT NULL, key TEXT NOT NULL, due REAL NOT NULL, at REAL NOT NULL, run INTEGER, skipped TEXT,"
    "    PRIMARY KEY (schedule, key)) WITHOUT ROWID;"
    "CREATE INDEX tick_by_run ON tick (run);"
    "CREATE TABLE dead_letter (id INTEGER PRIMARY KEY AUTOINCREMENT, at REAL NOT NULL, kind TEXT NOT NULL, target TEXT,"
    "    payload TEXT NOT NULL, error TEXT, attempts INTEGER);";

/* One process at a time opens, so that two do not move the same damaged file aside, or make the schema at once. */
static int lock_opening(const char *directory, struct err *err)
{
    char path[PATH_MAX];
    if (snprintf(path, sizeof path, "%s/journal.lock", directory) >= (int)sizeof path) {
        err_set(err, ERR_CONFIG, "the path of the state directory is too long: %.200s…", directory);
        return -1;
    }
    int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600), status = -1;
    if (fd >= 0)
        while ((status = flock(fd, LOCK_EX)) != 0 && errno == EINTR)
            continue;
    if (status == 0)
        return fd;
    err_errno(err, errno == EACCES || errno == EROFS ? ERR_CONFIG : ERR_SYSTEM, errno, "cannot lock the journal in %s", directory);
    if (fd >= 0)
        close(fd);
    return -1;
}

static bool is_damaged(int code)
{
    return code == SQLITE_CORRUPT || code == SQLITE_NOTADB;
}

/* A database that was not closed may have been cut short. */
static bool was_left_open(const char *path)
{
    char wal[PATH_MAX + 8];
    struct stat info;
    snprintf(wal, sizeof wal, "%s-wal", path);
    return stat(wal, &info) == 0 && info.st_size > 0;
}

/* The result code that says what is wrong with it; SQLITE_OK when nothing is. */
static int examine(const char *path, bool thoroughly)
{
    sqlite3 *db = NULL;
    sqlite3_stmt *statement = NULL;
    const char *query = thoroughly ? "PRAGMA quick_check(1)" : "SELECT count(*) FROM sqlite_schema";
    int code = sqlite3_open_v2(path, &db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX, NULL);
    sqlite3_busy_timeout(db, 10000);
    if (code == SQLITE_OK)
        code = sqlite3_prepare_v2(db, query, -1, &statement, NULL);
    if (code == SQLITE_OK) {
        code = sqlite3_step(statement);
        if (code == SQLITE_ROW)
            code = thoroughly && strcmp(sql_text(statement, 0), "ok") != 0 ? SQLITE_CORRUPT : SQLITE_OK;
    }
    sqlite3_finalize(statement);
    sqlite3_close(db);
    return code & 0xff;
}

static bool move_aside(const char *path, char **aside, struct err *err)
{
    char stamp[32], to[PATH_MAX + 64], from[PATH_MAX + 8], beside[PATH_MAX + 72];
    time_t now = time(NULL);
    struct tm utc;
    strftime(stamp, sizeof stamp, "%Y%m%dT%H%M%SZ", gmtime_r(&now, &utc));
    snprintf(to, sizeof to, "%s.corrupt-%s", path, stamp);
    if (rename(path, to) != 0)
        return err_errno(err, ERR_SYSTEM, errno, "the journal %s is damaged, and cannot be moved aside", path);
    static const char *const endings[] = {"-wal", "-shm"};
    for (size_t i = 0; i < sizeof endings / sizeof endings[0]; i++) {
        snprintf(from, sizeof from, "%s%s", path, endings[i]);
        snprintf(beside, sizeof beside, "%s%s", to, endings[i]);
        if (rename(from, beside) != 0 && errno != ENOENT)
            return err_errno(err, ERR_SYSTEM, errno, "the journal %s is damaged, and %s cannot be moved aside", path, from);
    }
    *aside = strdup(to);
    return *aside || err_set(err, ERR_MEMORY, "out of memory");
}

static sqlite3 *open_database(const char *path, char **aside, struct err *err)
{
    const struct sql_store store = {VERSION, schema, 4096, 2048};
    if (access(path, F_OK) == 0 && is_damaged(examine(path, was_left_open(path))) && !move_aside(path, aside, err))
        return NULL;
    return sql_open(path, &store, false, err);
}

struct journal *journal_open(const char *directory, double lease, char **aside, struct err *err)
{
    char path[PATH_MAX];
    *aside = NULL;
    if (!state_directory_make(directory, err))
        return NULL;
    int lock = lock_opening(directory, err);
    if (lock < 0)
        return NULL;
    struct journal *j = calloc(1, sizeof *j);
    if (!j) {
        err_set(err, ERR_MEMORY, "out of memory");
        close(lock);
        return NULL;
    }
    snprintf(path, sizeof path, "%.4000s/journal.db", directory);
    j->lease = lease;
    j->db = open_database(path, aside, err);
    bool ok = j->db && lease_prepare(j, err);
    close(lock);
    if (ok)
        return j;
    journal_close(j);
    free(*aside);
    *aside = NULL;
    return NULL;
}

void journal_close(struct journal *j)
{
    if (!j)
        return;
    sqlite3_close_v2(j->db);
    free(j);
}
