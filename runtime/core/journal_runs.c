/* What is written of a run: its beginning, who holds it, its steps, its end. */
#include <stdio.h>
#include <string.h>

#include "core/journal_private.h"

/* Sets what only the journal sets. `assignments` may have ?2, the holder, ?3, when the lease is over, and ?4, now. */
static bool assign(struct journal *j, int64_t id, const char *assignments, struct err *err)
{
    char text[512];
    snprintf(text, sizeof text, "UPDATE run SET %s WHERE id = ?1", assignments);
    sqlite3_stmt *statement = sql_prepare(j->db, text, err);
    if (!statement)
        return false;
    sqlite3_bind_int64(statement, 1, id);
    sqlite3_bind_text(statement, 2, j->holder, -1, SQLITE_STATIC);
    sqlite3_bind_double(statement, 3, lease_clock() + j->lease);
    sqlite3_bind_double(statement, 4, journal_time());
    bool ok = sql_run(statement, err);
    sqlite3_finalize(statement);
    return ok;
}

/* Where a run stands, for who wants to write it. */
struct standing {
    char state[16];
    int64_t fence, parent; /* parent: 0 when it has none */
    bool lease_over;
    char holder[HOLDER_SIZE];
};

static bool read_standing(struct journal *j, int64_t id, struct standing *s, struct err *err)
{
    static const char text[] = "SELECT state, fence, lease_over(holder, lease_until), holder, parent FROM run WHERE id = ?";
    sqlite3_stmt *statement = sql_prepare(j->db, text, err);
    if (!statement)
        return false;
    sqlite3_bind_int64(statement, 1, id);
    int status = sqlite3_step(statement);
    if (status == SQLITE_ROW) {
        snprintf(s->state, sizeof s->state, "%s", sql_text(statement, 0));
        s->fence = sqlite3_column_int64(statement, 1);
        s->lease_over = sqlite3_column_int(statement, 2);
        snprintf(s->holder, sizeof s->holder, "%s", sql_text(statement, 3));
        s->parent = sqlite3_column_int64(statement, 4);
    }
    bool ok = status == SQLITE_ROW || (status == SQLITE_DONE ? err_set(err, ERR_NOT_FOUND, "there is no run %lld in the journal",
                                                                       (long long)id)
                                                             : sql_fail(j->db, err));
    sqlite3_finalize(statement);
    return ok;
}

/* What goes on under a run's number must stop when another has that run. */
static bool check_parent(struct journal *j, const cJSON *params, int64_t parent, struct err *err)
{
    const cJSON *fence = cJSON_GetObjectItemCaseSensitive(params, "parent_fence");
    struct standing standing;
    if (!fence)
        return true;
    if (!read_standing(j, parent, &standing, err))
        return false;
    return (cJSON_IsNumber(fence) && standing.fence == (int64_t)fence->valuedouble &&
            strcmp(standing.state, "running") == 0) ||
           err_set(err, ERR_LEASE_LOST,
                   "run %lld, which this belongs to, goes on elsewhere or has ended: nothing more is begun here",
                   (long long)parent);
}

/* A key is that of one job: nobody else may be at work on it. */
static bool check_key(struct journal *j, const cJSON *params, struct err *err)
{
    static const char text[] = "SELECT id, holder FROM run WHERE run_key = ?1 AND domain IS ?2 AND kind = ?3 AND " RUN_IS_OPEN
                               " AND state = 'running' AND NOT lease_over(holder, lease_until)";
    const char *key = text_of(params, "run_key");
    char who[128];
    if (!key)
        return true;
    sqlite3_stmt *statement = sql_prepare(j->db, text, err);
    if (!statement)
        return false;
    sqlite3_bind_text(statement, 1, key, -1, SQLITE_STATIC);
    sqlite3_bind_text(statement, 2, text_of(params, "domain"), -1, SQLITE_STATIC);
    sqlite3_bind_text(statement, 3, text_of(params, "kind"), -1, SQLITE_STATIC);
    int status = sqlite3_step(statement);
    bool ok = status == SQLITE_DONE || (status != SQLITE_ROW && sql_fail(j->db, err));
    if (status == SQLITE_ROW) {
        lease_holder_text(sql_text(statement, 1), who, sizeof who);
        err_set(err, ERR_LEASE_HELD, "run %lld, which has the same key \"%.200s\", goes on in %s",
                (long long)sqlite3_column_int64(statement, 0), key, who);
    }
    sqlite3_finalize(statement);
    return ok;
}

static bool begin_run(struct journal *j, const cJSON *values, cJSON **reply, struct err *err)
{
    int64_t id;
    sqlite3_stmt *insert = NULL;
    bool ok = run_insert(j, &insert, values, "running", &id, err);
    sqlite3_finalize(insert);
    return ok && assign(j, id, "holder = ?2, lease_until = ?3, queued_at = ?4, begun_at = ?4, attempt = 1, fence = 1", err) &&
           run_read(j, id, reply, err);
}

bool journal_op_begin_run(struct journal *j, const cJSON *params, cJSON **reply, struct err *err)
{
    struct standing parent;
    const char *kind;
    double id = number_of(params, "parent", 0);
    if (!need_text(params, "kind", &kind, err))
        return false;
    cJSON *values = cJSON_Duplicate(params, true);
    if (!values)
        return err_set(err, ERR_MEMORY, "out of memory");
    cJSON_DeleteItemFromObjectCaseSensitive(values, "parent_fence");
    bool begun = journal_begin(j, err);
    bool ok = begun && (id == 0 || read_standing(j, (int64_t)id, &parent, err)) && check_parent(j, params, (int64_t)id, err) &&
              check_key(j, params, err) && begin_run(j, values, reply, err);
    cJSON_Delete(values);
    return begun && journal_end(j, ok, reply, err);
}

static bool may_claim(const struct standing *s, int64_t id, bool ended_too, struct err *err)
{
    char who[128];
    lease_holder_text(s->holder, who, sizeof who);
    if (strcmp(s->state, "running") == 0)
        return s->lease_over || err_set(err, ERR_LEASE_HELD, "run %lld goes on in %s", (long long)id, who);
    if (strcmp(s->state, "queued") == 0 || strcmp(s->state, "interrupted") == 0)
        return true;
    return (ended_too && strcmp(s->state, "failed") == 0) ||
           err_set(err, ERR_RUN_ENDED, "run %lld has ended already (%s)", (long long)id, s->state);
}

#define CLAIM "state = 'running', holder = ?2, lease_until = ?3, begun_at = coalesce(begun_at, ?4), ended_at = NULL, " \
              "not_before = NULL, fence = fence + 1"

bool journal_op_claim_run(struct journal *j, const cJSON *params, cJSON **reply, struct err *err)
{
    int64_t id;
    struct standing standing;
    if (!need_integer(params, "id", &id, err) || !journal_begin(j, err))
        return false;
    bool ok = read_standing(j, id, &standing, err) && may_claim(&standing, id, is_true(params, "ended"), err) &&
              check_parent(j, params, standing.parent, err) &&
              assign(j, id, is_true(params, "to_end") ? CLAIM : CLAIM ", attempt = attempt + 1", err) &&
              run_read(j, id, reply, err);
    return journal_end(j, ok, reply, err);
}

/* The run is still that of the holder who was given this number; with `failed_too`, also where it has failed under it. */
static bool check_fence(struct journal *j, const cJSON *params, bool failed_too, int64_t *id, struct err *err)
{
    struct standing standing;
    int64_t fence;
    if (!need_integer(params, "id", id, err) || !need_integer(params, "fence", &fence, err) ||
        !read_standing(j, *id, &standing, err))
        return false;
    bool may = strcmp(standing.state, "running") == 0 || (failed_too && strcmp(standing.state, "failed") == 0);
    if (standing.fence == fence && may)
        return true;
    char who[128];
    lease_holder_text(standing.holder, who, sizeof who);
    if (strcmp(standing.state, "running") == 0)
        return err_set(err, ERR_LEASE_LOST, "run %lld was taken over by %s: nothing more is done here", (long long)*id, who);
    return err_set(err, ERR_LEASE_LOST, "run %lld was ended elsewhere (it is %s): nothing more is done here", (long long)*id,
                   standing.state);
}

static bool add_step(struct journal *j, int64_t id, const cJSON *params, struct err *err)
{
    static const char text[] =
        "INSERT INTO step (run, number, attempt, step, state, at, detail)"
        " SELECT id, (SELECT count(*) FROM step WHERE run = ?1) + 1, attempt, ?2, ?3, ?4, ?5 FROM run WHERE id = ?1";
    static const struct column detail = {"detail", COLUMN_JSON, true};
    const char *step, *state;
    if (!need_text(params, "step", &step, err) || !need_text(params, "state", &state, err))
        return false;
    sqlite3_stmt *statement = sql_prepare(j->db, text, err);
    if (!statement)
        return false;
    sqlite3_bind_int64(statement, 1, id);
    sqlite3_bind_text(statement, 2, step, -1, SQLITE_STATIC);
    sqlite3_bind_text(statement, 3, state, -1, SQLITE_STATIC);
    sqlite3_bind_double(statement, 4, journal_time());
    bool ok =
        bind_value(statement, 5, &detail, cJSON_GetObjectItemCaseSensitive(params, "detail"), err) && sql_run(statement, err);
    sqlite3_finalize(statement);
    return ok;
}

/* The step that came just before what is written now. */
static bool add_first(struct journal *j, int64_t id, const cJSON *params, struct err *err)
{
    const cJSON *first = cJSON_GetObjectItemCaseSensitive(params, "first");
    return !first || add_step(j, id, first, err);
}

bool journal_op_step(struct journal *j, const cJSON *params, cJSON **reply, struct err *err)
{
    int64_t id;
    if (!journal_begin(j, err))
        return false;
    bool ok = check_fence(j, params, false, &id, err) && add_first(j, id, params, err) &&
              add_step(j, id, params, err) &&
              run_update(j, id, cJSON_GetObjectItemCaseSensitive(params, "set"), err) &&
              reply_with(cJSON_CreateTrue(), reply, err);
    return journal_end(j, ok, reply, err);
}

/* Of the parameters those that an end may set. */
static cJSON *chosen(const cJSON *params, const char *const *names)
{
    cJSON *values = cJSON_CreateObject();
    for (; values && *names; names++) {
        const cJSON *item = cJSON_GetObjectItemCaseSensitive(params, *names);
        if (item)
            cJSON_AddItemToObject(values, *names, cJSON_Duplicate(item, true));
    }
    return values;
}

static bool set_chosen(struct journal *j, int64_t id, const cJSON *params, const char *const *names, struct err *err)
{
    cJSON *values = chosen(params, names);
    bool ok = values ? run_update(j, id, values, err) : err_set(err, ERR_MEMORY, "out of memory");
    cJSON_Delete(values);
    return ok;
}

bool journal_op_end_run(struct journal *j, const cJSON *params, cJSON **reply, struct err *err)
{
    static const char *const states[] = {"succeeded", "failed", "interrupted", "cancelled"};
    static const char *const names[] = {"result", "error", "exit_status", "output", "job_status", "job_id", NULL};
    char assignments[96] = "";
    const char *state;
    int64_t id;
    if (!need_text(params, "state", &state, err))
        return false;
    for (size_t i = 0; i < sizeof states / sizeof states[0]; i++)
        if (strcmp(state, states[i]) == 0)
            snprintf(assignments, sizeof assignments, "state = '%s', holder = NULL, lease_until = NULL, ended_at = ?4%s",
                     states[i], i == 0 ? ", error = NULL" : "");
    if (!assignments[0])
        return err_set(err, ERR_USAGE, "a run cannot end as \"%.40s\"", state);
    if (!journal_begin(j, err))
        return false;
    bool ok = check_fence(j, params, false, &id, err) && add_first(j, id, params, err) &&
              assign(j, id, assignments, err) &&
              set_chosen(j, id, params, names, err) && reply_with(cJSON_CreateTrue(), reply, err);
    return journal_end(j, ok, reply, err);
}

bool journal_op_requeue_run(struct journal *j, const cJSON *params, cJSON **reply, struct err *err)
{
    static const char *const names[] = {"not_before", "error", "exit_status", "output", NULL};
    int64_t id;
    if (!journal_begin(j, err))
        return false;
    bool ok = check_fence(j, params, true, &id, err) &&
              assign(j, id, "state = 'queued', holder = NULL, lease_until = NULL, ended_at = NULL", err) &&
              set_chosen(j, id, params, names, err) && reply_with(cJSON_CreateTrue(), reply, err);
    return journal_end(j, ok, reply, err);
}
