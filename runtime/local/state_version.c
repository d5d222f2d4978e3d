#include "local/state_version.h"

#include <limits.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

#include "core/log.h"
#include "core/sql_version.h"

#define VERSION 2

#define SEGMENTS                                                                                                        \
    "CREATE TABLE segment (domain INTEGER NOT NULL REFERENCES domain(id) ON DELETE CASCADE, name TEXT NOT NULL,"         \
    "  created REAL NOT NULL, params TEXT NOT NULL, PRIMARY KEY (domain, name)) WITHOUT ROWID;"                          \
    "CREATE TABLE estimate (number INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT NOT NULL UNIQUE,"                          \
    "  domain INTEGER NOT NULL REFERENCES domain(id) ON DELETE CASCADE, query TEXT NOT NULL, status TEXT NOT NULL,"      \
    "  estimate INTEGER, message TEXT);"                                                                                 \
    "CREATE INDEX estimate_of_domain ON estimate(domain, number);"

static const char schema[] =
    "CREATE TABLE domain (id INTEGER PRIMARY KEY AUTOINCREMENT, name TEXT NOT NULL UNIQUE, created REAL NOT NULL,"
    "  updated REAL NOT NULL, params TEXT NOT NULL);"
    "CREATE TABLE job (number INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT NOT NULL UNIQUE,"
    "  domain INTEGER NOT NULL REFERENCES domain(id) ON DELETE CASCADE, name TEXT NOT NULL, status TEXT NOT NULL,"
    "  reason TEXT, created REAL NOT NULL, started REAL, completed REAL, fields TEXT NOT NULL, unique_key TEXT NOT NULL,"
    "  expiry INTEGER, object TEXT, size INTEGER, utf8 INTEGER, utf8_error_at INTEGER,"
    "  n_created INTEGER NOT NULL DEFAULT 0, n_updated INTEGER NOT NULL DEFAULT 0, n_failed INTEGER NOT NULL DEFAULT 0);"
    "CREATE INDEX job_of_domain ON job(domain, number);"
    "CREATE TABLE path (id TEXT PRIMARY KEY, job TEXT NOT NULL REFERENCES job(id) ON DELETE CASCADE,"
    "  wrapped BLOB NOT NULL, expires REAL NOT NULL);"
    "CREATE INDEX path_of_job ON path(job);"
    SEGMENTS;

const struct sql_store state_store = {VERSION, schema, 4096, 2048};

static const struct migration migrations[] = {{1, SEGMENTS}, {0, NULL}};

static bool migrate(sqlite3 *db, const char *path, int64_t found, struct err *err)
{
    char copy[PATH_MAX + 64], stamp[32];
    time_t now = time(NULL);
    struct tm utc;
    strftime(stamp, sizeof stamp, "%Y%m%dT%H%M%SZ", gmtime_r(&now, &utc));
    snprintf(copy, sizeof copy, "%s.version-%lld-%s", path, (long long)found, stamp);
    if (!sql_migrate(db, path, found, VERSION, migrations, copy, err))
        return false;
    log_write(LOG_INFO, "%s was brought from version %lld to version %d: the earlier one is kept as %s", path, (long long)found,
              VERSION, copy);
    return true;
}

bool state_bring_up(const char *path, struct err *err)
{
    int64_t found = 0;
    if (access(path, F_OK) != 0)
        return true;
    sqlite3 *db = sql_open_any(path, err);
    bool ok = db && sql_read_number(db, "PRAGMA user_version", &found, err);
    /* An empty one is made anew, and one that cannot be brought here is refused, when it is opened. */
    if (ok && found > 0 && found < VERSION && sql_knows_way(migrations, found))
        ok = migrate(db, path, found, err);
    sqlite3_close(db);
    return ok;
}
