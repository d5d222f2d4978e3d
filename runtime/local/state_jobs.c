/* The upload jobs and upload paths of state.h. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "local/facts.h"
#include "local/names.h"
#include "local/state_private.h"

#define JOB_COLUMNS                                                                                                  \
    "job.id, job.name, job.status, job.reason, job.created, job.completed, job.fields, job.unique_key, job.expiry,"   \
    " job.n_created, job.n_updated, job.n_failed, job.started, job.object, job.size, job.utf8, job.utf8_error_at,"    \
    " job.domain, job.number"
enum { ID, NAME, STATUS, REASON, CREATED, COMPLETED, FIELDS, UNIQUE_KEY, EXPIRY, N_CREATED, N_UPDATED, N_FAILED, STARTED,
       OBJECT, SIZE, UTF8, UTF8_ERROR_AT, DOMAIN_ID, NUMBER };

/* A job that was told to stop while its ingestion runs: to the outside it is IN_PROGRESS until the ingestion has ended, so that
 * nobody takes counts for final that still change. */
#define STOPPING "STOPPING"

static const char *text_of(const cJSON *params, const char *name)
{
    return cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(params, name));
}

static bool name_taken(struct state *s, int64_t domain, const char *name, struct err *err)
{
    sqlite3_stmt *q = sql_prepare(s->db, "SELECT 1 FROM job WHERE domain = ? AND name = ?", err);
    sqlite3_bind_int64(q, 1, domain);
    sqlite3_bind_text(q, 2, name, -1, SQLITE_STATIC);
    bool taken = q && sqlite3_step(q) == SQLITE_ROW;
    sqlite3_finalize(q);
    return taken;
}

/* What the model allows and the service refuses, where that is rehearsed. */
static bool may_create(struct state *s, int64_t domain, const cJSON *params, struct err *err)
{
    const struct facts *inferred = s->inferred;
    const cJSON *expiry = cJSON_GetObjectItemCaseSensitive(params, "DataExpiry");
    int fields = cJSON_GetArraySize(cJSON_GetObjectItemCaseSensitive(params, "Fields"));
    if (!inferred->many_fields_taken && fields > FACT_CONSOLE_FIELDS)
        return state_refuse(err, 400, "BadRequestException", "There are too many fields.");
    if (expiry && expiry->valuedouble > inferred->max_expiry_days)
        return state_refuse(err, 400, "BadRequestException", "DataExpiry is too long.");
    if (!inferred->name_may_repeat && name_taken(s, domain, text_of(params, "DisplayName"), err))
        return state_refuse(err, 400, "BadRequestException", "An upload job of this DisplayName exists.");
    return true;
}

bool state_create_job(struct state *s, const cJSON *params, double now, cJSON **reply, struct err *err)
{
    int64_t domain;
    char id[NAME_SIZE];
    if (!state_find_domain(s, text_of(params, "DomainName"), &domain, err) || !may_create(s, domain, params, err) ||
        !name_new(id, err))
        return false;
    char *fields = cJSON_PrintUnformatted(cJSON_GetObjectItemCaseSensitive(params, "Fields"));
    const cJSON *expiry = cJSON_GetObjectItemCaseSensitive(params, "DataExpiry");
    sqlite3_stmt *q = sql_prepare(s->db, "INSERT INTO job(id, domain, name, status, created, fields, unique_key, expiry)"
                                         " VALUES(?, ?, ?, 'CREATED', ?, ?, ?, ?)", err);
    bool ok = q && fields;
    if (ok) {
        sqlite3_bind_text(q, 1, id, -1, SQLITE_STATIC);
        sqlite3_bind_int64(q, 2, domain);
        sqlite3_bind_text(q, 3, text_of(params, "DisplayName"), -1, SQLITE_STATIC);
        sqlite3_bind_double(q, 4, now);
        sqlite3_bind_text(q, 5, fields, -1, SQLITE_STATIC);
        sqlite3_bind_text(q, 6, text_of(params, "UniqueKey"), -1, SQLITE_STATIC);
        if (expiry)
            sqlite3_bind_int(q, 7, expiry->valueint);
        ok = sql_run(q, err);
    }
    sqlite3_finalize(q);
    cJSON_free(fields);
    if (ok) {
        *reply = cJSON_CreateObject();
        cJSON_AddStringToObject(*reply, "JobId", id);
    }
    return ok;
}

static const char *shown_status(const struct state *s, sqlite3_stmt *q)
{
    const char *status = sql_text(q, STATUS);
    if (strcmp(status, STOPPING) == 0)
        return "IN_PROGRESS";
    bool begun = sqlite3_column_int64(q, N_CREATED) + sqlite3_column_int64(q, N_UPDATED) + sqlite3_column_int64(q, N_FAILED) > 0;
    return s->inferred->in_progress_at_once || begun || strcmp(status, "IN_PROGRESS") != 0 ? status : "CREATED";
}

static double shown_time(const struct state *s, double time)
{
    return s->inferred->times_have_fractions ? time : floor(time);
}

/* What a list shows of a job. */
static cJSON *job_item(const struct state *s, sqlite3_stmt *q)
{
    cJSON *item = cJSON_CreateObject();
    cJSON_AddStringToObject(item, "JobId", sql_text(q, ID));
    cJSON_AddStringToObject(item, "DisplayName", sql_text(q, NAME));
    cJSON_AddStringToObject(item, "Status", shown_status(s, q));
    if (sqlite3_column_type(q, REASON) != SQLITE_NULL)
        cJSON_AddStringToObject(item, "StatusReason", sql_text(q, REASON));
    cJSON_AddNumberToObject(item, "CreatedAt", shown_time(s, sqlite3_column_double(q, CREATED)));
    if (sqlite3_column_type(q, COMPLETED) != SQLITE_NULL)
        cJSON_AddNumberToObject(item, "CompletedAt", shown_time(s, sqlite3_column_double(q, COMPLETED)));
    bool given = sqlite3_column_type(q, EXPIRY) != SQLITE_NULL;
    cJSON_AddNumberToObject(item, "DataExpiry", given ? sqlite3_column_int(q, EXPIRY) : FACT_DEFAULT_EXPIRY_DAYS);
    return item;
}

bool state_list_jobs(struct state *s, const char *domain, long max_results, const char *next_token, cJSON **reply,
                     struct err *err)
{
    char scope[128], before[32];
    int64_t domain_id;
    snprintf(scope, sizeof scope, "ListUploadJobs %s", domain);
    if (!state_find_domain(s, domain, &domain_id, err) ||
        !state_page_position(s, scope, next_token, before, sizeof before, err))
        return false;
    long limit = max_results > 0 ? max_results : (long)s->inferred->list_page;
    sqlite3_stmt *q = sql_prepare(s->db, "SELECT " JOB_COLUMNS " FROM job WHERE domain = ?1 AND number < ?2"
                                         " ORDER BY number DESC LIMIT ?3", err);
    if (!q)
        return false;
    sqlite3_bind_int64(q, 1, domain_id);
    sqlite3_bind_int64(q, 2, before[0] ? atoll(before) : INT64_MAX);
    sqlite3_bind_int64(q, 3, limit + 1);
    *reply = cJSON_CreateObject();
    cJSON *items = cJSON_AddArrayToObject(*reply, "Items");
    char last[32] = "";
    bool ok = true;
    int status;
    for (long n = 0; (status = sqlite3_step(q)) == SQLITE_ROW; n++) {
        if (n == limit) {
            ok = state_add_token(s, scope, last, *reply, err);
            break;
        }
        cJSON_AddItemToArray(items, job_item(s, q));
        snprintf(last, sizeof last, "%lld", (long long)sqlite3_column_int64(q, NUMBER));
    }
    if (status != SQLITE_ROW && status != SQLITE_DONE)
        ok = sql_fail(s->db, err);
    sqlite3_finalize(q);
    if (!ok) {
        cJSON_Delete(*reply);
        *reply = NULL;
    }
    return ok;
}

/* The job's row, to be finalized by the caller; NULL with 404 for a job that is not in the domain. */
static sqlite3_stmt *find_job(struct state *s, const char *domain, const char *job_id, struct err *err)
{
    int64_t domain_id;
    if (!state_find_domain(s, domain, &domain_id, err))
        return NULL;
    sqlite3_stmt *q = sql_prepare(s->db, "SELECT " JOB_COLUMNS " FROM job WHERE id = ? AND domain = ?", err);
    if (!q)
        return NULL;
    sqlite3_bind_text(q, 1, job_id, -1, SQLITE_TRANSIENT);
    sqlite3_bind_int64(q, 2, domain_id);
    int status = sqlite3_step(q);
    if (status == SQLITE_ROW)
        return q;
    if (status == SQLITE_DONE) {
        err_set(err, "ResourceNotFoundException", "There is no upload job %s in domain %s.", job_id, domain);
        err->status = 404;
    } else {
        sql_fail(s->db, err);
    }
    sqlite3_finalize(q);
    return NULL;
}

bool state_get_job(struct state *s, const char *domain, const char *job_id, cJSON **reply, struct err *err)
{
    sqlite3_stmt *q = find_job(s, domain, job_id, err);
    if (!q)
        return false;
    *reply = job_item(s, q);
    cJSON *fields = cJSON_Parse(sql_text(q, FIELDS));
    if (fields)
        cJSON_AddItemToObject(*reply, "Fields", fields);
    cJSON_AddStringToObject(*reply, "UniqueKey", sql_text(q, UNIQUE_KEY));
    if (strcmp(sql_text(q, STATUS), "CREATED") != 0) {
        cJSON *summary = cJSON_AddObjectToObject(*reply, "ResultsSummary");
        cJSON_AddNumberToObject(summary, "CreatedRecords", sqlite3_column_double(q, N_CREATED));
        cJSON_AddNumberToObject(summary, "UpdatedRecords", sqlite3_column_double(q, N_UPDATED));
        cJSON_AddNumberToObject(summary, "FailedRecords", sqlite3_column_double(q, N_FAILED));
    }
    sqlite3_finalize(q);
    return true;
}

/* The job's status, and its object's name where `object` is asked for; false with 404. */
static bool job_status(struct state *s, const char *domain, const char *job_id, char *out, size_t size, char **object,
                       struct err *err)
{
    sqlite3_stmt *q = find_job(s, domain, job_id, err);
    if (!q)
        return false;
    snprintf(out, size, "%s", sql_text(q, STATUS));
    if (object)
        *object = sqlite3_column_type(q, OBJECT) == SQLITE_NULL ? NULL : strdup(sql_text(q, OBJECT));
    sqlite3_finalize(q);
    return true;
}

static bool wrong_state(const struct state *s, struct err *err, const char *job_id, const char *status, const char *what)
{
    bool usual = s->inferred->wrong_state_is_bad_request;
    err_set(err, usual ? "BadRequestException" : "ConflictException", "Upload job %s is %s: it cannot be %s.", job_id, status, what);
    err->status = usual ? 400 : 409;
    return false;
}

bool state_start_job(struct state *s, const char *domain, const char *job_id, double now, bool *is_new, struct err *err)
{
    char status[32];
    if (!job_status(s, domain, job_id, status, sizeof status, NULL, err))
        return false;
    *is_new = strcmp(status, "CREATED") == 0;
    if (!*is_new)
        return !s->inferred->second_start_refused || wrong_state(s, err, job_id, status, "started");
    sqlite3_stmt *q = sql_prepare(s->db, "UPDATE job SET status = 'IN_PROGRESS', started = ? WHERE id = ?", err);
    if (!q)
        return false;
    sqlite3_bind_double(q, 1, now);
    sqlite3_bind_text(q, 2, job_id, -1, SQLITE_STATIC);
    bool ok = sql_run(q, err);
    sqlite3_finalize(q);
    return ok;
}

bool state_stop_job(struct state *s, const char *domain, const char *job_id, double now, bool *was_running, char **object,
                    struct err *err)
{
    char status[32];
    if (!job_status(s, domain, job_id, status, sizeof status, object, err))
        return false;
    *was_running = strcmp(status, "IN_PROGRESS") == 0 || strcmp(status, STOPPING) == 0;
    bool created = strcmp(status, "CREATED") == 0;
    bool ends = created || *was_running;
    bool taken = created ? s->inferred->stop_created_taken
                         : *was_running ? s->inferred->stop_running_taken : !s->inferred->stop_ended_refused;
    bool ok = taken || wrong_state(s, err, job_id, status, "stopped");
    *was_running = *was_running && taken;
    sqlite3_stmt *q = !ok || !ends ? NULL
        : sql_prepare(s->db, created ? "UPDATE job SET status = 'STOPPED', completed = ?2, object = NULL WHERE id = ?1"
                                     : "UPDATE job SET status = '" STOPPING "' WHERE id = ?1", err);
    if (q) {
        sqlite3_bind_text(q, 1, job_id, -1, SQLITE_STATIC);
        if (created)
            sqlite3_bind_double(q, 2, now);
        ok = sql_run(q, err);
        sqlite3_finalize(q);
    } else {
        ok = ok && !ends;
    }
    if (!ok || !created) {
        free(*object);
        *object = NULL;
    }
    return ok;
}

/* ---- upload paths ---- */

bool state_add_path(struct state *s, const struct upload_path *path, struct err *err)
{
    char status[32];
    if (!job_status(s, path->domain, path->job_id, status, sizeof status, NULL, err))
        return false;
    if (strcmp(status, "CREATED") != 0 && s->inferred->late_path_refused)
        return wrong_state(s, err, path->job_id, status, "uploaded to");
    sqlite3_stmt *q = sql_prepare(s->db, "INSERT OR IGNORE INTO path(id, job, wrapped, expires) VALUES(?, ?, ?, ?)", err);
    if (!q)
        return false;
    sqlite3_bind_text(q, 1, path->id, -1, SQLITE_STATIC);
    sqlite3_bind_text(q, 2, path->job_id, -1, SQLITE_STATIC);
    sqlite3_bind_blob(q, 3, path->wrapped_key, WRAPPED_KEY_SIZE, SQLITE_STATIC);
    sqlite3_bind_double(q, 4, path->expires);
    bool ok = sql_run(q, err);
    sqlite3_finalize(q);
    return ok;
}

bool state_last_path(struct state *s, const char *job_id, struct upload_path *path)
{
    struct err ignored;
    char id[NAME_SIZE] = "";
    err_clear(&ignored);
    sqlite3_stmt *q = sql_prepare(s->db, "SELECT id FROM path WHERE job = ? ORDER BY rowid DESC LIMIT 1", &ignored);
    sqlite3_bind_text(q, 1, job_id, -1, SQLITE_STATIC);
    if (q && sqlite3_step(q) == SQLITE_ROW)
        snprintf(id, sizeof id, "%s", sql_text(q, 0));
    sqlite3_finalize(q);
    return id[0] && state_get_path(s, id, path, &ignored);
}

bool state_get_path(struct state *s, const char *path_id, struct upload_path *path, struct err *err)
{
    sqlite3_stmt *q = sql_prepare(s->db, "SELECT path.job, domain.name, path.wrapped, path.expires, job.status FROM path"
                                         " JOIN job ON job.id = path.job JOIN domain ON domain.id = job.domain"
                                         " WHERE path.id = ?", err);
    if (!q)
        return false;
    sqlite3_bind_text(q, 1, path_id, -1, SQLITE_STATIC);
    bool ok = false;
    if (sqlite3_step(q) != SQLITE_ROW || sqlite3_column_bytes(q, 2) != WRAPPED_KEY_SIZE) {
        state_refuse(err, 404, "ResourceNotFoundException", "There is no such upload path.");
    } else if (strcmp(sql_text(q, 4), "CREATED") != 0) {
        state_refuse(err, 400, "BadRequestException", "The job of this upload path takes no file any more.");
    } else {
        memset(path, 0, sizeof *path);
        snprintf(path->id, sizeof path->id, "%s", path_id);
        snprintf(path->job_id, sizeof path->job_id, "%s", sql_text(q, 0));
        snprintf(path->domain, sizeof path->domain, "%s", sql_text(q, 1));
        memcpy(path->wrapped_key, sqlite3_column_blob(q, 2), WRAPPED_KEY_SIZE);
        path->expires = sqlite3_column_double(q, 3);
        ok = true;
    }
    sqlite3_finalize(q);
    return ok;
}

bool state_set_object(struct state *s, const char *path_id, const char *object, const struct object_facts *facts,
                      char **replaced, struct err *err)
{
    struct upload_path path;
    *replaced = NULL;
    if (!state_get_path(s, path_id, &path, err))
        return false;
    sqlite3_stmt *old = sql_prepare(s->db, "SELECT object FROM job WHERE id = ? AND object IS NOT NULL", err);
    sqlite3_stmt *q = sql_prepare(s->db, "UPDATE job SET object = ?, size = ?, utf8 = ?, utf8_error_at = ? WHERE id = ?", err);
    bool ok = false;
    if (old && q) {
        sqlite3_bind_text(old, 1, path.job_id, -1, SQLITE_STATIC);
        if (sqlite3_step(old) == SQLITE_ROW)
            *replaced = strdup(sql_text(old, 0));
        sqlite3_reset(old);
        if (*replaced && !s->inferred->last_put_counts) {
            free(*replaced);
            *replaced = strdup(object);
            ok = true;
            goto cleanup;
        }
        sqlite3_bind_text(q, 1, object, -1, SQLITE_STATIC);
        sqlite3_bind_int64(q, 2, (int64_t)facts->size);
        sqlite3_bind_int(q, 3, facts->utf8);
        sqlite3_bind_int64(q, 4, (int64_t)facts->utf8_error_at);
        sqlite3_bind_text(q, 5, path.job_id, -1, SQLITE_STATIC);
        ok = sql_run(q, err);
    }
cleanup:
    sqlite3_finalize(old);
    sqlite3_finalize(q);
    if (!ok) {
        free(*replaced);
        *replaced = NULL;
    }
    return ok;
}

/* ---- for the ingestion ---- */

void job_plan_free(struct job_plan *plan)
{
    cJSON_Delete(plan->fields);
    free(plan->unique_key);
    free(plan->object);
    memset(plan, 0, sizeof *plan);
}

bool state_job_plan(struct state *s, const char *job_id, struct job_plan *plan, struct err *err)
{
    sqlite3_stmt *q = sql_prepare(s->db, "SELECT " JOB_COLUMNS ", domain.name FROM job JOIN domain ON domain.id = job.domain"
                                         " WHERE job.id = ?", err);
    memset(plan, 0, sizeof *plan);
    if (!q)
        return false;
    sqlite3_bind_text(q, 1, job_id, -1, SQLITE_STATIC);
    bool ok = sqlite3_step(q) == SQLITE_ROW;
    if (ok) {
        snprintf(plan->job_id, sizeof plan->job_id, "%s", job_id);
        snprintf(plan->domain, sizeof plan->domain, "%s", sql_text(q, NUMBER + 1));
        plan->domain_id = sqlite3_column_int64(q, DOMAIN_ID);
        plan->fields = cJSON_Parse(sql_text(q, FIELDS));
        plan->unique_key = strdup(sql_text(q, UNIQUE_KEY));
        plan->expiry_days = sqlite3_column_type(q, EXPIRY) == SQLITE_NULL ? FACT_DEFAULT_EXPIRY_DAYS : sqlite3_column_int(q, EXPIRY);
        plan->started = sqlite3_column_double(q, STARTED);
        plan->inferred = s->inferred;
        plan->stop = strcmp(sql_text(q, STATUS), STOPPING) == 0;
        if (sqlite3_column_type(q, OBJECT) != SQLITE_NULL)
            plan->object = strdup(sql_text(q, OBJECT));
        plan->facts.size = (uint64_t)sqlite3_column_int64(q, SIZE);
        plan->facts.utf8 = sqlite3_column_int(q, UTF8) != 0;
        plan->facts.utf8_error_at = (uint64_t)sqlite3_column_int64(q, UTF8_ERROR_AT);
        ok = (plan->fields && plan->unique_key) || err_set(err, ERR_MEMORY, "out of memory");
    } else {
        state_refuse(err, 404, "ResourceNotFoundException", "There is no such upload job.");
    }
    sqlite3_finalize(q);
    if (!ok)
        job_plan_free(plan);
    return ok;
}

bool state_running_jobs(struct state *s, cJSON **ids, struct err *err)
{
    sqlite3_stmt *q = sql_prepare(s->db, "SELECT id FROM job WHERE status IN ('IN_PROGRESS', '" STOPPING "') ORDER BY started", err);
    if (!q)
        return false;
    *ids = cJSON_CreateArray();
    int status;
    while ((status = sqlite3_step(q)) == SQLITE_ROW)
        cJSON_AddItemToArray(*ids, cJSON_CreateString(sql_text(q, 0)));
    bool ok = status == SQLITE_DONE || sql_fail(s->db, err);
    sqlite3_finalize(q);
    return ok;
}

bool state_has_object(struct state *s, const char *object)
{
    struct err ignored;
    err_clear(&ignored);
    sqlite3_stmt *q = sql_prepare(s->db, "SELECT 1 FROM job WHERE object = ?", &ignored);
    sqlite3_bind_text(q, 1, object, -1, SQLITE_STATIC);
    /* When in doubt it is needed. */
    bool needed = !q || sqlite3_step(q) != SQLITE_DONE;
    sqlite3_finalize(q);
    return needed;
}

static void bind_counts(sqlite3_stmt *q, const struct job_counts *counts)
{
    sqlite3_bind_int64(q, 1, counts->created);
    sqlite3_bind_int64(q, 2, counts->updated);
    sqlite3_bind_int64(q, 3, counts->failed);
}

bool state_set_counts(struct state *s, const char *job_id, const struct job_counts *counts, struct err *err)
{
    sqlite3_stmt *q = sql_prepare(s->db, "UPDATE job SET n_created = max(n_created, ?1), n_updated = max(n_updated, ?2),"
                                         " n_failed = max(n_failed, ?3) WHERE id = ?4", err);
    if (!q)
        return false;
    bind_counts(q, counts);
    sqlite3_bind_text(q, 4, job_id, -1, SQLITE_STATIC);
    bool ok = sql_run(q, err);
    sqlite3_finalize(q);
    return ok;
}

bool state_end_job(struct state *s, const char *job_id, const char *status, const char *reason,
                   const struct job_counts *counts, double now, char **object, struct err *err)
{
    sqlite3_stmt *q = sql_prepare(s->db,
        "UPDATE job SET n_created = ?1, n_updated = ?2, n_failed = ?3,"
        " reason = CASE status WHEN 'IN_PROGRESS' THEN ?5 ELSE reason END, completed = coalesce(completed, ?6),"
        " status = CASE status WHEN 'IN_PROGRESS' THEN ?7 WHEN '" STOPPING "' THEN 'STOPPED' ELSE status END,"
        " object = NULL WHERE id = ?4", err);
    sqlite3_stmt *old = sql_prepare(s->db, "SELECT object FROM job WHERE id = ? AND object IS NOT NULL", err);
    bool ok = false;
    *object = NULL;
    if (q && old) {
        sqlite3_bind_text(old, 1, job_id, -1, SQLITE_STATIC);
        if (sqlite3_step(old) == SQLITE_ROW)
            *object = strdup(sql_text(old, 0));
        sqlite3_reset(old);
        bind_counts(q, counts);
        sqlite3_bind_text(q, 4, job_id, -1, SQLITE_STATIC);
        sqlite3_bind_text(q, 5, reason, -1, SQLITE_STATIC);
        sqlite3_bind_double(q, 6, now);
        sqlite3_bind_text(q, 7, status, -1, SQLITE_STATIC);
        ok = sql_run(q, err);
    }
    sqlite3_finalize(q);
    sqlite3_finalize(old);
    if (!ok) {
        free(*object);
        *object = NULL;
    }
    return ok;
}
