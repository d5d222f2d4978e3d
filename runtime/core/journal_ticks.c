/* Schedules, and their ticks: each a unique row that makes its run. */
#include <stdio.h>
#include <string.h>

#include "core/journal_private.h"

static const struct column schedule_columns[] = {
    {"id", COLUMN_TEXT, false},        {"dir", COLUMN_TEXT, false},      {"file", COLUMN_TEXT, false},
    {"definition", COLUMN_JSON, false}, {"created_at", COLUMN_REAL, false}, {"since", COLUMN_REAL, false},
    {"last_due", COLUMN_REAL, false},  {"paused", COLUMN_BOOLEAN, false}, {"gone", COLUMN_BOOLEAN, false},
    {"streak", COLUMN_INTEGER, false}, {"last_run", COLUMN_INTEGER, false}, {"last_ok", COLUMN_REAL, false}};
#define SCHEDULE_COLUMNS "id, dir, file, %s, created_at, since, last_due, paused, gone, streak, last_run, last_ok"
#define SCHEDULE_COUNT (sizeof schedule_columns / sizeof schedule_columns[0])

/* One that is new, is back, or has other times: nothing before now is due. */
static const char put_schedule[] =
    "INSERT INTO schedule (id, dir, file, timing, definition, created_at, since) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?6)"
    " ON CONFLICT (id) DO UPDATE SET since = iif(gone OR timing IS NOT ?4, ?6, since),"
    " last_due = iif(gone OR timing IS NOT ?4, NULL, last_due), dir = ?2, file = ?3, timing = ?4, definition = ?5, gone = 0";

static bool put(sqlite3_stmt *statement, const char *dir, const cJSON *item, struct err *err)
{
    static const struct column definition = {"definition", COLUMN_JSON, true};
    const char *id;
    if (!need_text(item, "id", &id, err))
        return false;
    sqlite3_bind_text(statement, 1, id, -1, SQLITE_STATIC);
    sqlite3_bind_text(statement, 2, dir, -1, SQLITE_STATIC);
    sqlite3_bind_text(statement, 3, text_of(item, "file"), -1, SQLITE_STATIC);
    sqlite3_bind_text(statement, 4, text_of(item, "timing"), -1, SQLITE_STATIC);
    sqlite3_bind_double(statement, 6, journal_time());
    return bind_value(statement, 5, &definition, cJSON_GetObjectItemCaseSensitive(item, "definition"), err) &&
           sql_run(statement, err);
}

static bool put_all(struct journal *j, const cJSON *params, struct err *err)
{
    const cJSON *item, *list = cJSON_GetObjectItemCaseSensitive(params, "list");
    sqlite3_stmt *statement = sql_prepare(j->db, put_schedule, err);
    bool ok = statement != NULL;
    cJSON_ArrayForEach(item, list) ok = ok && put(statement, text_of(params, "dir"), item, err);
    sqlite3_finalize(statement);
    return ok;
}

/* All schedules, as a list, or by id and without their definitions, which whoever asks so has. */
static bool read_schedules(struct journal *j, bool by_id, cJSON **reply, struct err *err)
{
    char text[512];
    snprintf(text, sizeof text, "SELECT " SCHEDULE_COLUMNS " FROM schedule ORDER BY id", by_id ? "NULL" : "definition");
    sqlite3_stmt *statement = sql_prepare(j->db, text, err);
    int status = SQLITE_DONE;
    if (!statement || !reply_with(by_id ? cJSON_CreateObject() : cJSON_CreateArray(), reply, err)) {
        sqlite3_finalize(statement);
        return false;
    }
    cJSON *tail = NULL;
    while ((status = sqlite3_step(statement)) == SQLITE_ROW) {
        cJSON *item = row_to_json(statement, 0, schedule_columns, SCHEDULE_COUNT);
        if (!item)
            break;
        if (by_id) {
            item->string = cJSON_malloc(strlen(sql_text(statement, 0)) + 1);
            if (!item->string) {
                cJSON_Delete(item);
                break;
            }
            strcpy(item->string, sql_text(statement, 0));
        }
        /* As cJSON links them; it would look for the end, or for the name, each time. */
        if (tail) {
            tail->next = item;
            item->prev = tail;
        } else {
            (*reply)->child = item;
        }
        (*reply)->child->prev = tail = item;
    }
    sqlite3_finalize(statement);
    if (status == SQLITE_DONE)
        return true;
    cJSON_Delete(*reply);
    *reply = NULL;
    return status == SQLITE_ROW ? err_set(err, ERR_MEMORY, "out of memory") : sql_fail(j->db, err);
}

/* The ids of the list as JSON. */
static char *ids_of(const cJSON *list)
{
    const cJSON *item;
    cJSON *ids = cJSON_CreateArray();
    bool ok = ids != NULL;
    cJSON_ArrayForEach(item, list) ok = ok && cJSON_AddItemToArray(ids, cJSON_CreateString(text_of(item, "id")));
    char *text = ok ? cJSON_PrintUnformatted(ids) : NULL;
    cJSON_Delete(ids);
    return text;
}

/* What is not in the list is gone. */
static bool mark_gone(struct journal *j, const cJSON *list, struct err *err)
{
    char *ids = ids_of(list);
    if (!ids)
        return err_set(err, ERR_MEMORY, "out of memory");
    sqlite3_stmt *statement =
        sql_prepare(j->db, "UPDATE schedule SET gone = 1 WHERE NOT gone AND id NOT IN (SELECT value FROM json_each(?))", err);
    if (statement)
        sqlite3_bind_text(statement, 1, ids, -1, SQLITE_STATIC);
    bool ok = statement && sql_run(statement, err);
    sqlite3_finalize(statement);
    cJSON_free(ids);
    return ok;
}

bool journal_op_sync_schedules(struct journal *j, const cJSON *params, cJSON **reply, struct err *err)
{
    const cJSON *list = cJSON_GetObjectItemCaseSensitive(params, "list");
    if (!list)
        return err_set(err, ERR_USAGE, "the journal needs a list of schedules");
    if (!journal_begin(j, err))
        return false;
    bool ok = put_all(j, params, err) && mark_gone(j, list, err) && read_schedules(j, true, reply, err);
    return journal_end(j, ok, reply, err);
}

bool journal_op_schedules(struct journal *j, const cJSON *params, cJSON **reply, struct err *err)
{
    (void)params;
    return read_schedules(j, false, reply, err);
}

/* Runs a statement about one schedule, with ?1 its id, ?2 now, and numbers from ?3 on; ERR_NOT_FOUND. */
static bool change_schedule(struct journal *j, const char *text, const char *id, const double *numbers, int count, struct err *err)
{
    sqlite3_stmt *statement = sql_prepare(j->db, text, err);
    if (!statement)
        return false;
    sqlite3_bind_text(statement, 1, id, -1, SQLITE_STATIC);
    sqlite3_bind_double(statement, 2, journal_time());
    for (int i = 0; i < count; i++)
        sqlite3_bind_double(statement, 3 + i, numbers[i]);
    bool ok = sql_run(statement, err);
    sqlite3_finalize(statement);
    return ok && (sqlite3_changes(j->db) > 0 || err_set(err, ERR_NOT_FOUND, "the journal has no schedule \"%.200s\"", id));
}

/* What was due while it was paused is not made up for. */
bool journal_op_pause(struct journal *j, const cJSON *params, cJSON **reply, struct err *err)
{
    static const char text[] =
        "UPDATE schedule SET since = iif(paused AND NOT ?3, ?2, since), paused = ?3 WHERE id = ?1";
    const char *id;
    if (!need_text(params, "schedule", &id, err) || !journal_begin(j, err))
        return false;
    const double paused = is_true(params, "paused");
    bool ok = change_schedule(j, text, id, &paused, 1, err) && reply_with(cJSON_CreateTrue(), reply, err);
    return journal_end(j, ok, reply, err);
}

/* The heartbeat of a success is owed until op_drop_heartbeat. There is one for each schedule: that of a later success takes its
 * place. */
static bool owe_heartbeat(struct journal *j, const char *id, double run, struct err *err)
{
    static const char text[] = "INSERT INTO tick (schedule, key, due, at, run, skipped) VALUES (?1, 'heartbeat', ?2, ?2, ?3, 'owed')"
                               " ON CONFLICT DO UPDATE SET due = ?2, at = ?2, run = max(run, ?3)";
    sqlite3_stmt *statement = sql_prepare(j->db, text, err);
    if (!statement)
        return false;
    sqlite3_bind_text(statement, 1, id, -1, SQLITE_STATIC);
    sqlite3_bind_double(statement, 2, journal_time());
    sqlite3_bind_int64(statement, 3, (int64_t)run);
    bool ok = sql_run(statement, err);
    sqlite3_finalize(statement);
    return ok;
}

/* That of this run, or of one before; that of a later one stays. */
bool journal_op_drop_heartbeat(struct journal *j, const cJSON *params, cJSON **reply, struct err *err)
{
    static const char text[] = "DELETE FROM tick WHERE schedule = ?1 AND key = 'heartbeat' AND run <= ?2";
    const char *id;
    int64_t run;
    if (!need_text(params, "schedule", &id, err) || !need_integer(params, "run", &run, err) || !journal_begin(j, err))
        return false;
    sqlite3_stmt *statement = sql_prepare(j->db, text, err);
    if (statement) {
        sqlite3_bind_text(statement, 1, id, -1, SQLITE_STATIC);
        sqlite3_bind_int64(statement, 2, run);
    }
    bool ok = statement && sql_run(statement, err) && reply_with(cJSON_CreateTrue(), reply, err);
    sqlite3_finalize(statement);
    return journal_end(j, ok, reply, err);
}

/* Successes in a row are counted upwards from 1, failures downwards from -1, unless whoever asks has counted them in the order of
 * their ends. A schedule that there is not any more has no outcome. */
static bool put_outcome(struct journal *j, const cJSON *outcome, struct err *err)
{
    static const char text[] = "UPDATE schedule SET streak = iif(?5, ?5, iif(?3, max(streak, 0) + 1, min(streak, 0) - 1)),"
                               " last_ok = iif(?3, ?2, last_ok), last_run = iif(?4 > 0, ?4, last_run) WHERE id = ?1";
    const char *id;
    const double owed = number_of(outcome, "heartbeat", 0);
    if (!need_text(outcome, "schedule", &id, err) || (owed > 0 && !owe_heartbeat(j, id, owed, err)))
        return false;
    const double numbers[] = {is_true(outcome, "ok"), number_of(outcome, "run", 0), number_of(outcome, "streak", 0)};
    if (change_schedule(j, text, id, numbers, 3, err))
        return true;
    if (!err_is(err, ERR_NOT_FOUND))
        return false;
    err_clear(err);
    return true;
}

/* ---- ticks ---- */

struct ticking {
    struct journal *j;
    sqlite3_stmt *insert, *run, *made, *queued, *due;
};

static bool is_new_tick(struct ticking *t, const cJSON *item, const char *schedule, const char *key, bool *is_new,
                        struct err *err)
{
    sqlite3_bind_text(t->insert, 1, schedule, -1, SQLITE_STATIC);
    sqlite3_bind_text(t->insert, 2, key, -1, SQLITE_STATIC);
    sqlite3_bind_double(t->insert, 3, number_of(item, "due", journal_time()));
    sqlite3_bind_double(t->insert, 4, journal_time());
    sqlite3_bind_text(t->insert, 5, text_of(item, "skipped"), -1, SQLITE_STATIC);
    bool ok = sql_run(t->insert, err);
    *is_new = sqlite3_changes(t->j->db) > 0;
    return ok;
}

static bool advance(struct ticking *t, const cJSON *item, const char *schedule, struct err *err)
{
    const cJSON *due = cJSON_GetObjectItemCaseSensitive(item, "due");
    if (!cJSON_IsNumber(due))
        return true;
    sqlite3_bind_text(t->due, 1, schedule, -1, SQLITE_STATIC);
    sqlite3_bind_double(t->due, 2, due->valuedouble);
    return sql_run(t->due, err);
}

/* The run that the tick makes. */
static bool make_run(struct ticking *t, const char *schedule, const char *key, const cJSON *fields, int64_t *id, struct err *err)
{
    cJSON *values = cJSON_Duplicate(fields, true);
    cJSON_DeleteItemFromObjectCaseSensitive(values, "schedule");
    cJSON_DeleteItemFromObjectCaseSensitive(values, "kind");
    bool ok = values && cJSON_AddStringToObject(values, "schedule", schedule) &&
              cJSON_AddStringToObject(values, "kind", "automation");
    if (!ok)
        err_set(err, ERR_MEMORY, "out of memory");
    ok = ok && run_insert(t->j, &t->run, values, "queued", id, err);
    cJSON_Delete(values);
    if (!ok)
        return false;
    sqlite3_bind_text(t->made, 1, schedule, -1, SQLITE_STATIC);
    sqlite3_bind_text(t->made, 2, key, -1, SQLITE_STATIC);
    sqlite3_bind_int64(t->made, 3, *id);
    sqlite3_bind_int64(t->queued, 1, *id);
    sqlite3_bind_double(t->queued, 2, journal_time());
    return sql_run(t->made, err) && sql_run(t->queued, err);
}

/* One tick; what came of it in `told`. */
static bool tick(struct ticking *t, const cJSON *item, cJSON *told, struct err *err)
{
    const char *schedule, *key, *skipped = text_of(item, "skipped");
    const cJSON *run = cJSON_GetObjectItemCaseSensitive(item, "run");
    bool is_new;
    int64_t id = 0;
    if (!need_text(item, "schedule", &schedule, err) || !need_text(item, "key", &key, err) ||
        !is_new_tick(t, item, schedule, key, &is_new, err) || !advance(t, item, schedule, err))
        return false;
    if (is_new && run && !skipped && !make_run(t, schedule, key, run, &id, err))
        return false;
    cJSON *said = !is_new ? cJSON_AddTrueToObject(told, "taken")
                  : id    ? cJSON_AddNumberToObject(told, "run", (double)id)
                          : cJSON_AddStringToObject(told, "skipped", skipped ? skipped : "nothing to run");
    return (said && cJSON_AddStringToObject(told, "schedule", schedule) && cJSON_AddStringToObject(told, "key", key)) ||
           err_set(err, ERR_MEMORY, "out of memory");
}

static bool tell_tick(struct ticking *t, const cJSON *item, cJSON *list, struct err *err)
{
    cJSON *told = cJSON_CreateObject();
    if (!told || !cJSON_AddItemToArray(list, told)) {
        cJSON_Delete(told);
        return err_set(err, ERR_MEMORY, "out of memory");
    }
    return tick(t, item, told, err);
}

bool journal_op_tick(struct journal *j, const cJSON *params, cJSON **reply, struct err *err)
{
    static const char insert[] = "INSERT OR IGNORE INTO tick (schedule, key, due, at, skipped) VALUES (?1, ?2, ?3, ?4, ?5)";
    static const char made[] = "UPDATE tick SET run = ?3 WHERE schedule = ?1 AND key = ?2";
    static const char queued[] = "UPDATE run SET queued_at = ?2 WHERE id = ?1";
    static const char due[] = "UPDATE schedule SET last_due = max(coalesce(last_due, ?2), ?2) WHERE id = ?1";
    const cJSON *item, *list = cJSON_GetObjectItemCaseSensitive(params, "list");
    const cJSON *outcome = cJSON_GetObjectItemCaseSensitive(params, "outcome");
    struct ticking t = {.j = j};
    if (!reply_with(cJSON_CreateArray(), reply, err) || !journal_begin(j, err)) {
        cJSON_Delete(*reply);
        *reply = NULL;
        return false;
    }
    t.insert = sql_prepare(j->db, insert, err);
    t.made = t.insert ? sql_prepare(j->db, made, err) : NULL;
    t.queued = t.made ? sql_prepare(j->db, queued, err) : NULL;
    t.due = t.queued ? sql_prepare(j->db, due, err) : NULL;
    bool ok = t.due != NULL;
    cJSON_ArrayForEach(item, list) ok = ok && tell_tick(&t, item, *reply, err);
    ok = ok && (!outcome || put_outcome(j, outcome, err));
    sqlite3_finalize(t.insert);
    sqlite3_finalize(t.run);
    sqlite3_finalize(t.made);
    sqlite3_finalize(t.queued);
    sqlite3_finalize(t.due);
    return journal_end(j, ok, reply, err);
}

/* Which of the ticks there are, and of which runs. */
bool journal_op_ticked(struct journal *j, const cJSON *params, cJSON **reply, struct err *err)
{
    const cJSON *item, *list = cJSON_GetObjectItemCaseSensitive(params, "list");
    const char *schedule, *key;
    sqlite3_stmt *statement = sql_prepare(j->db, "SELECT run FROM tick WHERE schedule = ? AND key = ?", err);
    bool ok = statement && reply_with(cJSON_CreateArray(), reply, err);
    cJSON_ArrayForEach(item, list)
    {
        ok = ok && need_text(item, "schedule", &schedule, err) && need_text(item, "key", &key, err);
        if (!ok)
            break;
        sqlite3_bind_text(statement, 1, schedule, -1, SQLITE_STATIC);
        sqlite3_bind_text(statement, 2, key, -1, SQLITE_STATIC);
        int status = sqlite3_step(statement);
        ok = status == SQLITE_ROW || status == SQLITE_DONE || sql_fail(j->db, err);
        bool made = status == SQLITE_ROW && sqlite3_column_type(statement, 0) != SQLITE_NULL;
        cJSON_AddItemToArray(*reply, made ? cJSON_CreateNumber((double)sqlite3_column_int64(statement, 0))
                                          : cJSON_CreateBool(status == SQLITE_ROW));
        sqlite3_reset(statement);
    }
    sqlite3_finalize(statement);
    if (ok)
        return true;
    cJSON_Delete(*reply);
    *reply = NULL;
    return false;
}

/* How many of the newest runs are looked through: a daemon that was killed has left few. */
#define UNSETTLED_AMONG "20000"

/* Runs of automations that have ended, but whose tick "ended|ID" there is not: nobody has dealt with their end. */
bool journal_op_unsettled(struct journal *j, const cJSON *params, cJSON **reply, struct err *err)
{
    static const char text[] =
        "SELECT id FROM (SELECT id, schedule, state FROM run WHERE kind = 'automation' ORDER BY id DESC LIMIT " UNSETTLED_AMONG
        ") AS ended WHERE state IN ('succeeded', 'failed') AND NOT EXISTS"
        " (SELECT 1 FROM tick WHERE tick.schedule = ended.schedule AND tick.key = 'ended|' || ended.id) ORDER BY id";
    int status = SQLITE_DONE;
    (void)params;
    sqlite3_stmt *statement = sql_prepare(j->db, text, err);
    bool ok = statement && reply_with(cJSON_CreateArray(), reply, err);
    while (ok && (status = sqlite3_step(statement)) == SQLITE_ROW)
        cJSON_AddItemToArray(*reply, cJSON_CreateNumber((double)sqlite3_column_int64(statement, 0)));
    ok = ok && (status == SQLITE_DONE || sql_fail(j->db, err));
    sqlite3_finalize(statement);
    if (ok)
        return true;
    cJSON_Delete(*reply);
    *reply = NULL;
    return false;
}
