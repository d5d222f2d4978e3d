/* The columns of a run, and how rows become JSON and JSON rows. */
#include <stdio.h>
#include <string.h>

#include "core/journal_private.h"

/* state_now is the state as it is told: a run whose holder is gone is lost. */
#define STATE_NOW "CASE WHEN state = 'running' AND lease_over(holder, lease_until) THEN 'lost' ELSE state END AS state_now"

const struct column run_columns[] = {
    {"id", COLUMN_INTEGER, false},
    {"kind", COLUMN_TEXT, true},
    {"parent", COLUMN_INTEGER, true},
    {"ordinal", COLUMN_INTEGER, true},
    {"try", COLUMN_INTEGER, false},
    {"schedule", COLUMN_TEXT, true},
    {"state", COLUMN_TEXT, false},
    {"attempt", COLUMN_INTEGER, false},
    {"fence", COLUMN_INTEGER, false},
    {"run_key", COLUMN_TEXT, true},
    {"script", COLUMN_TEXT, true},
    {"arguments", COLUMN_JSON, true},
    {"directory", COLUMN_TEXT, true},
    {"file", COLUMN_TEXT, true},
    {"file_fingerprint", COLUMN_TEXT, true},
    {"mapping_file", COLUMN_TEXT, true},
    {"mapping", COLUMN_TEXT, true},
    {"mapping_fingerprint", COLUMN_TEXT, true},
    {"domain", COLUMN_TEXT, true},
    {"display_name", COLUMN_TEXT, true},
    {"job_id", COLUMN_TEXT, true},
    {"job_status", COLUMN_TEXT, true},
    {"options", COLUMN_JSON, true},
    {"event", COLUMN_JSON, true},
    {"result", COLUMN_JSON, true},
    {"error", COLUMN_JSON, true},
    {"exit_status", COLUMN_INTEGER, true},
    {"output", COLUMN_TEXT, true},
    {"queued_at", COLUMN_REAL, false},
    {"begun_at", COLUMN_REAL, false},
    {"ended_at", COLUMN_REAL, false},
    {"not_before", COLUMN_REAL, true},
    {"holder", COLUMN_TEXT, false},
};
const size_t run_column_count = sizeof run_columns / sizeof run_columns[0];

const char run_selection[] =
    "id, kind, parent, ordinal, try, schedule, " STATE_NOW ", attempt, fence, run_key, script, arguments, directory, file, "
    "file_fingerprint, mapping_file, mapping, mapping_fingerprint, domain, display_name, job_id, job_status, options, event, "
    "result, error, exit_status, output, queued_at, begun_at, ended_at, not_before, holder";

/* Text that is no JSON is told as the text that it is. */
static cJSON *json_cell(const char *text)
{
    cJSON *value = cJSON_Parse(text);
    return value ? value : cJSON_CreateString(text);
}

static cJSON *cell_to_json(sqlite3_stmt *statement, int index, enum column_kind kind)
{
    switch (kind) {
    case COLUMN_TEXT:
        return cJSON_CreateString(sql_text(statement, index));
    case COLUMN_JSON:
        return json_cell(sql_text(statement, index));
    case COLUMN_INTEGER:
    case COLUMN_REAL:
        return cJSON_CreateNumber(sqlite3_column_double(statement, index));
    case COLUMN_BOOLEAN:
        return cJSON_CreateBool(sqlite3_column_int(statement, index));
    }
    return NULL;
}

cJSON *row_to_json(sqlite3_stmt *statement, int first, const struct column *columns, size_t count)
{
    cJSON *object = cJSON_CreateObject();
    for (size_t i = 0; object && i < count; i++) {
        int index = first + (int)i;
        if (sqlite3_column_type(statement, index) == SQLITE_NULL)
            continue;
        cJSON *value = cell_to_json(statement, index, columns[i].kind);
        if (!value || !cJSON_AddItemToObject(object, columns[i].name, value)) {
            cJSON_Delete(value);
            cJSON_Delete(object);
            return NULL;
        }
    }
    return object;
}

static bool wrong_type(const struct column *column, const char *wanted, struct err *err)
{
    return err_set(err, ERR_USAGE, "the journal takes %s for \"%s\"", wanted, column->name);
}

static bool bind_json(sqlite3_stmt *statement, int index, const cJSON *value, struct err *err)
{
    char *text = cJSON_PrintUnformatted(value);
    if (!text)
        return err_set(err, ERR_MEMORY, "out of memory");
    sqlite3_bind_text(statement, index, text, -1, SQLITE_TRANSIENT);
    cJSON_free(text);
    return true;
}

bool bind_value(sqlite3_stmt *statement, int index, const struct column *column, const cJSON *value, struct err *err)
{
    if (!value || cJSON_IsNull(value)) {
        sqlite3_bind_null(statement, index);
        return true;
    }
    switch (column->kind) {
    case COLUMN_TEXT:
        if (!cJSON_IsString(value))
            return wrong_type(column, "text", err);
        sqlite3_bind_text(statement, index, value->valuestring, -1, SQLITE_TRANSIENT);
        return true;
    case COLUMN_JSON:
        return bind_json(statement, index, value, err);
    case COLUMN_INTEGER:
        if (!cJSON_IsNumber(value) || value->valuedouble != (double)(int64_t)value->valuedouble)
            return wrong_type(column, "a whole number", err);
        sqlite3_bind_int64(statement, index, (int64_t)value->valuedouble);
        return true;
    case COLUMN_REAL:
        if (!cJSON_IsNumber(value))
            return wrong_type(column, "a number", err);
        sqlite3_bind_double(statement, index, value->valuedouble);
        return true;
    case COLUMN_BOOLEAN:
        if (!cJSON_IsBool(value))
            return wrong_type(column, "true or false", err);
        sqlite3_bind_int(statement, index, cJSON_IsTrue(value));
        return true;
    }
    return false;
}

static const struct column *settable_column(const char *name, struct err *err)
{
    for (size_t i = 0; i < run_column_count; i++)
        if (run_columns[i].settable && strcmp(run_columns[i].name, name) == 0)
            return &run_columns[i];
    err_set(err, ERR_USAGE, "a run in the journal has no \"%.60s\" that can be set", name);
    return NULL;
}

/* Binds each of the values to the parameters from `first` on. */
static bool bind_values(sqlite3_stmt *statement, int first, const cJSON *values, struct err *err)
{
    const cJSON *value;
    cJSON_ArrayForEach(value, values)
    {
        const struct column *column = settable_column(value->string, err);
        if (!column || !bind_value(statement, first++, column, value, err))
            return false;
    }
    return true;
}

/* "name = ?2, name = ?3" or "name, name" and "?2, ?3": the values' names, and parameters from `first` on. */
static bool list_values(const cJSON *values, int first, struct buf *names, struct buf *marks, struct err *err)
{
    const cJSON *value;
    int parameter = first;
    cJSON_ArrayForEach(value, values)
    {
        if (!settable_column(value->string, err))
            return false;
        if (marks)
            (void)(buf_addf(names, ", %s", value->string) && buf_addf(marks, ", ?%d", parameter));
        else
            (void)buf_addf(names, "%s%s = ?%d", parameter == first ? "" : ", ", value->string, parameter);
        parameter++;
    }
    return true;
}

bool run_update(struct journal *j, int64_t id, const cJSON *values, struct err *err)
{
    struct buf text;
    if (!values || !values->child)
        return true;
    buf_init(&text, 1 << 16);
    (void)buf_adds(&text, "UPDATE run SET ");
    bool ok = list_values(values, 2, &text, NULL, err);
    if (ok && !buf_adds(&text, " WHERE id = ?1"))
        ok = err_set(err, ERR_MEMORY, "out of memory");
    sqlite3_stmt *statement = ok ? sql_prepare(j->db, text.data, err) : NULL;
    if (statement)
        sqlite3_bind_int64(statement, 1, id);
    ok = statement && bind_values(statement, 2, values, err) && sql_run(statement, err);
    sqlite3_finalize(statement);
    buf_free(&text);
    return ok;
}

/* The statement as it is, where it is the same; else a new one in its place. */
static bool prepare_again(struct journal *j, sqlite3_stmt **statement, const char *text, struct err *err)
{
    if (*statement && strcmp(sqlite3_sql(*statement), text) == 0)
        return true;
    sqlite3_finalize(*statement);
    *statement = sql_prepare(j->db, text, err);
    return *statement != NULL;
}

bool run_insert(struct journal *j, sqlite3_stmt **kept, const cJSON *values, const char *state, int64_t *id,
                struct err *err)
{
    static const struct column number = {"parent", COLUMN_INTEGER, true};
    struct buf text, marks;
    buf_init(&text, 1 << 16);
    buf_init(&marks, 1 << 16);
    (void)buf_adds(&text, "INSERT INTO run (state, try");
    (void)buf_adds(&marks, ") VALUES (?1, coalesce((SELECT max(try) FROM run WHERE parent = ?2 AND ordinal = ?3), 0) + 1");
    bool ok = list_values(values, 4, &text, &marks, err);
    if (ok && (marks.failed || !buf_add(&text, marks.data, marks.len) || !buf_adds(&text, ")")))
        ok = err_set(err, ERR_MEMORY, "out of memory");
    ok = ok && prepare_again(j, kept, text.data, err);
    sqlite3_stmt *statement = *kept;
    if (ok)
        sqlite3_bind_text(statement, 1, state, -1, SQLITE_STATIC);
    ok = ok && bind_value(statement, 2, &number, cJSON_GetObjectItemCaseSensitive(values, "parent"), err) &&
         bind_value(statement, 3, &number, cJSON_GetObjectItemCaseSensitive(values, "ordinal"), err) &&
         bind_values(statement, 4, values, err) && sql_run(statement, err);
    *id = sqlite3_last_insert_rowid(j->db);
    buf_free(&text);
    buf_free(&marks);
    return ok;
}

bool run_read(struct journal *j, int64_t id, cJSON **run, struct err *err)
{
    char text[1024];
    snprintf(text, sizeof text, "SELECT %s FROM run WHERE id = ?", run_selection);
    sqlite3_stmt *statement = sql_prepare(j->db, text, err);
    if (!statement)
        return false;
    sqlite3_bind_int64(statement, 1, id);
    int status = sqlite3_step(statement);
    bool ok = true;
    if (status == SQLITE_ROW)
        ok = (*run = row_to_json(statement, 0, run_columns, run_column_count)) || err_set(err, ERR_MEMORY, "out of memory");
    else
        ok = status == SQLITE_DONE ? err_set(err, ERR_NOT_FOUND, "there is no run %lld in the journal", (long long)id)
                                   : sql_fail(j->db, err);
    sqlite3_finalize(statement);
    return ok;
}
