/* Searches, counts and failed records of profiles.h, each over a connection of its own. */
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "local/clock.h"
#include "local/facts.h"
#include "local/profiles_private.h"

#define MAX_PAIRS 5   /* KeyName and AdditionalSearchKeys: the service model */
#define CANDIDATES 500 /* looked at before more are sought */
#define PAGE_SECONDS 0.3
#define MAX_TERMS 200 /* of one search, all pairs and values together */

/* A value that is looked for, in one of its forms. */
struct wanted {
    int pair;
    const char *key;
    char *value;
    size_t len;
    uint64_t hash;
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
    uint64_t hash = term_hash(key, value, len);
    for (int i = 0; i < search->wanted_count; i++) {
        const struct wanted *w = &search->wanted[i];
        if (w->hash == hash && w->len == len && strcmp(w->key, key) == 0 && memcmp(w->value, value, len) == 0)
            search->found[w->pair] = true;
    }
}

/* Hashes are only hints, and values may have been overwritten since: the document decides. */
static bool matches(struct search *search, const struct csv_slice *document, const struct targets *targets,
                    const unsigned char uid[16])
{
    int found = 0;
    memset(search->found, 0, sizeof search->found);
    document_terms(document, targets, uid, match, search);
    for (int i = 0; i < search->pair_count; i++)
        found += search->found[i];
    return search->all ? found == search->pair_count : found > 0;
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
    long count;
    sqlite3_int64 last; /* the number of its last profile */
};

double profile_expiry(sqlite3_stmt *find_key, const char *key, size_t len, int64_t id)
{
    double expires = 0;
    bool more = true;
    for (uint64_t hash = profile_key_hash(key, len); more; hash++) {
        sqlite3_bind_int64(find_key, 1, (sqlite3_int64)hash);
        more = sqlite3_step(find_key) == SQLITE_ROW;
        if (more && sqlite3_column_int64(find_key, 0) == id) {
            expires = sqlite3_column_double(find_key, 1);
            more = false;
        }
        sqlite3_reset(find_key);
    }
    return expires;
}

/* Looks at one candidate; *full when the page had no more room for it. */
static bool try_profile(sqlite3_stmt *q, sqlite3_stmt *find_key, struct search *search, const struct targets *targets,
                        struct page *page, bool *full, struct err *err)
{
    int status = sqlite3_step(q);
    *full = false;
    if (status == SQLITE_DONE)
        return true;
    if (status != SQLITE_ROW)
        return sql_fail(sqlite3_db_handle(q), err);
    struct csv_slice doc = {sqlite3_column_blob(q, 3), (size_t)sqlite3_column_bytes(q, 3)};
    const unsigned char *uid = sqlite3_column_blob(q, 1);
    struct csv_slice key = {sqlite3_column_blob(q, 2), (size_t)sqlite3_column_bytes(q, 2)};
    if (sqlite3_column_bytes(q, 1) != 16 || !matches(search, &doc, targets, uid) ||
        profile_expiry(find_key, key.data, key.len, sqlite3_column_int64(q, 0)) <= page->now)
        return true;
    *full = page->count == page->limit;
    if (*full)
        return add_token(page->objects, page->scope, page->last, page->reply, err);
    cJSON *item = document_to_json(&doc, targets, uid);
    if (search->pair_count > 1)
        add_found_by(item, search, page->params);
    cJSON_AddItemToArray(page->items, item);
    page->count++;
    page->last = sqlite3_column_int64(q, 0);
    return true;
}

/* The next profiles that may have what one pair asks for: the lowest numbers above a bound, in their order. */
struct candidates {
    int64_t ids[CANDIDATES];
    size_t count;
    int64_t reach; /* there are no others up to here */
};

static bool find_candidates(sqlite3 *db, const struct search *search, int pair, int64_t after, struct candidates *found,
                            struct err *err)
{
    uint64_t hashes[MAX_TERMS];
    size_t hash_count = 0;
    for (int i = 0; i < search->wanted_count; i++)
        if (!search->all || search->wanted[i].pair == pair)
            hashes[hash_count++] = search->wanted[i].hash;
    found->count = CANDIDATES;
    if (!terms_find(db, hashes, hash_count, after, found->ids, &found->count, err))
        return false;
    found->reach = found->count == CANDIDATES ? found->ids[CANDIDATES - 1] : INT64_MAX;
    return true;
}

static bool may_have(const struct candidates *found, int64_t id)
{
    size_t low = 0, high = found->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (found->ids[middle] < id)
            low = middle + 1;
        else
            high = middle;
    }
    return id > found->reach || (low < found->count && found->ids[low] == id);
}

/* Candidates of the whole search into each[0]. For AND, those of the pair that reaches furthest, and so is the rarest hereabouts,
 * without those that another pair is known not to have. */
static bool next_candidates(sqlite3 *db, const struct search *search, int64_t after, struct candidates each[MAX_PAIRS],
                            struct err *err)
{
    int pairs = search->all ? search->pair_count : 1, rarest = 0;
    for (int i = 0; i < pairs; i++) {
        if (!find_candidates(db, search, i, after, &each[i], err))
            return false;
        rarest = each[i].reach > each[rarest].reach || (each[i].reach == each[rarest].reach && each[i].count < each[rarest].count)
                     ? i : rarest;
    }
    size_t kept = 0;
    for (size_t k = 0; k < each[rarest].count; k++) {
        int64_t id = each[rarest].ids[k];
        bool possible = true;
        for (int i = 0; i < pairs; i++)
            possible = possible && may_have(&each[i], id);
        if (possible)
            each[rarest].ids[kept++] = id;
    }
    each[rarest].count = kept;
    if (rarest)
        each[0] = each[rarest];
    return true;
}

/* Fills the page with the profiles that match, in the order of their numbers. A search that has taken its time ends with what it
 * has found, perhaps nothing, and a token that goes on from there: no search keeps others waiting. */
static bool fill_page(sqlite3 *db, struct search *search, const struct targets *targets, int64_t after, struct page *page,
                      struct err *err)
{
    double until = clock_steady() + PAGE_SECONDS;
    bool full = false, more = true;
    sqlite3_stmt *q = sql_prepare(db, "SELECT id, uid, key, doc FROM profile WHERE id = ?", err);
    sqlite3_stmt *find_key = sql_prepare(db, PROFILE_EXPIRY_SQL, err);
    struct candidates *each = calloc(MAX_PAIRS, sizeof *each);
    bool ok = each ? q && find_key : err_set(err, ERR_MEMORY, "out of memory");
    while (ok && !full && more) {
        ok = next_candidates(db, search, after, each, err);
        for (size_t i = 0; ok && !full && i < each->count; i++) {
            sqlite3_bind_int64(q, 1, each->ids[i]);
            ok = try_profile(q, find_key, search, targets, page, &full, err);
            sqlite3_reset(q);
        }
        after = each ? each->reach : after;
        more = after < INT64_MAX;
        if (ok && !full && more && clock_steady() > until) {
            ok = add_token(page->objects, page->scope, after, page->reply, err);
            more = false;
        }
    }
    free(each);
    sqlite3_finalize(q);
    sqlite3_finalize(find_key);
    return ok;
}

/* What a token belongs to: the domain, and all that is asked for but the page. */
static bool search_scope(int64_t domain_id, const cJSON *params, char *out, size_t size)
{
    static const char *const members[] = {"KeyName", "Values", "AdditionalSearchKeys", "LogicalOperator"};
    cJSON *asked = cJSON_CreateObject();
    for (size_t i = 0; i < sizeof members / sizeof members[0]; i++) {
        cJSON *member = cJSON_GetObjectItemCaseSensitive(params, members[i]);
        if (member)
            cJSON_AddItemReferenceToObject(asked, members[i], member);
    }
    char *text = cJSON_PrintUnformatted(asked);
    cJSON_Delete(asked);
    if (text)
        snprintf(out, size, "SearchProfiles %lld %012llx", (long long)domain_id,
                 (unsigned long long)term_hash("", text, strlen(text)));
    cJSON_free(text);
    return text != NULL;
}

bool profiles_search(const char *data_dir, int64_t domain_id, const struct objects *objects, const cJSON *params,
                     double now, cJSON **reply, struct err *err)
{
    struct search *search = calloc(1, sizeof *search);
    struct targets targets = {0};
    char scope[64] = "";
    const char *token = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(params, "NextToken"));
    const cJSON *max = cJSON_GetObjectItemCaseSensitive(params, "MaxResults");
    sqlite3_int64 after = 0;
    sqlite3 *db = NULL;
    bool ok = false;
    struct page page = {objects, scope, params, max ? max->valueint : FACT_DEFAULT_SEARCH_PAGE, now, cJSON_CreateObject(), NULL, 0, 0};
    page.items = cJSON_AddArrayToObject(page.reply, "Items");
    if (!search || !search_scope(domain_id, params, scope, sizeof scope)) {
        err_set(err, ERR_MEMORY, "out of memory");
        goto cleanup;
    }
    if (!read_search(search, params, err) || !read_token(objects, scope, token, &after, err))
        goto cleanup;
    db = profiles_reader(data_dir, domain_id, err);
    ok = !err->code[0];
    if (!db)
        goto cleanup;
    ok = sql_exec(db, "BEGIN", err) && targets_load(db, &targets, err) && fill_page(db, search, &targets, after, &page, err);
cleanup:
    targets_free(&targets);
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
    sqlite3 *db = profiles_reader(data_dir, domain_id, err);
    if (!db && err->code[0])
        return false;
    sqlite3_stmt *q = db ? sql_prepare(db, "SELECT count(*) FROM profile_key WHERE expires > ? AND id > 0", err) : NULL;
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

/* A value as text that cJSON can hold. */
static void add_value(cJSON *item, const char *bytes, size_t len)
{
    struct buf text;
    buf_init(&text, (size_t)1 << 20);
    for (size_t i = 0; i < len; i++)
        (void)!(bytes[i] ? buf_addc(&text, bytes[i]) : buf_adds(&text, "\\x00"));
    cJSON_AddStringToObject(item, "Value", text.data ? text.data : "");
    buf_free(&text);
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
    sqlite3 *db = profiles_reader(data_dir, domain_id, err);
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
        add_value(item, sql_text(q, 4), (size_t)sqlite3_column_bytes(q, 4));
        cJSON_AddStringToObject(item, "Reason", sql_text(q, 5));
        cJSON_AddItemToArray(items, item);
        last = sqlite3_column_int64(q, 0);
    }
    sqlite3_finalize(q);
    sqlite3_close(db);
    return !err->code[0];
}
