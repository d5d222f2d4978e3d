/* The segment estimates of state_segments.h. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "local/state_segments_private.h"
#include "local/state_segments.h"

#define KEPT 100 /* estimates of a domain */

static const char *text_of(const cJSON *params, const char *name)
{
    return cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(params, name));
}

static bool insert(struct state *s, int64_t domain_id, const char *id, const char *query, struct err *err)
{
    sqlite3_stmt *q = sql_prepare(s->db, "INSERT INTO estimate(id, domain, query, status) VALUES(?, ?, ?, 'RUNNING')", err);
    if (!q)
        return false;
    sqlite3_bind_text(q, 1, id, -1, SQLITE_STATIC);
    sqlite3_bind_int64(q, 2, domain_id);
    sqlite3_bind_text(q, 3, query, -1, SQLITE_STATIC);
    bool ok = sql_run(q, err);
    sqlite3_finalize(q);
    return ok;
}

static bool forget_earliest(struct state *s, int64_t domain_id, struct err *err)
{
    sqlite3_stmt *q = sql_prepare(s->db, "DELETE FROM estimate WHERE domain = ?1 AND number <= (SELECT number FROM estimate"
                                         " WHERE domain = ?1 ORDER BY number DESC LIMIT 1 OFFSET ?2)", err);
    if (!q)
        return false;
    sqlite3_bind_int64(q, 1, domain_id);
    sqlite3_bind_int64(q, 2, KEPT);
    bool ok = sql_run(q, err);
    sqlite3_finalize(q);
    return ok;
}

static bool write_down(struct state *s, const struct estimate_task *task, const char *query, struct err *err)
{
    struct err ignored;
    if (sql_exec(s->db, "BEGIN IMMEDIATE", err) && insert(s, task->domain_id, task->id, query, err) &&
        forget_earliest(s, task->domain_id, err) && sql_exec(s->db, "COMMIT", err))
        return true;
    err_clear(&ignored);
    if (!sqlite3_get_autocommit(s->db))
        (void)!sql_exec(s->db, "ROLLBACK", &ignored);
    return false;
}

bool state_create_estimate(struct state *s, const cJSON *params, struct estimate_task *task, cJSON **reply, struct err *err)
{
    const char *domain = text_of(params, "DomainName");
    const cJSON *groups = cJSON_GetObjectItemCaseSensitive(params, "SegmentQuery");
    memset(task, 0, sizeof *task);
    if (!state_find_domain(s, domain, &task->domain_id, err) || !state_takes_query(params, "SegmentQuery", err) ||
        !name_new(task->id, err) || !(task->plan = state_plan(s, task->domain_id, NULL, groups, err)))
        return false;
    char *query = cJSON_PrintUnformatted(groups);
    bool ok = query ? write_down(s, task, query, err) : err_set(err, ERR_MEMORY, "out of memory");
    cJSON_free(query);
    if (ok) {
        *reply = cJSON_CreateObject();
        cJSON_AddStringToObject(*reply, "DomainName", domain);
        cJSON_AddStringToObject(*reply, "EstimateId", task->id);
    } else {
        segment_plan_free(task->plan);
        task->plan = NULL;
    }
    return ok;
}

static cJSON *estimate_reply(sqlite3_stmt *q, const char *domain, const char *id)
{
    cJSON *reply = cJSON_CreateObject();
    cJSON_AddStringToObject(reply, "DomainName", domain);
    cJSON_AddStringToObject(reply, "EstimateId", id);
    cJSON_AddStringToObject(reply, "Status", sql_text(q, 0));
    if (sqlite3_column_type(q, 1) != SQLITE_NULL)
        cJSON_AddStringToObject(reply, "Estimate", sql_text(q, 1));
    if (sqlite3_column_type(q, 2) != SQLITE_NULL)
        cJSON_AddStringToObject(reply, "Message", sql_text(q, 2));
    return reply;
}

bool state_get_estimate(struct state *s, const char *domain, const char *id, cJSON **reply, struct err *err)
{
    int64_t domain_id;
    if (!state_find_domain(s, domain, &domain_id, err))
        return false;
    sqlite3_stmt *q = sql_prepare(s->db, "SELECT status, estimate, message FROM estimate WHERE id = ? AND domain = ?", err);
    if (!q)
        return false;
    sqlite3_bind_text(q, 1, id, -1, SQLITE_STATIC);
    sqlite3_bind_int64(q, 2, domain_id);
    int status = sqlite3_step(q);
    if (status == SQLITE_ROW) {
        *reply = estimate_reply(q, domain, id);
    } else if (status == SQLITE_DONE) {
        err_set(err, "ResourceNotFoundException", "There is no segment estimate %.255s in domain %s.", id, domain);
        err->status = 404;
    } else {
        sql_fail(s->db, err);
    }
    sqlite3_finalize(q);
    return *reply != NULL;
}

bool state_end_estimate(struct state *s, const char *id, int64_t members, const char *message, struct err *err)
{
    sqlite3_stmt *q = sql_prepare(s->db, "UPDATE estimate SET status = iif(?3 IS NULL, 'SUCCEEDED', 'FAILED'),"
                                         " estimate = iif(?3 IS NULL, ?2, NULL), message = ?3 WHERE id = ?1", err);
    if (!q)
        return false;
    sqlite3_bind_text(q, 1, id, -1, SQLITE_STATIC);
    sqlite3_bind_int64(q, 2, members);
    sqlite3_bind_text(q, 3, message, -1, SQLITE_STATIC);
    bool ok = sql_run(q, err);
    sqlite3_finalize(q);
    return ok;
}

/* The query of the next, to be freed; NULL when there is none. */
static char *next_query(struct state *s, int64_t *number, struct estimate_task *task, struct err *err)
{
    sqlite3_stmt *q = sql_prepare(s->db, "SELECT number, id, domain, query FROM estimate WHERE status = 'RUNNING' AND number > ?"
                                         " ORDER BY number LIMIT 1", err);
    char *query = NULL;
    if (!q)
        return NULL;
    sqlite3_bind_int64(q, 1, *number);
    int status = sqlite3_step(q);
    if (status == SQLITE_ROW) {
        *number = sqlite3_column_int64(q, 0);
        snprintf(task->id, sizeof task->id, "%s", sql_text(q, 1));
        task->domain_id = sqlite3_column_int64(q, 2);
        query = strdup(sql_text(q, 3));
        if (!query)
            err_set(err, ERR_MEMORY, "out of memory");
    } else if (status != SQLITE_DONE) {
        sql_fail(s->db, err);
    }
    sqlite3_finalize(q);
    return query;
}

bool state_next_estimate(struct state *s, int64_t *number, struct estimate_task *task, struct err *err)
{
    char *query;
    memset(task, 0, sizeof *task);
    while (!task->plan && (query = next_query(s, number, task, err))) {
        struct err refusal;
        cJSON *groups = cJSON_Parse(query);
        err_clear(&refusal);
        task->plan = state_plan(s, task->domain_id, NULL, groups, &refusal);
        cJSON_Delete(groups);
        free(query);
        if (!task->plan && !state_end_estimate(s, task->id, 0, refusal.message, err))
            return false;
    }
    return task->plan != NULL;
}
