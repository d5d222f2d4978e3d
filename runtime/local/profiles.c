/* profiles: opening a domain's store, its targets, positions, index and expiry. Batches are in profiles_batch.c, searches in
 * profiles_search.c. */
#include "local/profiles.h"

#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "local/profiles_private.h"

#define CACHE_KIB 16384
/* A batch into a large store touches most pages of the key table, at the cost of some system calls each: fewer, larger ones made
 * the ingestion of 5 million rows half as fast again. */
#define PAGE_SIZE 16384
#define PURGE_SCANNED 100000 /* profiles looked at in a slice, and removed: a slice stays under half a second */
#define PURGE_REMOVED 5000
#define MERGE_SECONDS 0.15

static const char schema[] =
    "CREATE TABLE target (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE);"
    "CREATE TABLE profile (id INTEGER PRIMARY KEY, uid BLOB NOT NULL, key BLOB NOT NULL, doc BLOB NOT NULL);"
    "CREATE TABLE profile_key (hash INTEGER PRIMARY KEY, id INTEGER NOT NULL, expires INTEGER NOT NULL, digest INTEGER NOT NULL);"
    "CREATE TABLE oldest (expires INTEGER NOT NULL);"
    "INSERT INTO oldest VALUES(9223372036854775807);"
    TERMS_SCHEMA
    "CREATE TABLE position (job TEXT PRIMARY KEY, offset INTEGER, line INTEGER, created INTEGER, updated INTEGER, failed INTEGER,"
    "  part_end INTEGER, part_hash INTEGER);"
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
        {&p->find_key, "SELECT id, expires, digest FROM profile_key WHERE hash = ?"},
        {&p->put_key, "INSERT OR REPLACE INTO profile_key(hash, id, expires, digest) VALUES(?, ?, ?, ?)"},
        {&p->drop_key, "DELETE FROM profile_key WHERE hash = ?"},
        {&p->next_keys, "SELECT hash, id, expires FROM profile_key WHERE hash > ? ORDER BY hash"},
        {&p->get_profile, "SELECT uid, key, doc FROM profile WHERE id = ?"},
        {&p->put_profile, "INSERT INTO profile(uid, key, doc) VALUES(?, ?, ?)"},
        {&p->change_profile, "UPDATE profile SET uid = ?, doc = ? WHERE id = ?"},
        {&p->drop_profile, "DELETE FROM profile WHERE id = ?"},
        {&p->put_oldest, "UPDATE oldest SET expires = ?"},
        {&p->put_failure, "INSERT INTO failure(job, line, col, name, value, reason) VALUES(?, ?, ?, ?, ?, ?)"},
        {&p->put_position, "INSERT OR REPLACE INTO position(job, offset, line, created, updated, failed, part_end, part_hash)"
                           " VALUES(?, ?, ?, ?, ?, ?, ?, ?)"},
    };
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++)
        if (!(*all[i].statement = sql_prepare(p->db, all[i].text, err)))
            return false;
    return true;
}

bool profiles_load_oldest(struct profiles *p, struct err *err)
{
    sqlite3_stmt *q = sql_prepare(p->db, "SELECT expires FROM oldest", err);
    bool ok = q && (sqlite3_step(q) == SQLITE_ROW || sql_fail(p->db, err));
    p->oldest = ok ? sqlite3_column_int64(q, 0) : 0;
    sqlite3_finalize(q);
    return ok;
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
        err->retryable = errno == ENOSPC || errno == EDQUOT;
        err_errno(err, ERR_SYSTEM, errno, "cannot make the directory %s", path);
        goto failed;
    }
    profiles_path(data_dir, domain_id, "", path, sizeof path);
    const struct sql_store store = {PROFILES_VERSION, schema, PAGE_SIZE, CACHE_KIB};
    p->db = sql_open(path, &store, ephemeral, err);
    if (p->db && prepare(p, err) && targets_load(p->db, &p->targets, err) && profiles_load_oldest(p, err) && (p->terms = terms_open(p->db, err)))
        return p;
failed:
    profiles_close(p);
    return NULL;
}

void profiles_close(struct profiles *p)
{
    if (!p)
        return;
    sqlite3_stmt *all[] = {p->find_key,       p->put_key,      p->drop_key,   p->next_keys,   p->get_profile, p->put_profile,
                           p->change_profile, p->drop_profile, p->put_oldest, p->put_failure, p->put_position};
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++)
        sqlite3_finalize(all[i]);
    terms_close(p->terms);
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

sqlite3 *profiles_reader(const char *data_dir, int64_t domain_id, struct err *err)
{
    char path[PATH_MAX];
    profiles_path(data_dir, domain_id, "", path, sizeof path);
    return sql_open_reader(path, PROFILES_VERSION, err);
}

bool profiles_sweep(const char *data_dir, bool (*needed)(void *arg, int64_t domain_id), void *arg, struct err *err)
{
    char path[PATH_MAX];
    struct dirent *entry;
    bool ok = true;
    snprintf(path, sizeof path, "%s/profiles", data_dir);
    DIR *dir = opendir(path);
    while (ok && dir && (entry = readdir(dir))) {
        long long id;
        int end = 0;
        if (sscanf(entry->d_name, "%lld.db%n", &id, &end) != 1 || end == 0)
            continue;
        if (!needed(arg, id)) {
            ok = profiles_remove(data_dir, id, err);
        } else if (!entry->d_name[end]) {
            sqlite3_close(profiles_reader(data_dir, id, err));
            ok = !err->code[0];
        }
    }
    if (dir)
        closedir(dir);
    return ok;
}

/* ---- targets ---- */

static bool grow_targets(struct targets *targets, int count, struct err *err)
{
    char **names = realloc(targets->names, (size_t)count * sizeof *names);
    if (!names)
        return err_set(err, ERR_MEMORY, "out of memory");
    targets->names = names;
    enum target_kind *kinds = realloc(targets->kinds, (size_t)count * sizeof *kinds);
    if (!kinds)
        return err_set(err, ERR_MEMORY, "out of memory");
    targets->kinds = kinds;
    for (; targets->count < count; targets->count++) {
        names[targets->count] = NULL;
        kinds[targets->count] = TARGET_PLAIN;
    }
    return true;
}

static bool remember_target(struct targets *targets, int id, const char *name, struct err *err)
{
    if (id >= targets->count && !grow_targets(targets, id + 16, err))
        return false;
    free(targets->names[id]);
    targets->names[id] = strdup(name);
    targets->kinds[id] = target_kind_of(name);
    return targets->names[id] || err_set(err, ERR_MEMORY, "out of memory");
}

bool targets_load(sqlite3 *db, struct targets *targets, struct err *err)
{
    sqlite3_stmt *q = sql_prepare(db, "SELECT id, name FROM target", err);
    bool ok = q != NULL;
    while (ok && sqlite3_step(q) == SQLITE_ROW)
        ok = remember_target(targets, sqlite3_column_int(q, 0), sql_text(q, 1), err);
    sqlite3_finalize(q);
    return ok;
}

void targets_free(struct targets *targets)
{
    for (int i = 0; i < targets->count; i++)
        free(targets->names[i]);
    free(targets->names);
    free(targets->kinds);
    memset(targets, 0, sizeof *targets);
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

/* ---- positions, merging, expiry ---- */

bool profiles_position(struct profiles *p, const char *job_id, struct ingest_position *position, bool *found, struct err *err)
{
    sqlite3_stmt *q = sql_prepare(p->db, "SELECT offset, line, created, updated, failed, part_end, part_hash FROM position WHERE job = ?",
                                  err);
    if (!q)
        return false;
    sqlite3_bind_text(q, 1, job_id, -1, SQLITE_STATIC);
    int status = sqlite3_step(q);
    *found = status == SQLITE_ROW;
    if (*found) {
        position->offset = (uint64_t)sqlite3_column_int64(q, 0);
        position->line = (long)sqlite3_column_int64(q, 1);
        position->counts = (struct job_counts){sqlite3_column_int64(q, 2), sqlite3_column_int64(q, 3), sqlite3_column_int64(q, 4)};
        position->part_end = (uint64_t)sqlite3_column_int64(q, 5);
        position->part_hash = (uint64_t)sqlite3_column_int64(q, 6);
    }
    bool ok = *found || status == SQLITE_DONE || sql_fail(p->db, err);
    sqlite3_finalize(q);
    return ok;
}

bool profiles_merge_due(struct profiles *p, bool pressing)
{
    return terms_merge_due(p->terms, pressing);
}

bool profiles_merge(struct profiles *p, struct err *err)
{
    return terms_merge(p->terms, MERGE_SECONDS, err);
}

uint64_t profile_key_hash(const char *key, size_t len)
{
    return term_hash("", key, len);
}

bool profiles_put_oldest(struct profiles *p, int64_t expires, struct err *err)
{
    sqlite3_bind_int64(p->put_oldest, 1, expires);
    if (!sql_run(p->put_oldest, err))
        return false;
    p->oldest = expires;
    return true;
}

/* Whether an entry stands at the hash: then a chain may run through the one before it. */
static bool is_taken(struct profiles *p, int64_t hash)
{
    sqlite3_bind_int64(p->find_key, 1, hash);
    bool taken = sqlite3_step(p->find_key) == SQLITE_ROW;
    sqlite3_reset(p->find_key);
    return taken;
}

static bool remove_profile(struct profiles *p, int64_t hash, int64_t id, struct err *err)
{
    sqlite3_stmt *q = is_taken(p, hash + 1) ? p->put_key : p->drop_key;
    sqlite3_bind_int64(q, 1, hash);
    if (q == p->put_key) {
        sqlite3_bind_int64(q, 2, 0);
        sqlite3_bind_int64(q, 3, INT64_MAX);
        sqlite3_bind_int64(q, 4, 0);
    }
    sqlite3_bind_int64(p->drop_profile, 1, id);
    return sql_run(q, err) && sql_run(p->drop_profile, err);
}

struct expired {
    int64_t hash, id;
};

/* Goes through entries from the purge's position on; returns how many expired ones it found, -1 with *err. */
static int scan_expired(struct profiles *p, int64_t now, struct expired *found, bool *more, struct err *err)
{
    int count = 0, status = SQLITE_DONE;
    sqlite3_bind_int64(p->next_keys, 1, p->purge_at);
    *more = true;
    for (int i = 0; *more && i < PURGE_SCANNED && count < PURGE_REMOVED; i++) {
        status = sqlite3_step(p->next_keys);
        *more = status == SQLITE_ROW;
        if (!*more)
            break;
        int64_t expires = sqlite3_column_int64(p->next_keys, 2);
        p->purge_at = sqlite3_column_int64(p->next_keys, 0);
        if (expires <= now)
            found[count++] = (struct expired){p->purge_at, sqlite3_column_int64(p->next_keys, 1)};
        else if (expires < p->purge_oldest)
            p->purge_oldest = expires;
    }
    sqlite3_reset(p->next_keys);
    return status == SQLITE_ROW || status == SQLITE_DONE || sql_fail(p->db, err) ? count : -1;
}

static bool purge_some(struct profiles *p, int64_t now, bool *more, struct err *err)
{
    struct expired *found = malloc(PURGE_REMOVED * sizeof *found);
    if (!found)
        return err_set(err, ERR_MEMORY, "out of memory");
    int count = scan_expired(p, now, found, more, err);
    bool ok = count >= 0;
    for (int i = 0; ok && i < count; i++)
        ok = remove_profile(p, found[i].hash, found[i].id, err);
    free(found);
    return ok && (*more || profiles_put_oldest(p, p->purge_oldest, err));
}

bool profiles_purge(struct profiles *p, double now, bool *more, struct err *err)
{
    struct err ignored;
    err_clear(&ignored);
    *more = false;
    if ((double)p->oldest > now)
        return true;
    if (!p->purging) {
        p->purging = true;
        p->purge_at = -1;
        p->purge_oldest = INT64_MAX;
    }
    if (sql_exec(p->db, "BEGIN IMMEDIATE", err) && purge_some(p, (int64_t)now, more, err) && sql_exec(p->db, "COMMIT", err)) {
        p->purging = *more;
        return true;
    }
    p->purging = false;
    (void)!sql_exec(p->db, "ROLLBACK", &ignored);
    (void)!profiles_load_oldest(p, &ignored);
    return false;
}
