#include "local/profiles_segments.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "local/clock.h"
#include "local/profiles_private.h"

#define MOST_IDS 100   /* the service model's */
#define CANDIDATES 500 /* looked at before more are sought */
#define LOOK_AT_CLOCK 256 /* profiles between two looks */

/* A reading of a store with the plan put to it. */
struct reading {
    sqlite3 *db;
    struct targets targets;
    sqlite3_stmt *find_key, *profiles;
    struct segment_plan *plan;
    double now;
};

static void end_reading(struct reading *r)
{
    sqlite3_finalize(r->find_key);
    sqlite3_finalize(r->profiles);
    targets_free(&r->targets);
    sqlite3_close(r->db);
}

/* *r has no db, and there is no error, where nothing was ever imported. */
static bool begin_reading(struct reading *r, const char *data_dir, int64_t domain_id, const char *sql, struct err *err)
{
    r->db = profiles_reader(data_dir, domain_id, err);
    if (!r->db)
        return !err->code[0];
    if (!sql_exec(r->db, "BEGIN", err) || !targets_load(r->db, &r->targets, err) ||
        !(r->find_key = sql_prepare(r->db, PROFILE_EXPIRY_SQL, err)) || !(r->profiles = sql_prepare(r->db, sql, err)))
        return false;
    return segment_plan_bind(r->plan, &r->targets) || err_set(err, ERR_MEMORY, "out of memory");
}

/* Of the profile in the row: id, uid, key, doc. */
static bool is_there(const struct reading *r)
{
    return sqlite3_column_bytes(r->profiles, 1) == 16 &&
           profile_expiry(r->find_key, sqlite3_column_blob(r->profiles, 2), (size_t)sqlite3_column_bytes(r->profiles, 2),
                          sqlite3_column_int64(r->profiles, 0)) > r->now;
}

static struct csv_slice document_of(const struct reading *r)
{
    return (struct csv_slice){sqlite3_column_blob(r->profiles, 3), (size_t)sqlite3_column_bytes(r->profiles, 3)};
}

/* ---- counting ---- */

static bool count_some(struct reading *r, double until, struct segment_count *count, struct err *err)
{
    int status = SQLITE_ROW;
    sqlite3_bind_int64(r->profiles, 1, count->after);
    for (long n = 1; (n % LOOK_AT_CLOCK != 0 || clock_steady() < until) && (status = sqlite3_step(r->profiles)) == SQLITE_ROW; n++) {
        struct csv_slice document = document_of(r);
        count->after = sqlite3_column_int64(r->profiles, 0);
        /* Most are ruled out by the document, which is at hand. */
        if (segment_plan_has(r->plan, &document) && is_there(r))
            count->members++;
    }
    count->done = status == SQLITE_DONE;
    return status == SQLITE_ROW || status == SQLITE_DONE || sql_fail(r->db, err);
}

bool profiles_count(const char *data_dir, int64_t domain_id, struct segment_plan *plan, double now, double seconds,
                    struct segment_count *count, struct err *err)
{
    struct reading r = {.plan = plan, .now = now};
    bool ok = begin_reading(&r, data_dir, domain_id, "SELECT id, uid, key, doc FROM profile WHERE id > ? ORDER BY id", err);
    if (ok && r.db)
        ok = count_some(&r, clock_steady() + seconds, count, err);
    else
        count->done = ok;
    end_reading(&r);
    return ok;
}

/* ---- membership ---- */

struct asked {
    const char *text;
    unsigned char uid[16];
    uint64_t hash;
    cJSON *found; /* NULL: there is no such profile */
};

static void read_id(const char *text, struct asked *asked)
{
    asked->text = text;
    for (int i = 0; i < 16; i++) {
        unsigned byte = 0;
        sscanf(text + 2 * i, "%2x", &byte);
        asked->uid[i] = (unsigned char)byte;
    }
    asked->hash = term_hash("_profileId", text, 32);
}

static cJSON *make_result(struct reading *r, const unsigned char *uid, const char *text)
{
    struct csv_slice document = document_of(r);
    cJSON *result = cJSON_CreateObject();
    cJSON_AddStringToObject(result, "ProfileId", text);
    cJSON_AddStringToObject(result, "QueryResult", segment_plan_has(r->plan, &document) ? "PRESENT" : "ABSENT");
    cJSON_AddItemToObject(result, "Profile", document_to_json(&document, &r->targets, uid));
    return result;
}

static bool look_at(struct reading *r, int64_t id, struct asked *asked, size_t count, struct err *err)
{
    sqlite3_bind_int64(r->profiles, 1, id);
    int status = sqlite3_step(r->profiles);
    if (status == SQLITE_ROW && is_there(r)) {
        const unsigned char *uid = sqlite3_column_blob(r->profiles, 1);
        for (size_t i = 0; i < count; i++)
            if (!asked[i].found && memcmp(asked[i].uid, uid, 16) == 0)
                asked[i].found = make_result(r, uid, asked[i].text);
    }
    sqlite3_reset(r->profiles);
    return status == SQLITE_ROW || status == SQLITE_DONE || sql_fail(r->db, err);
}

static bool find_all(struct reading *r, struct asked *asked, size_t count, struct err *err)
{
    uint64_t hashes[MOST_IDS];
    int64_t ids[CANDIDATES], after = 0;
    size_t found = CANDIDATES;
    for (size_t i = 0; i < count; i++)
        hashes[i] = asked[i].hash;
    while (found == CANDIDATES) {
        if (!terms_find(r->db, hashes, count, after, ids, &found, err))
            return false;
        for (size_t i = 0; i < found; i++)
            if (!look_at(r, ids[i], asked, count, err))
                return false;
        after = found ? ids[found - 1] : after;
    }
    return true;
}

static void add_failure(cJSON *failures, const char *id)
{
    cJSON *failure = cJSON_CreateObject();
    cJSON_AddStringToObject(failure, "ProfileId", id);
    cJSON_AddStringToObject(failure, "Message", "There is no such profile.");
    cJSON_AddNumberToObject(failure, "Status", 404);
    cJSON_AddItemToArray(failures, failure);
}

bool profiles_membership(const char *data_dir, int64_t domain_id, struct segment_plan *plan, const cJSON *ids, double now,
                         cJSON *reply, struct err *err)
{
    struct reading r = {.plan = plan, .now = now};
    struct asked asked[MOST_IDS];
    size_t count = 0;
    const cJSON *id;
    memset(asked, 0, sizeof asked);
    cJSON_ArrayForEach(id, ids) {
        if (count < MOST_IDS)
            read_id(id->valuestring, &asked[count++]);
    }
    bool ok = begin_reading(&r, data_dir, domain_id, "SELECT id, uid, key, doc FROM profile WHERE id = ?", err) &&
              (!r.db || find_all(&r, asked, count, err));
    cJSON *profiles = cJSON_AddArrayToObject(reply, "Profiles"), *failures = cJSON_AddArrayToObject(reply, "Failures");
    for (size_t i = 0; i < count; i++) {
        if (asked[i].found)
            cJSON_AddItemToArray(profiles, asked[i].found);
        else
            add_failure(failures, asked[i].text);
    }
    end_reading(&r);
    return ok;
}
