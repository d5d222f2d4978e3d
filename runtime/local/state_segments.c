/* The segment definitions of state_segments.h. */
#include "local/state_segments.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "local/state_segments_private.h"

static const char *text_of(const cJSON *params, const char *name)
{
    return cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(params, name));
}

static bool no_segment(struct err *err, const char *domain, const char *name)
{
    err_set(err, "ResourceNotFoundException", "There is no segment definition %s in domain %s.", name, domain);
    err->status = 404;
    return false;
}

/* The row of a definition (params, created), to be finalized by the caller; NULL when there is none, with *err when that is not
 * known. */
static sqlite3_stmt *find_row(struct state *s, int64_t domain_id, const char *name, struct err *err)
{
    sqlite3_stmt *q = sql_prepare(s->db, "SELECT params, created FROM segment WHERE domain = ? AND name = ?", err);
    if (!q)
        return NULL;
    sqlite3_bind_int64(q, 1, domain_id);
    sqlite3_bind_text(q, 2, name, -1, SQLITE_TRANSIENT);
    int status = sqlite3_step(q);
    if (status == SQLITE_ROW)
        return q;
    if (status != SQLITE_DONE)
        sql_fail(s->db, err);
    sqlite3_finalize(q);
    return NULL;
}

/* ---- plans ---- */

struct finder {
    struct state *s;
    int64_t domain_id;
};

static cJSON *find_groups(void *arg, const char *name, struct err *err)
{
    const struct finder *finder = arg;
    sqlite3_stmt *q = find_row(finder->s, finder->domain_id, name, err);
    if (!q) {
        if (!err->code[0]) {
            err_set(err, "BadRequestException", "SourceSegments: there is no segment definition %s.", name);
            err->status = 400;
        }
        return NULL;
    }
    cJSON *params = cJSON_Parse(sql_text(q, 0));
    cJSON *groups = cJSON_DetachItemFromObjectCaseSensitive(params, "SegmentGroups");
    cJSON_Delete(params);
    sqlite3_finalize(q);
    if (!groups)
        err_set(err, ERR_MEMORY, "out of memory");
    return groups;
}

struct segment_plan *state_plan(struct state *s, int64_t domain_id, const char *name, const cJSON *groups, struct err *err)
{
    struct finder finder = {s, domain_id};
    const struct segment_source source = {find_groups, &finder};
    return segment_plan_new(name, groups, s->inferred, &source, err);
}

bool state_takes_query(const cJSON *params, const char *groups, struct err *err)
{
    if (text_of(params, "SegmentSqlQuery"))
        return state_refuse(err, 501, "NotImplementedException", "SegmentSqlQuery is not evaluated by this embedded service.");
    if (cJSON_GetObjectItemCaseSensitive(params, groups))
        return true;
    err_set(err, "BadRequestException", "%s is required.", groups);
    err->status = 400;
    return false;
}

bool state_segment_plan(struct state *s, const char *domain, const char *name, int64_t *domain_id, struct segment_plan **plan,
                        struct err *err)
{
    if (!state_find_domain(s, domain, domain_id, err))
        return false;
    sqlite3_stmt *q = find_row(s, *domain_id, name, err);
    if (!q)
        return err->code[0] ? false : no_segment(err, domain, name);
    cJSON *params = cJSON_Parse(sql_text(q, 0));
    *plan = params ? state_plan(s, *domain_id, name, cJSON_GetObjectItemCaseSensitive(params, "SegmentGroups"), err) : NULL;
    if (!params)
        err_set(err, ERR_MEMORY, "out of memory");
    cJSON_Delete(params);
    sqlite3_finalize(q);
    return *plan != NULL;
}

/* ---- replies ---- */

/* What a reply tells of a definition: the members of what it was created with that are named, and what the service adds, but for
 * its ARN. */
static cJSON *segment_reply(const struct state *s, const char *params, double created, bool whole)
{
    static const char *const members[] = {"SegmentDefinitionName", "DisplayName", "Description", "Tags", "SegmentGroups", "SegmentSort"};
    size_t count = sizeof members / sizeof *members;
    cJSON *given = cJSON_Parse(params), *reply = cJSON_CreateObject();
    for (size_t i = 0; i < (whole ? count : count - 2); i++) {
        cJSON *member = cJSON_DetachItemFromObjectCaseSensitive(given, members[i]);
        if (member)
            cJSON_AddItemToObject(reply, members[i], member);
    }
    cJSON_AddNumberToObject(reply, "CreatedAt", s->inferred->times_have_fractions ? created : floor(created));
    cJSON_Delete(given);
    return reply;
}

/* ---- operations ---- */

static bool insert(struct state *s, int64_t domain_id, const char *name, const char *params, double now, struct err *err)
{
    sqlite3_stmt *q = sql_prepare(s->db, "INSERT INTO segment(domain, name, created, params) VALUES(?, ?, ?, ?)"
                                         " ON CONFLICT(domain, name) DO NOTHING", err);
    if (!q)
        return false;
    sqlite3_bind_int64(q, 1, domain_id);
    sqlite3_bind_text(q, 2, name, -1, SQLITE_STATIC);
    sqlite3_bind_double(q, 3, now);
    sqlite3_bind_text(q, 4, params, -1, SQLITE_STATIC);
    bool ok = sql_run(q, err);
    sqlite3_finalize(q);
    if (ok && sqlite3_changes(s->db) == 0) {
        bool usual = s->inferred->taken_name_is_bad_request;
        err_set(err, usual ? "BadRequestException" : "ConflictException", "Segment definition %s already exists.", name);
        err->status = usual ? 400 : 409;
        ok = false;
    }
    return ok;
}

bool state_create_segment(struct state *s, const cJSON *params, double now, cJSON **reply, struct err *err)
{
    int64_t domain_id;
    const char *domain = text_of(params, "DomainName"), *name = text_of(params, "SegmentDefinitionName");
    if (!state_find_domain(s, domain, &domain_id, err) || !state_takes_query(params, "SegmentGroups", err))
        return false;
    struct segment_plan *plan = state_plan(s, domain_id, name, cJSON_GetObjectItemCaseSensitive(params, "SegmentGroups"), err);
    if (!plan)
        return false;
    segment_plan_free(plan);
    char *text = cJSON_PrintUnformatted(params);
    bool ok = text ? insert(s, domain_id, name, text, now, err) : err_set(err, ERR_MEMORY, "out of memory");
    if (ok)
        *reply = segment_reply(s, text, now, false);
    cJSON_free(text);
    return ok;
}

bool state_get_segment(struct state *s, const char *domain, const char *name, cJSON **reply, struct err *err)
{
    int64_t domain_id;
    if (!state_find_domain(s, domain, &domain_id, err))
        return false;
    sqlite3_stmt *q = find_row(s, domain_id, name, err);
    if (!q)
        return err->code[0] ? false : no_segment(err, domain, name);
    *reply = segment_reply(s, sql_text(q, 0), sqlite3_column_double(q, 1), true);
    cJSON_AddStringToObject(*reply, "SegmentType", "CLASSIC");
    sqlite3_finalize(q);
    return true;
}

bool state_list_segments(struct state *s, const char *domain, long max_results, const char *next_token, cJSON **reply,
                         struct err *err)
{
    char scope[128], after[128], last[128] = "";
    int64_t domain_id;
    snprintf(scope, sizeof scope, "ListSegmentDefinitions %s", domain);
    if (!state_find_domain(s, domain, &domain_id, err) ||
        !state_page_position(s, scope, next_token, after, sizeof after, err))
        return false;
    sqlite3_stmt *q = sql_prepare(s->db, "SELECT params, created, name FROM segment WHERE domain = ?1 AND name > ?2"
                                         " ORDER BY name LIMIT ?3", err);
    if (!q)
        return false;
    long limit = max_results > 0 ? max_results : FACT_DEFAULT_PAGE;
    sqlite3_bind_int64(q, 1, domain_id);
    sqlite3_bind_text(q, 2, after, -1, SQLITE_STATIC);
    sqlite3_bind_int64(q, 3, limit + 1);
    *reply = cJSON_CreateObject();
    cJSON *items = cJSON_AddArrayToObject(*reply, "Items");
    bool ok = true;
    int status;
    for (long n = 0; (status = sqlite3_step(q)) == SQLITE_ROW; n++) {
        if (n == limit) {
            ok = state_add_token(s, scope, last, *reply, err);
            break;
        }
        cJSON *item = segment_reply(s, sql_text(q, 0), sqlite3_column_double(q, 1), false);
        cJSON_AddStringToObject(item, "SegmentType", "CLASSIC");
        cJSON_AddItemToArray(items, item);
        snprintf(last, sizeof last, "%s", sql_text(q, 2));
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

bool state_delete_segment(struct state *s, const char *domain, const char *name, cJSON **reply, struct err *err)
{
    int64_t domain_id;
    if (!state_find_domain(s, domain, &domain_id, err))
        return false;
    sqlite3_stmt *q = sql_prepare(s->db, "DELETE FROM segment WHERE domain = ? AND name = ?", err);
    if (!q)
        return false;
    sqlite3_bind_int64(q, 1, domain_id);
    sqlite3_bind_text(q, 2, name, -1, SQLITE_STATIC);
    bool ok = sql_run(q, err);
    sqlite3_finalize(q);
    if (ok && sqlite3_changes(s->db) == 0)
        return no_segment(err, domain, name);
    if (ok) {
        *reply = cJSON_CreateObject();
        cJSON_AddStringToObject(*reply, "Message", "OK");
    }
    return ok;
}
