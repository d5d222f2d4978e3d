/* Opening and closing, transactions, parameters, and which operations there are. */
#include "core/journal_private.h"

#include <string.h>
#include <time.h>

static const struct {
    const char *name;
    journal_operation *run;
} operations[] = {
    {"now", journal_op_now},
    {"begin_run", journal_op_begin_run},
    {"claim_run", journal_op_claim_run},
    {"step", journal_op_step},
    {"end_run", journal_op_end_run},
    {"requeue_run", journal_op_requeue_run},
    {"run", journal_op_run},
    {"find_run", journal_op_find_run},
    {"runs", journal_op_runs},
    {"prune", journal_op_prune},
    {"sync_schedules", journal_op_sync_schedules},
    {"schedules", journal_op_schedules},
    {"pause", journal_op_pause},
    {"tick", journal_op_tick},
    {"ticked", journal_op_ticked},
    {"unsettled", journal_op_unsettled},
    {"drop_heartbeat", journal_op_drop_heartbeat},
    {"add_dead_letter", journal_op_add_dead_letter},
    {"dead_letters", journal_op_dead_letters},
    {"drop_dead_letter", journal_op_drop_dead_letter},
};

journal_operation *journal_find_operation(const char *name)
{
    for (size_t i = 0; i < sizeof operations / sizeof operations[0]; i++)
        if (strcmp(operations[i].name, name) == 0)
            return operations[i].run;
    return NULL;
}

double journal_time(void)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

bool journal_op_now(struct journal *j, const cJSON *params, cJSON **reply, struct err *err)
{
    (void)j;
    (void)params;
    return reply_with(cJSON_CreateNumber(journal_time()), reply, err);
}

bool journal_begin(struct journal *j, struct err *err)
{
    return sql_exec(j->db, "BEGIN IMMEDIATE", err);
}

static void rollback(struct journal *j)
{
    struct err ignored;
    err_clear(&ignored);
    if (!sqlite3_get_autocommit(j->db))
        (void)!sql_exec(j->db, "ROLLBACK", &ignored);
}

bool journal_end(struct journal *j, bool ok, cJSON **reply, struct err *err)
{
    ok = ok && sql_exec(j->db, "COMMIT", err);
    if (!ok) {
        rollback(j);
        cJSON_Delete(*reply);
        *reply = NULL;
    }
    return ok;
}

bool reply_with(cJSON *value, cJSON **reply, struct err *err)
{
    *reply = value;
    return value || err_set(err, ERR_MEMORY, "out of memory");
}

/* ---- parameters ---- */

static const cJSON *item_of(const cJSON *params, const char *name)
{
    return cJSON_GetObjectItemCaseSensitive(params, name);
}

bool need_integer(const cJSON *params, const char *name, int64_t *value, struct err *err)
{
    const cJSON *item = item_of(params, name);
    if (!cJSON_IsNumber(item))
        return err_set(err, ERR_USAGE, "the journal needs a number for \"%s\"", name);
    *value = (int64_t)item->valuedouble;
    return true;
}

bool need_text(const cJSON *params, const char *name, const char **value, struct err *err)
{
    const cJSON *item = item_of(params, name);
    if (!cJSON_IsString(item))
        return err_set(err, ERR_USAGE, "the journal needs text for \"%s\"", name);
    *value = item->valuestring;
    return true;
}

const char *text_of(const cJSON *params, const char *name)
{
    const cJSON *item = item_of(params, name);
    return cJSON_IsString(item) ? item->valuestring : NULL;
}

double number_of(const cJSON *params, const char *name, double fallback)
{
    const cJSON *item = item_of(params, name);
    return cJSON_IsNumber(item) ? item->valuedouble : fallback;
}

bool is_true(const cJSON *params, const char *name)
{
    return cJSON_IsTrue(item_of(params, name));
}
