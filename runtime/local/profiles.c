/* profiles: opening a domain's store, its targets, positions, index and expiry. Batches are in profiles_batch.c, searches in
 * profiles_search.c. */
#include "local/profiles.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "local/profiles_private.h"

#define VERSION 1
#define CACHE_KIB 16384
#define PURGE_AT_ONCE 5000

static const char schema[] =
    "CREATE TABLE target (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE);"
    "CREATE TABLE profile (id INTEGER PRIMARY KEY, uid BLOB NOT NULL, expires REAL NOT NULL, key BLOB NOT NULL, doc BLOB NOT NULL);"
    "CREATE INDEX profile_expires ON profile(expires);"
    "CREATE TABLE profile_key (key BLOB PRIMARY KEY, id INTEGER NOT NULL) WITHOUT ROWID;"
    "CREATE TABLE term (hash INTEGER, id INTEGER, PRIMARY KEY (hash, id)) WITHOUT ROWID;"
    "CREATE TABLE term_pending (hash INTEGER, id INTEGER);"
    "CREATE TABLE position (job TEXT PRIMARY KEY, offset INTEGER, line INTEGER, created INTEGER, updated INTEGER, failed INTEGER);"
    "CREATE TABLE failure (number INTEGER PRIMARY KEY, job TEXT NOT NULL, line INTEGER, col INTEGER, name TEXT, value TEXT,"
    "  reason TEXT);"
    "CREATE INDEX failure_of_job ON failure(job, number);";

void profiles_path(const char *data_dir, int64_t domain_id, const char *suffix, char *out, size_t size)
{
    snprintf(out, size, "%s/profiles/%lld.db%s", data_dir, (long long)domain_id, suffix);
}

static bool prepare(struct profiles *p, struct err *err)
{
    const struct {
        sqlite3_stmt **statement;
        const char *text;
    } all[] = {
        {&p->find_key, "SELECT id FROM profile_key WHERE key = ?"},
        {&p->get_profile, "SELECT uid, expires, doc FROM profile WHERE id = ?"},
        {&p->put_profile, "INSERT INTO profile(uid, expires, key, doc) VALUES(?, ?, ?, ?)"},
        {&p->change_profile, "UPDATE profile SET expires = ?, doc = ? WHERE id = ?"},
        {&p->put_key, "INSERT OR REPLACE INTO profile_key(key, id) VALUES(?, ?)"},
        {&p->put_term, "INSERT INTO term_pending(hash, id) VALUES(?, ?)"},
        {&p->put_failure, "INSERT INTO failure(job, line, col, name, value, reason) VALUES(?, ?, ?, ?, ?, ?)"},
        {&p->put_position, "INSERT OR REPLACE INTO position(job, offset, line, created, updated, failed) VALUES(?, ?, ?, ?, ?, ?)"},
    };
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++)
        if (!(*all[i].statement = sql_prepare(p->db, all[i].text, err)))
            return false;
    return true;
}

struct profiles *profiles_open(const char *data_dir, int64_t domain_id, bool ephemeral, struct err *err)
{
    char path[PATH_MAX];
    struct profiles *p = calloc(1, sizeof *p);
    if (!p) {
        err_set(err, ERR_MEMORY, "out of memory");
        return NULL;
    }
    snprintf(path, sizeof path, "%s/profiles", data_dir);
    if (mkdir(path, 0700) != 0 && errno != EEXIST) {
        err_errno(err, ERR_SYSTEM, errno, "cannot make the directory %s", path);
        goto failed;
    }
    profiles_path(data_dir, domain_id, "", path, sizeof path);
    p->db = sql_open(path, VERSION, schema, CACHE_KIB, ephemeral, err);
    if (p->db && prepare(p, err) && targets_load(p->db, &p->targets, err))
        return p;
failed:
    profiles_close(p);
    return NULL;
}

void profiles_close(struct profiles *p)
{
    if (!p)
        return;
    sqlite3_stmt *all[] = {p->find_key, p->get_profile, p->put_profile, p->change_profile,
                           p->put_key,  p->put_term,    p->put_failure, p->put_position};
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++)
        sqlite3_finalize(all[i]);
    targets_free(&p->targets);
    sqlite3_close(p->db);
    free(p);
}

bool profiles_remove(const char *data_dir, int64_t domain_id, struct err *err)
{
    static const char *const suffixes[] = {"", "-wal", "-shm"};
    char path[PATH_MAX];
    for (size_t i = 0; i < 3; i++) {
        profiles_path(data_dir, domain_id, suffixes[i], path, sizeof path);
        if (unlink(path) != 0 && errno != ENOENT)
            return err_errno(err, ERR_SYSTEM, errno, "cannot remove %s", path);
    }
    return true;
}

/* ---- targets ---- */

static bool remember_target(struct target_names *names, int id, const char *name, struct err *err)
{
    if (id >= names->count) {
        int count = id + 16;
        char **grown = realloc(names->names, (size_t)count * sizeof *grown);
        if (!grown)
            return err_set(err, ERR_MEMORY, "out of memory");
        memset(grown + names->count, 0, (size_t)(count - names->count) * sizeof *grown);
        names->names = grown;
        names->count = count;
    }
    free(names->names[id]);
    names->names[id] = strdup(name);
    return names->names[id] || err_set(err, ERR_MEMORY, "out of memory");
}

bool targets_load(sqlite3 *db, struct target_names *names, struct err *err)
{
    sqlite3_stmt *q = sql_prepare(db, "SELECT id, name FROM target", err);
    bool ok = q != NULL;
    while (ok && sqlite3_step(q) == SQLITE_ROW)
        ok = remember_target(names, sqlite3_column_int(q, 0), sql_text(q, 1), err);
    sqlite3_finalize(q);
    return ok;
}

void targets_free(struct target_names *names)
{
    for (int i = 0; i < names->count; i++)
        free(names->names[i]);
    free(names->names);
    memset(names, 0, sizeof *names);
}

int profiles_target(struct profiles *p, const char *name, struct err *err)
{
    for (int i = 0; i < p->targets.count; i++)
        if (p->targets.names[i] && strcmp(p->targets.names[i], name) == 0)
            return i;
    sqlite3_stmt *q = sql_prepare(p->db, "INSERT INTO target(name) VALUES(?)", err);
    if (!q)
        return -1;
    sqlite3_bind_text(q, 1, name, -1, SQLITE_STATIC);
    bool ok = sql_run(q, err);
    sqlite3_finalize(q);
    int id = (int)sqlite3_last_insert_rowid(p->db);
    return ok && remember_target(&p->targets, id, name, err) ? id : -1;
}

/* ---- positions, index, expiry ---- */

bool profiles_position(struct profiles *p, const char *job_id, struct ingest_position *position, bool *found, struct err *err)
{
    sqlite3_stmt *q = sql_prepare(p->db, "SELECT offset, line, created, updated, failed FROM position WHERE job = ?", err);
    if (!q)
        return false;
    sqlite3_bind_text(q, 1, job_id, -1, SQLITE_STATIC);
    int status = sqlite3_step(q);
    *found = status == SQLITE_ROW;
    if (*found) {
        position->offset = (uint64_t)sqlite3_column_int64(q, 0);
        position->line = (long)sqlite3_column_int64(q, 1);
        position->counts = (struct job_counts){sqlite3_column_int64(q, 2), sqlite3_column_int64(q, 3), sqlite3_column_int64(q, 4)};
    }
    bool ok = *found || status == SQLITE_DONE || sql_fail(p->db, err);
    sqlite3_finalize(q);
    return ok;
}

bool profiles_build_index(struct profiles *p, struct err *err)
{
    struct err ignored;
    err_clear(&ignored);
    if (sql_exec(p->db, "BEGIN; INSERT OR IGNORE INTO term SELECT hash, id FROM term_pending ORDER BY hash, id;"
                        "DELETE FROM term_pending; COMMIT; PRAGMA wal_checkpoint(TRUNCATE)", err))
        return true;
    (void)!sql_exec(p->db, "ROLLBACK", &ignored);
    return false;
}

bool profiles_purge(struct profiles *p, double now, bool *more, struct err *err)
{
    char text[400];
    snprintf(text, sizeof text,
             "BEGIN; DELETE FROM profile_key WHERE key IN (SELECT key FROM profile WHERE expires <= %.3f LIMIT %d);"
             "DELETE FROM profile WHERE id IN (SELECT id FROM profile WHERE expires <= %.3f LIMIT %d); COMMIT",
             now, PURGE_AT_ONCE, now, PURGE_AT_ONCE);
    if (!sql_exec(p->db, text, err)) {
        struct err ignored;
        err_clear(&ignored);
        (void)!sql_exec(p->db, "ROLLBACK", &ignored);
        return false;
    }
    *more = sqlite3_changes(p->db) == PURGE_AT_ONCE;
    return true;
}
