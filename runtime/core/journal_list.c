/* What is read of runs. */
#include <stdio.h>
#include <string.h>

#include "core/journal_private.h"

#define LIMIT 1000 /* rows of a list, when nothing else is asked for */

static const struct column step_columns[] = {{"step", COLUMN_TEXT, false},
                                             {"state", COLUMN_TEXT, false},
                                             {"at", COLUMN_REAL, false},
                                             {"attempt", COLUMN_INTEGER, false},
                                             {"detail", COLUMN_JSON, false}};

bool rows_to_list(struct journal *j, sqlite3_stmt *statement, const struct column *columns, size_t count, cJSON **list,
                  struct err *err)
{
    int status;
    cJSON *tail = NULL;
    *list = cJSON_CreateArray();
    while (*list && (status = sqlite3_step(statement)) == SQLITE_ROW) {
        cJSON *item = row_to_json(statement, 0, columns, count);
        if (!item)
            return err_set(err, ERR_MEMORY, "out of memory");
        /* cJSON looks for the end of a list each time; here it is known. */
        if (tail) {
            tail->next = item;
            item->prev = tail;
            (*list)->child->prev = item;
        } else {
            cJSON_AddItemToArray(*list, item);
        }
        tail = item;
    }
    return !*list ? err_set(err, ERR_MEMORY, "out of memory") : status == SQLITE_DONE || sql_fail(j->db, err);
}

static bool add_steps(struct journal *j, int64_t id, cJSON *run, struct err *err)
{
    sqlite3_stmt *statement =
        sql_prepare(j->db, "SELECT step, state, at, attempt, detail FROM step WHERE run = ? ORDER BY number", err);
    cJSON *steps = NULL;
    if (!statement)
        return false;
    sqlite3_bind_int64(statement, 1, id);
    bool ok = rows_to_list(j, statement, step_columns, sizeof step_columns / sizeof step_columns[0], &steps, err);
    sqlite3_finalize(statement);
    if (ok)
        cJSON_AddItemToObject(run, "steps", steps);
    else
        cJSON_Delete(steps);
    return ok;
}

static bool read_with_steps(struct journal *j, int64_t id, cJSON **reply, struct err *err)
{
    if (!run_read(j, id, reply, err))
        return false;
    if (add_steps(j, id, *reply, err))
        return true;
    cJSON_Delete(*reply);
    *reply = NULL;
    return false;
}

bool journal_op_run(struct journal *j, const cJSON *params, cJSON **reply, struct err *err)
{
    int64_t id;
    return need_integer(params, "id", &id, err) && read_with_steps(j, id, reply, err);
}

bool journal_op_find_run(struct journal *j, const cJSON *params, cJSON **reply, struct err *err)
{
    const char *key = text_of(params, "run_key"), *domain = text_of(params, "domain");
    int64_t parent = 0, ordinal = 0;
    if (!key && (!need_integer(params, "parent", &parent, err) || !need_integer(params, "ordinal", &ordinal, err)))
        return false;
    sqlite3_stmt *statement =
        sql_prepare(j->db, key ? "SELECT id FROM run WHERE run_key = ?1 AND (?2 IS NULL OR domain = ?2) ORDER BY id DESC LIMIT 1"
                               : "SELECT id FROM run WHERE parent = ?1 AND ordinal = ?2 ORDER BY id DESC LIMIT 1", err);
    if (!statement)
        return false;
    if (key) {
        sqlite3_bind_text(statement, 1, key, -1, SQLITE_STATIC);
        sqlite3_bind_text(statement, 2, domain, -1, SQLITE_STATIC);
    } else {
        sqlite3_bind_int64(statement, 1, parent);
        sqlite3_bind_int64(statement, 2, ordinal);
    }
    int status = sqlite3_step(statement);
    int64_t id = status == SQLITE_ROW ? sqlite3_column_int64(statement, 0) : 0;
    bool ok = status == SQLITE_ROW || (status == SQLITE_DONE ? err_set(err, ERR_NOT_FOUND, "the journal has no such run")
                                                             : sql_fail(j->db, err));
    sqlite3_finalize(statement);
    return ok && read_with_steps(j, id, reply, err);
}

/* The states that are asked for. */
struct wanted {
    struct buf states; /* ",a,b,"; empty when all are wanted */
    bool open_only;    /* none of them is the state of a run that has ended for good */
};

static void want(struct wanted *w, const char *state)
{
    static const char open_states[] = ",queued,running,lost,interrupted,";
    char between[64];
    snprintf(between, sizeof between, ",%.60s,", state);
    w->open_only = w->open_only && strstr(open_states, between);
    (void)buf_addf(&w->states, "%s%s,", w->states.len ? "" : ",", state);
}

static bool read_wanted(const cJSON *params, struct wanted *w, struct err *err)
{
    const cJSON *state = cJSON_GetObjectItemCaseSensitive(params, "state"), *item;
    buf_init(&w->states, 4096);
    w->open_only = state != NULL;
    if (cJSON_IsString(state))
        want(w, state->valuestring);
    cJSON_ArrayForEach(item, state) if (cJSON_IsString(item)) want(w, item->valuestring);
    return !w->states.failed || err_set(err, ERR_USAGE, "too many states of runs are asked for");
}

enum { LIMIT_PARAMETER = 1, STATES_PARAMETER, FIRST_FILTER };

static const struct {
    const char *name;
    bool is_text;
    const char *condition; /* with the parameter's number */
} filters[] = {{"schedule", true, " AND schedule = ?%d"},
               {"kind", true, " AND kind = ?%d"},
               {"parent", false, " AND parent = ?%d"},
               {"before_id", false, " AND id < ?%d"}};
#define FILTERS (sizeof filters / sizeof filters[0])

/* Only what is asked for stands in the query, so that there is an index for it. Parts of imports are seen where they, or what an
 * import has begun, are asked for. */
static bool runs_query(const cJSON *params, const struct wanted *w, struct buf *query, struct err *err)
{
    (void)buf_addf(query, "SELECT %s FROM run WHERE 1", run_selection);
    if (w->open_only)
        (void)buf_adds(query, " AND " RUN_IS_OPEN);
    for (size_t i = 0; i < FILTERS; i++)
        if (cJSON_HasObjectItem(params, filters[i].name))
            (void)buf_addf(query, filters[i].condition, FIRST_FILTER + (int)i);
    if (!cJSON_HasObjectItem(params, "kind") && !cJSON_HasObjectItem(params, "parent"))
        (void)buf_adds(query, " AND kind <> 'part'");
    if (w->states.len)
        (void)buf_adds(query, " AND instr(?2, ',' || state_now || ',') > 0");
    (void)buf_adds(query, " ORDER BY id DESC LIMIT ?1");
    return !query->failed || err_set(err, ERR_MEMORY, "out of memory");
}

static bool bind_filters(sqlite3_stmt *statement, const cJSON *params, struct err *err)
{
    for (size_t i = 0; i < FILTERS; i++) {
        const struct column column = {filters[i].name, filters[i].is_text ? COLUMN_TEXT : COLUMN_INTEGER, true};
        const cJSON *value = cJSON_GetObjectItemCaseSensitive(params, filters[i].name);
        if (value && !bind_value(statement, FIRST_FILTER + (int)i, &column, value, err))
            return false;
    }
    return true;
}

bool journal_op_runs(struct journal *j, const cJSON *params, cJSON **reply, struct err *err)
{
    struct wanted wanted;
    struct buf query;
    buf_init(&query, 1 << 14);
    bool ok = read_wanted(params, &wanted, err) && runs_query(params, &wanted, &query, err);
    sqlite3_stmt *statement = ok ? sql_prepare(j->db, query.data, err) : NULL;
    if (statement) {
        sqlite3_bind_int64(statement, LIMIT_PARAMETER, (int64_t)number_of(params, "limit", LIMIT));
        if (wanted.states.len)
            sqlite3_bind_text(statement, STATES_PARAMETER, wanted.states.data, -1, SQLITE_STATIC);
    }
    ok = statement && bind_filters(statement, params, err) &&
         rows_to_list(j, statement, run_columns, run_column_count, reply, err);
    sqlite3_finalize(statement);
    buf_free(&query);
    buf_free(&wanted.states);
    if (!ok) {
        cJSON_Delete(*reply);
        *reply = NULL;
    }
    return ok;
}
