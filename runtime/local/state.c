/* state: opening, and the domains. Jobs are in state_jobs.c, segments in state_segments.c. */
#include "local/state.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "local/facts.h"
#include "local/state_private.h"
#include "local/state_version.h"

struct state *state_open(const char *data_dir, const struct objects *objects, bool ephemeral, const struct facts *inferred,
                         struct err *err)
{
    char path[PATH_MAX];
    struct state *s = calloc(1, sizeof *s);
    if (!s) {
        err_set(err, ERR_MEMORY, "out of memory");
        return NULL;
    }
    s->objects = objects;
    s->inferred = inferred;
    snprintf(path, sizeof path, "%s/jobs.db", data_dir);
    if (state_bring_up(path, err))
        s->db = sql_open(path, &state_store, ephemeral, err);
    if (s->db)
        return s;
    free(s);
    return NULL;
}

void state_close(struct state *s)
{
    if (!s)
        return;
    sqlite3_close(s->db);
    free(s);
}

bool state_refuse(struct err *err, int status, const char *code, const char *message)
{
    err_set(err, code, "%s", message);
    err->status = status;
    return false;
}

bool state_find_domain(struct state *s, const char *name, int64_t *id, struct err *err)
{
    bool found = false;
    sqlite3_stmt *q = sql_prepare(s->db, "SELECT id FROM domain WHERE name = ?", err);
    if (!q)
        return false;
    sqlite3_bind_text(q, 1, name, -1, SQLITE_STATIC);
    int status = sqlite3_step(q);
    if (status == SQLITE_ROW) {
        *id = sqlite3_column_int64(q, 0);
        found = true;
    } else if (status == SQLITE_DONE) {
        err_set(err, "ResourceNotFoundException", "There is no domain named %s.", name);
        err->status = 404;
    } else {
        sql_fail(s->db, err);
    }
    sqlite3_finalize(q);
    return found;
}

/* The reply about a domain: what was given at its creation, and its times. */
static cJSON *domain_reply(const char *params, const char *name, double created, double updated)
{
    cJSON *reply = cJSON_Parse(params);
    if (!reply)
        reply = cJSON_CreateObject();
    cJSON_DeleteItemFromObjectCaseSensitive(reply, "DomainName");
    cJSON_AddStringToObject(reply, "DomainName", name);
    cJSON_AddNumberToObject(reply, "CreatedAt", created);
    cJSON_AddNumberToObject(reply, "LastUpdatedAt", updated);
    return reply;
}

bool state_create_domain(struct state *s, const cJSON *params, double now, cJSON **reply, struct err *err)
{
    const char *name = cJSON_GetObjectItemCaseSensitive(params, "DomainName")->valuestring;
    char *text = cJSON_PrintUnformatted(params);
    sqlite3_stmt *q = text ? sql_prepare(s->db, "INSERT INTO domain(name, created, updated, params) VALUES(?1, ?2, ?2, ?3)"
                                                " ON CONFLICT(name) DO NOTHING", err) : NULL;
    bool ok = false;
    if (q) {
        sqlite3_bind_text(q, 1, name, -1, SQLITE_STATIC);
        sqlite3_bind_double(q, 2, now);
        sqlite3_bind_text(q, 3, text, -1, SQLITE_STATIC);
        ok = sql_run(q, err);
    }
    sqlite3_finalize(q);
    if (ok && sqlite3_changes(s->db) == 0) {
        err_set(err, "BadRequestException", "Domain %s already exists", name);
        err->status = 400;
        ok = false;
    }
    if (ok)
        *reply = domain_reply(text, name, now, now);
    cJSON_free(text);
    return ok;
}

bool state_get_domain(struct state *s, const char *name, int64_t *id, cJSON **reply, struct err *err)
{
    if (!state_find_domain(s, name, id, err))
        return false;
    sqlite3_stmt *q = sql_prepare(s->db, "SELECT params, created, updated FROM domain WHERE id = ?", err);
    if (!q)
        return false;
    sqlite3_bind_int64(q, 1, *id);
    bool ok = sqlite3_step(q) == SQLITE_ROW;
    if (ok && reply)
        *reply = domain_reply(sql_text(q, 0), name, sqlite3_column_double(q, 1), sqlite3_column_double(q, 2));
    else if (!ok)
        sql_fail(s->db, err);
    sqlite3_finalize(q);
    return ok;
}

bool state_page_position(struct state *s, const char *scope, const char *next_token, char *out, size_t size,
                         struct err *err)
{
    char *position = NULL;
    out[0] = '\0';
    if (!next_token)
        return true;
    if (!token_open(s->objects, scope, next_token, &position, err))
        return false;
    snprintf(out, size, "%s", position);
    free(position);
    return true;
}

bool state_add_token(struct state *s, const char *scope, const char *position, cJSON *reply, struct err *err)
{
    char *token = NULL;
    if (!token_seal(s->objects, scope, position, &token, err))
        return false;
    cJSON_AddStringToObject(reply, "NextToken", token);
    free(token);
    return true;
}

bool state_list_domains(struct state *s, long max_results, const char *next_token, cJSON **reply, struct err *err)
{
    char after[128];
    if (!state_page_position(s, "ListDomains", next_token, after, sizeof after, err))
        return false;
    long limit = max_results > 0 ? max_results : FACT_DEFAULT_PAGE;
    sqlite3_stmt *q = sql_prepare(s->db, "SELECT name, created, updated, params FROM domain WHERE name > ?1 ORDER BY name LIMIT ?2",
                                  err);
    if (!q)
        return false;
    sqlite3_bind_text(q, 1, after, -1, SQLITE_STATIC);
    sqlite3_bind_int64(q, 2, limit + 1);
    *reply = cJSON_CreateObject();
    cJSON *items = cJSON_AddArrayToObject(*reply, "Items");
    char last[128] = "";
    bool ok = true;
    int status;
    for (long n = 0; (status = sqlite3_step(q)) == SQLITE_ROW; n++) {
        if (n == limit) {
            ok = state_add_token(s, "ListDomains", last, *reply, err);
            break;
        }
        cJSON *whole = domain_reply(sql_text(q, 3), sql_text(q, 0), sqlite3_column_double(q, 1), sqlite3_column_double(q, 2));
        cJSON *item = cJSON_CreateObject();
        static const char *const members[] = {"DomainName", "CreatedAt", "LastUpdatedAt", "Tags"};
        for (size_t i = 0; i < 4; i++) {
            cJSON *member = cJSON_DetachItemFromObjectCaseSensitive(whole, members[i]);
            if (member)
                cJSON_AddItemToObject(item, members[i], member);
        }
        cJSON_Delete(whole);
        cJSON_AddItemToArray(items, item);
        snprintf(last, sizeof last, "%s", sql_text(q, 0));
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

bool state_has_domain(struct state *s, int64_t id)
{
    struct err ignored;
    err_clear(&ignored);
    sqlite3_stmt *q = sql_prepare(s->db, "SELECT 1 FROM domain WHERE id = ?", &ignored);
    sqlite3_bind_int64(q, 1, id);
    bool there = !q || sqlite3_step(q) != SQLITE_DONE; /* when in doubt it is */
    sqlite3_finalize(q);
    return there;
}

bool state_delete_domain(struct state *s, const char *name, int64_t *id, cJSON **objects, cJSON **reply, struct err *err)
{
    if (!state_find_domain(s, name, id, err))
        return false;
    sqlite3_stmt *q = sql_prepare(s->db, "SELECT object FROM job WHERE domain = ? AND object IS NOT NULL", err);
    if (!q)
        return false;
    *objects = cJSON_CreateArray();
    sqlite3_bind_int64(q, 1, *id);
    while (sqlite3_step(q) == SQLITE_ROW)
        cJSON_AddItemToArray(*objects, cJSON_CreateString(sql_text(q, 0)));
    sqlite3_finalize(q);
    q = sql_prepare(s->db, "DELETE FROM domain WHERE id = ?", err);
    bool ok = q != NULL;
    if (ok) {
        sqlite3_bind_int64(q, 1, *id);
        ok = sql_run(q, err);
    }
    sqlite3_finalize(q);
    if (!ok) {
        cJSON_Delete(*objects);
        *objects = NULL;
        return false;
    }
    *reply = cJSON_CreateObject();
    cJSON_AddStringToObject(*reply, "Message", "OK");
    return true;
}
