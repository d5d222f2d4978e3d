/* Searches, counts and failed records of profiles.h, each over a connection of its own. */
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "local/facts.h"
#include "local/profiles_private.h"

#define MAX_PAIRS 5   /* KeyName and AdditionalSearchKeys: the service model */
#define MAX_TERMS 200 /* of one search, all pairs and values together */

/* A value that is looked for, in one of its forms. */
struct wanted {
    int pair;
    const char *key;
    char *value;
    size_t len;
    int64_t hash;
};

struct search {
    struct wanted wanted[MAX_TERMS];
    int wanted_count, pair_count;
    bool all; /* AND */
    bool overflow;
    int pair;          /* being read */
    bool found[MAX_PAIRS]; /* in the document that is being looked at */
};

static void want(void *arg, const char *key, const char *value, size_t len)
{
    struct search *search = arg;
    char *copy = search->wanted_count < MAX_TERMS ? malloc(len + 1) : NULL;
    if (!copy) {
        search->overflow = true;
        return;
    }
    memcpy(copy, value, len);
    copy[len] = '\0';
    search->wanted[search->wanted_count++] = (struct wanted){search->pair, key, copy, len, term_hash(key, value, len)};
}

static void read_pair(struct search *search, const cJSON *pair)
{
    const char *key = cJSON_GetObjectItemCaseSensitive(pair, "KeyName")->valuestring;
    const cJSON *value;
    cJSON_ArrayForEach(value, cJSON_GetObjectItemCaseSensitive(pair, "Values")) {
        int before = search->wanted_count;
        term_normalise(key, value->valuestring, strlen(value->valuestring), want, search);
        /* The key as the caller has it: terms of a profile bear the same names. */
        for (int i = before; i < search->wanted_count; i++)
            search->wanted[i].key = key;
    }
    search->pair = ++search->pair_count;
}

static bool read_search(struct search *search, const cJSON *params, struct err *err)
{
    const cJSON *pair;
    const char *operator= cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(params, "LogicalOperator"));
    memset(search, 0, sizeof *search);
    search->all = operator&& strcmp(operator, "AND") == 0;
    read_pair(search, params);
    cJSON_ArrayForEach(pair, cJSON_GetObjectItemCaseSensitive(params, "AdditionalSearchKeys"))
        read_pair(search, pair);
    if (!search->overflow)
        return true;
    err_set(err, "BadRequestException", "At most %d values can be searched for at once.", MAX_TERMS);
    err->status = 400;
    return false;
}

static void free_search(struct search *search)
{
    for (int i = 0; i < search->wanted_count; i++)
        free(search->wanted[i].value);
}

/* A term of the document that is being looked at. */
static void match(void *arg, const char *key, const char *value, size_t len)
{
    struct search *search = arg;
    int64_t hash = term_hash(key, value, len);
    for (int i = 0; i < search->wanted_count; i++) {
        const struct wanted *w = &search->wanted[i];
        if (w->hash == hash && w->len == len && strcmp(w->key, key) == 0 && memcmp(w->value, value, len) == 0)
            search->found[w->pair] = true;
    }
}

/* Hashes are only hints, and values may have been overwritten since: the document decides. */
static bool matches(struct search *search, const struct csv_slice *document, const struct target_names *names,
                    const unsigned char uid[16])
{
    int found = 0;
    memset(search->found, 0, sizeof search->found);
    document_terms(document, names, uid, match, search);
    for (int i = 0; i < search->pair_count; i++)
        found += search->found[i];
    return search->all ? found == search->pair_count : found > 0;
}

/* The profiles that may match, in the order of their numbers: of the first pair for AND, of any for OR. */
static sqlite3_stmt *candidates(sqlite3 *db, struct search *search, sqlite3_int64 after, struct err *err)
{
    struct buf list, text;
    buf_init(&list, 1 << 16);
    buf_init(&text, 1 << 18);
    for (int i = 0; i < search->wanted_count; i++)
        if (!search->all || search->wanted[i].pair == 0)
            buf_addf(&list, "%s%lld", list.len ? "," : "", (long long)search->wanted[i].hash);
    const char *hashes = list.data ? list.data : "";
    buf_addf(&text, "SELECT p.id, p.uid, p.expires, p.doc FROM profile p JOIN (SELECT id FROM term WHERE hash IN (%s) AND id > %lld"
                    " UNION SELECT id FROM term_pending WHERE hash IN (%s) AND id > %lld) f ON p.id = f.id ORDER BY f.id",
             hashes, (long long)after, hashes, (long long)after);
    sqlite3_stmt *q = text.failed ? NULL : sql_prepare(db, text.data, err);
    buf_free(&list);
    buf_free(&text);
    return q;
}

/* Which of the searched pairs found it: only told when there were several. */
static void add_found_by(cJSON *item, const struct search *search, const cJSON *params)
{
    cJSON *list = cJSON_AddArrayToObject(item, "FoundByItems");
    for (int i = 0; i < search->pair_count; i++) {
        const cJSON *pair = i == 0 ? params
            : cJSON_GetArrayItem(cJSON_GetObjectItemCaseSensitive(params, "AdditionalSearchKeys"), i - 1);
        if (!search->found[i])
            continue;
        cJSON *found = cJSON_CreateObject();
        cJSON_AddItemToObject(found, "KeyName", cJSON_Duplicate(cJSON_GetObjectItemCaseSensitive(pair, "KeyName"), 1));
        cJSON_AddItemToObject(found, "Values", cJSON_Duplicate(cJSON_GetObjectItemCaseSensitive(pair, "Values"), 1));
        cJSON_AddItemToArray(list, found);
    }
}

static bool add_token(const struct objects *objects, const char *scope, sqlite3_int64 position, cJSON *reply, struct err *err)
{
    char text[32], *token = NULL;
    snprintf(text, sizeof text, "%lld", (long long)position);
    if (!token_seal(objects, scope, text, &token, err))
        return false;
    cJSON_AddStringToObject(reply, "NextToken", token);
    free(token);
    return true;
}

static bool read_token(const struct objects *objects, const char *scope, const char *token, sqlite3_int64 *position,
                       struct err *err)
{
    char *text = NULL;
    *position = 0;
    if (!token)
        return true;
    if (!token_open(objects, scope, token, &text, err))
        return false;
    *position = atoll(text);
    free(text);
    return true;
}

struct page {
    const struct objects *objects;
    const char *scope;
    const cJSON *params;
    long limit;
    double now;
    cJSON *reply, *items;
};

static bool fill_page(sqlite3_stmt *q, struct search *search, const struct target_names *names, struct page *page,
                      struct err *err)
{
    sqlite3_int64 last = 0;
    long n = 0;
    int status;
    while ((status = sqlite3_step(q)) == SQLITE_ROW) {
        struct csv_slice doc = {sqlite3_column_blob(q, 3), (size_t)sqlite3_column_bytes(q, 3)};
        const unsigned char *uid = sqlite3_column_blob(q, 1);
        if (sqlite3_column_double(q, 2) <= page->now || sqlite3_column_bytes(q, 1) != 16 ||
            !matches(search, &doc, names, uid))
            continue;
        if (n++ == page->limit)
            return add_token(page->objects, page->scope, last, page->reply, err);
        cJSON *item = document_to_json(&doc, names, uid);
        if (search->pair_count > 1)
            add_found_by(item, search, page->params);
        cJSON_AddItemToArray(page->items, item);
        last = sqlite3_column_int64(q, 0);
    }
    return status == SQLITE_DONE || sql_fail(sqlite3_db_handle(q), err);
}

/* The domain's database, or NULL without an error when nothing was ever imported into it. */
static sqlite3 *open_reader(const char *data_dir, int64_t domain_id, struct err *err)
{
    char path[PATH_MAX];
    profiles_path(data_dir, domain_id, "", path, sizeof path);
    sqlite3 *db = sql_open_reader(path, err);
    if (!db && err_is(err, ERR_FILE))
        err_clear(err);
    return db;
}

bool profiles_search(const char *data_dir, int64_t domain_id, const struct objects *objects, const cJSON *params,
                     double now, cJSON **reply, struct err *err)
{
    struct search *search = calloc(1, sizeof *search);
    struct target_names names = {0};
    char scope[64];
    const char *token = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(params, "NextToken"));
    const cJSON *max = cJSON_GetObjectItemCaseSensitive(params, "MaxResults");
    sqlite3_int64 after = 0;
    sqlite3_stmt *q = NULL;
    sqlite3 *db = NULL;
    bool ok = false;
    snprintf(scope, sizeof scope, "SearchProfiles %lld", (long long)domain_id);
    struct page page = {objects, scope, params, max ? max->valueint : FACT_DEFAULT_SEARCH_PAGE, now, cJSON_CreateObject(), NULL};
    page.items = cJSON_AddArrayToObject(page.reply, "Items");
    if (!search) {
        err_set(err, ERR_MEMORY, "out of memory");
        goto cleanup;
    }
    if (!read_search(search, params, err) || !read_token(objects, scope, token, &after, err))
        goto cleanup;
    db = open_reader(data_dir, domain_id, err);
    ok = !err->code[0];
    if (!db)
        goto cleanup;
    ok = targets_load(db, &names, err) && (q = candidates(db, search, after, err)) && fill_page(q, search, &names, &page, err);
cleanup:
    sqlite3_finalize(q);
    targets_free(&names);
    sqlite3_close(db);
    if (search)
        free_search(search);
    free(search);
    if (ok)
        *reply = page.reply;
    else
        cJSON_Delete(page.reply);
    return ok;
}

bool profiles_stats(const char *data_dir, int64_t domain_id, double now, cJSON **stats, struct err *err)
{
    double count = 0;
    sqlite3 *db = open_reader(data_dir, domain_id, err);
    if (!db && err->code[0])
        return false;
    sqlite3_stmt *q = db ? sql_prepare(db, "SELECT count(*) FROM profile WHERE expires > ?", err) : NULL;
    if (q) {
        sqlite3_bind_double(q, 1, now);
        if (sqlite3_step(q) == SQLITE_ROW)
            count = sqlite3_column_double(q, 0);
    }
    sqlite3_finalize(q);
    sqlite3_close(db);
    *stats = cJSON_CreateObject();
    cJSON_AddNumberToObject(*stats, "ProfileCount", count);
    cJSON_AddNumberToObject(*stats, "MeteringProfileCount", count);
    cJSON_AddNumberToObject(*stats, "ObjectCount", count);
    cJSON_AddNumberToObject(*stats, "TotalSize", 0);
    return !err->code[0];
}

/* A value as text that JSON can hold. */
static void add_value(cJSON *item, const char *bytes, int len)
{
    char text[2100];
    size_t n = 0;
    for (int i = 0; i < len && n + 5 < sizeof text; i++) {
        if (bytes[i] == '\0')
            n += (size_t)snprintf(text + n, sizeof text - n, "\\x00");
        else
            text[n++] = bytes[i];
    }
    text[n] = '\0';
    cJSON_AddStringToObject(item, "Value", text);
}

bool profiles_failures(const char *data_dir, int64_t domain_id, const struct objects *objects, const char *job_id,
                       long max_results, const char *next_token, cJSON **reply, struct err *err)
{
    char scope[128];
    sqlite3_int64 after, last = 0;
    long limit = max_results > 0 ? max_results : FACT_DEFAULT_PAGE;
    int status = SQLITE_DONE;
    snprintf(scope, sizeof scope, "failures %s", job_id);
    if (!read_token(objects, scope, next_token, &after, err))
        return false;
    sqlite3 *db = open_reader(data_dir, domain_id, err);
    if (!db && err->code[0])
        return false;
    *reply = cJSON_CreateObject();
    cJSON *items = cJSON_AddArrayToObject(*reply, "Items");
    sqlite3_stmt *q = db ? sql_prepare(db, "SELECT number, line, col, name, value, reason FROM failure WHERE job = ? AND number > ?"
                                           " ORDER BY number LIMIT ?", err) : NULL;
    if (q) {
        sqlite3_bind_text(q, 1, job_id, -1, SQLITE_STATIC);
        sqlite3_bind_int64(q, 2, after);
        sqlite3_bind_int64(q, 3, limit + 1);
    }
    for (long n = 0; q && (status = sqlite3_step(q)) == SQLITE_ROW; n++) {
        if (n == limit) {
            (void)!add_token(objects, scope, last, *reply, err);
            break;
        }
        cJSON *item = cJSON_CreateObject();
        cJSON_AddNumberToObject(item, "Line", sqlite3_column_double(q, 1));
        cJSON_AddNumberToObject(item, "Column", sqlite3_column_double(q, 2));
        cJSON_AddStringToObject(item, "ColumnName", sql_text(q, 3));
        add_value(item, sql_text(q, 4), sqlite3_column_bytes(q, 4));
        cJSON_AddStringToObject(item, "Reason", sql_text(q, 5));
        cJSON_AddItemToArray(items, item);
        last = sqlite3_column_int64(q, 0);
    }
    sqlite3_finalize(q);
    sqlite3_close(db);
    return !err->code[0];
}
