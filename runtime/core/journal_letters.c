/* Dead letters: what could not be delivered, kept for a person. */
#include "core/journal_private.h"

static const struct column letter_columns[] = {{"id", COLUMN_INTEGER, false}, {"at", COLUMN_REAL, false},
                                               {"kind", COLUMN_TEXT, true},   {"target", COLUMN_TEXT, true},
                                               {"payload", COLUMN_JSON, true}, {"error", COLUMN_JSON, true},
                                               {"attempts", COLUMN_INTEGER, true}};
#define LETTER_COUNT (sizeof letter_columns / sizeof letter_columns[0])
#define FIRST_SETTABLE 2

bool journal_op_add_dead_letter(struct journal *j, const cJSON *params, cJSON **reply, struct err *err)
{
    static const char text[] =
        "INSERT INTO dead_letter (at, kind, target, payload, error, attempts) VALUES (?2, ?3, ?4, ?5, ?6, ?7)";
    const char *kind;
    if (!need_text(params, "kind", &kind, err))
        return false;
    if (!cJSON_HasObjectItem(params, "payload"))
        return err_set(err, ERR_USAGE, "the journal needs the \"payload\" that could not be delivered");
    if (!journal_begin(j, err))
        return false;
    sqlite3_stmt *statement = sql_prepare(j->db, text, err);
    bool ok = statement != NULL;
    for (size_t i = FIRST_SETTABLE; ok && i < LETTER_COUNT; i++)
        ok = bind_value(statement, (int)i + 1, &letter_columns[i],
                        cJSON_GetObjectItemCaseSensitive(params, letter_columns[i].name), err);
    if (ok) {
        sqlite3_bind_double(statement, 2, journal_time());
        ok = sql_run(statement, err) && reply_with(cJSON_CreateNumber((double)sqlite3_last_insert_rowid(j->db)), reply, err);
    }
    sqlite3_finalize(statement);
    return journal_end(j, ok, reply, err);
}

bool journal_op_dead_letters(struct journal *j, const cJSON *params, cJSON **reply, struct err *err)
{
    int status = SQLITE_DONE;
    (void)params;
    sqlite3_stmt *statement =
        sql_prepare(j->db, "SELECT id, at, kind, target, payload, error, attempts FROM dead_letter ORDER BY id", err);
    if (!statement)
        return false;
    bool ok = reply_with(cJSON_CreateArray(), reply, err);
    while (ok && (status = sqlite3_step(statement)) == SQLITE_ROW) {
        cJSON *item = row_to_json(statement, 0, letter_columns, LETTER_COUNT);
        ok = (item && cJSON_AddItemToArray(*reply, item)) || err_set(err, ERR_MEMORY, "out of memory");
    }
    ok = ok && (status == SQLITE_DONE || sql_fail(j->db, err));
    sqlite3_finalize(statement);
    if (!ok) {
        cJSON_Delete(*reply);
        *reply = NULL;
    }
    return ok;
}

bool journal_op_drop_dead_letter(struct journal *j, const cJSON *params, cJSON **reply, struct err *err)
{
    int64_t id;
    if (!need_integer(params, "id", &id, err) || !journal_begin(j, err))
        return false;
    sqlite3_stmt *statement = sql_prepare(j->db, "DELETE FROM dead_letter WHERE id = ?", err);
    bool ok = statement != NULL;
    if (ok) {
        sqlite3_bind_int64(statement, 1, id);
        ok = sql_run(statement, err) && (sqlite3_changes(j->db) > 0 ||
                                         err_set(err, ERR_NOT_FOUND, "there is no dead letter %lld", (long long)id)) &&
             reply_with(cJSON_CreateTrue(), reply, err);
    }
    sqlite3_finalize(statement);
    return journal_end(j, ok, reply, err);
}
