/* Which runs, ticks and dead letters are forgotten. */
#include "core/journal_private.h"

#define PRUNED_AT_ONCE 2000 /* others wait to write meanwhile */

/* Of runs that have ended before a time, the oldest ones, but not the newest `keep`. What a run that is kept has begun is kept
 * with it: its next attempt asks what is done already. */
#define IS_OLD(run) run ".state IN ('succeeded', 'failed', 'cancelled') AND " run ".ended_at < ?1 AND " run ".id <= ?2"
static const char forget_runs[] =
    "DELETE FROM run WHERE id IN (SELECT id FROM run AS r WHERE " IS_OLD("r")
    " AND (parent IS NULL OR EXISTS (SELECT 1 FROM run AS p WHERE p.id = r.parent AND " IS_OLD("p") ")) ORDER BY id LIMIT ?3)"
    " RETURNING id";
static const char newest_old[] = "SELECT coalesce(max(id), 0) FROM (SELECT id FROM run ORDER BY id DESC LIMIT 1 OFFSET ?1)";

/* Ticks that are long past (a clock may be set back, and must not find them due again) and whose run, if they made one, is gone.
 * Those of files (path|dev|ino|size|mtime) are kept, so that none is taken twice, and those of a run that is still there: that
 * its end was dealt with (ended|RUN), and that its file could not be moved (unmoved|RUN). */
#define TICK_KEPT 604800 /* seconds */
static const char forget_ticks[] =
    "DELETE FROM tick WHERE max(due, at) < min(?1, ?2) AND key NOT GLOB '*|*|*|*|*'"
    " AND NOT EXISTS (SELECT 1 FROM run WHERE id = tick.run)"
    " AND NOT (key GLOB 'ended|*' AND EXISTS (SELECT 1 FROM run WHERE id = CAST(substr(key, 7) AS INTEGER)))"
    " AND NOT (key GLOB 'unmoved|*' AND EXISTS (SELECT 1 FROM run WHERE id = CAST(substr(key, 9) AS INTEGER)))";

static bool prune_ticks(struct journal *j, double before, struct err *err)
{
    sqlite3_stmt *statement = sql_prepare(j->db, forget_ticks, err);
    if (!statement)
        return false;
    sqlite3_bind_double(statement, 1, before);
    sqlite3_bind_double(statement, 2, journal_time() - TICK_KEPT);
    bool ok = sql_run(statement, err);
    sqlite3_finalize(statement);
    return ok;
}

/* What nobody has sent or dropped for so long is nobody's news any more, however few there are. */
static bool prune_letters(struct journal *j, double before, int *letters, struct err *err)
{
    sqlite3_stmt *statement = sql_prepare(j->db, "DELETE FROM dead_letter WHERE at < ?1", err);
    if (!statement)
        return false;
    sqlite3_bind_double(statement, 1, before);
    bool ok = sql_run(statement, err);
    *letters = ok ? sqlite3_changes(j->db) : 0;
    sqlite3_finalize(statement);
    return ok;
}

/* The number of the newest run that is not among the newest `keep`. */
static bool read_newest_old(struct journal *j, int64_t keep, int64_t *id, struct err *err)
{
    sqlite3_stmt *statement = sql_prepare(j->db, newest_old, err);
    if (!statement)
        return false;
    sqlite3_bind_int64(statement, 1, keep < 0 ? 0 : keep);
    bool ok = sqlite3_step(statement) == SQLITE_ROW || sql_fail(j->db, err);
    *id = ok ? sqlite3_column_int64(statement, 0) : 0;
    sqlite3_finalize(statement);
    return ok;
}

static bool prune_runs(struct journal *j, double before, int64_t newest, cJSON **gone, struct err *err)
{
    static const struct column columns[] = {{"id", COLUMN_INTEGER, false}};
    sqlite3_stmt *statement = sql_prepare(j->db, forget_runs, err);
    if (!statement)
        return false;
    sqlite3_bind_double(statement, 1, before);
    sqlite3_bind_int64(statement, 2, newest);
    sqlite3_bind_int(statement, 3, PRUNED_AT_ONCE);
    bool ok = rows_to_list(j, statement, columns, 1, gone, err);
    sqlite3_finalize(statement);
    return ok;
}

bool journal_op_prune(struct journal *j, const cJSON *params, cJSON **reply, struct err *err)
{
    double before = number_of(params, "before", journal_time());
    int64_t newest;
    int letters = 0;
    if (!reply_with(cJSON_CreateObject(), reply, err))
        return false;
    cJSON *gone = NULL;
    if (!journal_begin(j, err)) {
        cJSON_Delete(*reply);
        *reply = NULL;
        return false;
    }
    bool ok =
        read_newest_old(j, (int64_t)number_of(params, "keep", 0), &newest, err) && prune_runs(j, before, newest, &gone, err);
    bool more = ok && cJSON_GetArraySize(gone) >= PRUNED_AT_ONCE;
    ok = ok && (more || (prune_ticks(j, before, err) && prune_letters(j, before, &letters, err)));
    if (gone)
        cJSON_AddItemToObject(*reply, "gone", gone);
    ok = ok && ((cJSON_AddBoolToObject(*reply, "more", more) && cJSON_AddNumberToObject(*reply, "letters", letters)) ||
                err_set(err, ERR_MEMORY, "out of memory"));
    return journal_end(j, ok, reply, err);
}
