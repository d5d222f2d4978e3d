/* routes: the API's operations. Parsed and checked on the loop's thread, answered on a worker's. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/secret.h"
#include "local/facts.h"
#include "local/profiles.h"
#include "local/service.h"

#define FAILURES_PREFIX "/_local/domains/"
#define MAX_FAILURES_PAGE 1000

const char *routes_text(const struct exchange *ex, const char *name)
{
    return cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(ex->params, name));
}

long routes_number(const struct exchange *ex, const char *name)
{
    const cJSON *item = cJSON_GetObjectItemCaseSensitive(ex->params, name);
    return item ? (long)item->valuedouble : 0;
}

double routes_now(const struct exchange *ex)
{
    return clock_now(&ex->service->clock);
}

/* ---- the operations, on the state worker's thread ---- */

static void create_domain(struct exchange *ex)
{
    (void)!state_create_domain(ex->service->state, ex->params, routes_now(ex), &ex->reply, &ex->err);
}

static void get_domain(struct exchange *ex)
{
    (void)!state_get_domain(ex->service->state, routes_text(ex, "DomainName"), &ex->domain_id, &ex->reply, &ex->err);
}

static void list_domains(struct exchange *ex)
{
    (void)!state_list_domains(ex->service->state, routes_number(ex, "MaxResults"), routes_text(ex, "NextToken"), &ex->reply, &ex->err);
}

static void delete_domain(struct exchange *ex)
{
    (void)!state_delete_domain(ex->service->state, routes_text(ex, "DomainName"), &ex->domain_id, &ex->objects, &ex->reply, &ex->err);
}

static void create_job(struct exchange *ex)
{
    (void)!state_create_job(ex->service->state, ex->params, routes_now(ex), &ex->reply, &ex->err);
}

static void list_jobs(struct exchange *ex)
{
    (void)!state_list_jobs(ex->service->state, routes_text(ex, "DomainName"), routes_number(ex, "MaxResults"),
                           routes_text(ex, "NextToken"), &ex->reply, &ex->err);
}

static void get_job(struct exchange *ex)
{
    (void)!state_get_job(ex->service->state, routes_text(ex, "DomainName"), routes_text(ex, "JobId"), &ex->reply, &ex->err);
}

/* Another path, and another key, than the job was given before, unless it is rehearsed that they are the same: a path is while it
 * is good, or the job could never be uploaded afterwards. */
static bool new_path(struct exchange *ex, unsigned char key[DATA_KEY_SIZE])
{
    const struct facts *inferred = &ex->service->facts;
    struct objects *objects = ex->service->objects;
    struct upload_path *path = &ex->upload_path, last;
    bool again = (!inferred->url_is_new || !inferred->key_is_new) && state_last_path(ex->service->state, path->job_id, &last);
    if (again && !inferred->url_is_new && last.expires > routes_now(ex)) {
        *path = last;
        return true;
    }
    bool same_key = again && !inferred->key_is_new;
    return name_new(path->id, &ex->err) &&
           (same_key ? objects_unwrap(objects, last.id, last.wrapped_key, key, &ex->err) : objects_new_key(key, &ex->err)) &&
           objects_wrap(objects, path->id, key, path->wrapped_key, &ex->err);
}

/* The key and the path's id are made here; the URL on the loop's thread, which has the signer's cache. */
static void get_path(struct exchange *ex)
{
    struct upload_path *path = &ex->upload_path;
    unsigned char key[DATA_KEY_SIZE];
    snprintf(path->domain, sizeof path->domain, "%s", routes_text(ex, "DomainName"));
    snprintf(path->job_id, sizeof path->job_id, "%s", routes_text(ex, "JobId"));
    path->expires = routes_now(ex) + ex->service->facts.path_lifetime;
    if (new_path(ex, key) && state_add_path(ex->service->state, path, &ex->err))
        ex->reply = cJSON_CreateObject();
    secret_cleanse(key, sizeof key);
}

static void start_job(struct exchange *ex)
{
    struct job_plan plan = {0};
    const char *job_id = routes_text(ex, "JobId");
    bool is_new;
    if (state_start_job(ex->service->state, routes_text(ex, "DomainName"), job_id, routes_now(ex), &is_new, &ex->err) &&
        (!is_new || (state_job_plan(ex->service->state, job_id, &plan, &ex->err) &&
                     ingest_start(ex->service->ingest, &plan, &ex->err))))
        ex->reply = cJSON_CreateObject();
    job_plan_free(&plan);
}

static void stop_job(struct exchange *ex)
{
    char *object = NULL;
    const char *job_id = routes_text(ex, "JobId");
    if (!state_stop_job(ex->service->state, routes_text(ex, "DomainName"), job_id, routes_now(ex), &ex->stops_ingestion, &object, &ex->err))
        return;
    if (ex->stops_ingestion)
        ingest_stop_job(ex->service->ingest, job_id);
    service_remove_object(ex->service, object);
    free(object);
    ex->reply = cJSON_CreateObject();
}

/* Finds the domain; the search itself is the search worker's. */
static void find_domain(struct exchange *ex)
{
    (void)!state_get_domain(ex->service->state, routes_text(ex, "DomainName"), &ex->domain_id, NULL, &ex->err);
}

static void find_job(struct exchange *ex)
{
    cJSON *job = NULL;
    find_domain(ex);
    if (!ex->err.code[0])
        (void)!state_get_job(ex->service->state, routes_text(ex, "DomainName"), routes_text(ex, "JobId"), &job, &ex->err);
    cJSON_Delete(job);
}

/* ---- on the domains worker's thread ---- */

static void remove_domain(struct exchange *ex)
{
    struct local *service = ex->service;
    struct err ignored;
    const cJSON *name;
    err_clear(&ignored);
    ingest_close_domain(service->ingest, ex->domain_id);
    cJSON_ArrayForEach(name, ex->objects)
        (void)!objects_remove(service->objects, name->valuestring, &ignored);
    (void)!profiles_remove(service->data_dir, ex->domain_id, &ex->err);
}

/* ---- on the search worker's thread ---- */

static void domain_stats(struct exchange *ex)
{
    cJSON *stats = NULL;
    if (profiles_stats(ex->service->data_dir, ex->domain_id, routes_now(ex), &stats, &ex->err))
        cJSON_AddItemToObject(ex->reply, "Stats", stats);
}

/* Where it is rehearsed that custom attributes are searched as "Attributes.name": such a key becomes the name, under which the
 * store has it, and a bare name one that none has. */
static void read_prefixed(cJSON *pair)
{
    cJSON *key = cJSON_GetObjectItemCaseSensitive(pair, "KeyName");
    const char *name = cJSON_GetStringValue(key);
    if (name && strncmp(name, "Attributes.", 11) == 0)
        memmove(key->valuestring, name + 11, strlen(name + 11) + 1);
    else if (name && name[0] != '_')
        cJSON_SetValuestring(key, "");
}

static void search(struct exchange *ex)
{
    cJSON *pair;
    if (!ex->service->facts.attribute_by_own_name) {
        read_prefixed(ex->params);
        cJSON_ArrayForEach(pair, cJSON_GetObjectItemCaseSensitive(ex->params, "AdditionalSearchKeys"))
            read_prefixed(pair);
    }
    (void)!profiles_search(ex->service->data_dir, ex->domain_id, ex->service->objects, ex->params, routes_now(ex), &ex->reply,
                           &ex->err);
}

static void failures(struct exchange *ex)
{
    (void)!profiles_failures(ex->service->data_dir, ex->domain_id, ex->service->objects, routes_text(ex, "JobId"),
                             routes_number(ex, "MaxResults"), routes_text(ex, "NextToken"), &ex->reply, &ex->err);
}

enum second_worker { SEARCH, DOMAINS };

/* What an operation does on the state worker, and, unless that failed, on another one. */
static const struct route {
    const char *operation;
    void (*on_state)(struct exchange *ex);
    void (*then)(struct exchange *ex);
    enum second_worker worker;
} routes[] = {
    {"CreateDomain", create_domain, NULL, 0}, {"GetDomain", get_domain, domain_stats, SEARCH},
    {"ListDomains", list_domains, NULL, 0},   {"DeleteDomain", delete_domain, remove_domain, DOMAINS},
    {"CreateUploadJob", create_job, NULL, 0}, {"ListUploadJobs", list_jobs, NULL, 0},
    {"GetUploadJob", get_job, NULL, 0},       {"GetUploadJobPath", get_path, NULL, 0},
    {"StartUploadJob", start_job, NULL, 0},   {"StopUploadJob", stop_job, NULL, 0},
    {"SearchProfiles", find_domain, search, SEARCH},
    {"CreateSegmentDefinition", segments_create, NULL, 0},
    {"GetSegmentDefinition", segments_get, NULL, 0},
    {"ListSegmentDefinitions", segments_list, NULL, 0},
    {"DeleteSegmentDefinition", segments_delete, NULL, 0},
    {"CreateSegmentEstimate", segments_create_estimate, NULL, 0},
    {"GetSegmentEstimate", segments_get_estimate, NULL, 0},
    {"GetSegmentMembership", segments_find, segments_membership, SEARCH},
    {NULL, find_job, failures, SEARCH}, /* the service's own list of failed records */
};

static const struct route *route_of(const struct exchange *ex)
{
    const struct route *route = routes;
    while (route->operation && (!ex->operation || strcmp(route->operation, ex->operation->name) != 0))
        route++;
    return route;
}

static void run_state(void *arg)
{
    struct exchange *ex = arg;
    route_of(ex)->on_state(ex);
}

static void run_then(void *arg)
{
    struct exchange *ex = arg;
    route_of(ex)->then(ex);
}

static void finish_path(struct exchange *ex)
{
    const struct facts *inferred = &ex->service->facts;
    unsigned char key[DATA_KEY_SIZE];
    char text[2 * DATA_KEY_SIZE + 1], md5[40];
    struct buf url;
    buf_init(&url, 8192);
    double signed_at = ex->upload_path.expires - inferred->path_lifetime;
    if (faults_strike(ex->service->faults, FAULT_EXPIRE_URL, "GetUploadJobPath"))
        signed_at -= inferred->path_lifetime + 1;
    if (objects_unwrap(ex->service->objects, ex->upload_path.id, ex->upload_path.wrapped_key, key, &ex->err) &&
        auth_presign_upload(ex, key, signed_at, &url)) {
        object_key_texts(key, text, md5);
        for (size_t i = 0; !inferred->token_is_base64 && i < DATA_KEY_SIZE; i++)
            snprintf(text + 2 * i, 3, "%02x", key[i]);
        cJSON_AddStringToObject(ex->reply, "Url", url.data);
        cJSON_AddStringToObject(ex->reply, "ClientToken", text);
        cJSON_AddNumberToObject(ex->reply, "ValidUntil", signed_at + inferred->path_lifetime);
        secret_cleanse(text, sizeof text);
    }
    secret_cleanse(key, sizeof key);
    buf_cleanse(&url);
}

static bool refuse_with_fault(struct exchange *ex)
{
    return exchange_refuse(ex, 500, "InternalServerException", "An internal error occurred (rehearsed with --fault).");
}

/* A bad day, or a call too many: false with the refusal. */
static bool spared(struct exchange *ex)
{
    struct faults *faults = ex->service->faults;
    const char *name = ex->operation ? ex->operation->name : "";
    if (!faults || !ex->operation)
        return true;
    if (faults_over_rate(faults, name, clock_steady()) || faults_strike(faults, FAULT_THROTTLE, name))
        return exchange_refuse(ex, 429, "ThrottlingException", "Rate exceeded");
    if (faults_strike(faults, FAULT_DENY, name))
        return exchange_refuse(ex, 403, "AccessDeniedException",
                               "User local is not authorized to perform: profile:%s (rehearsed with --fault).", name);
    if (!faults_strike(faults, FAULT_ERROR, name))
        return true;
    ex->fault_after = faults_where(faults) >= 0.5;
    return ex->fault_after || refuse_with_fault(ex);
}

static void finish(void *arg)
{
    struct exchange *ex = arg;
    if (!ex->err.code[0] && ex->operation && strcmp(ex->operation->name, "GetUploadJobPath") == 0)
        finish_path(ex);
    if (!ex->err.code[0] && ex->fault_after)
        refuse_with_fault(ex);
    ex->phase = PHASE_READY;
    exchange_resume(ex);
}

static void state_answered(void *arg)
{
    struct exchange *ex = arg;
    const struct route *route = route_of(ex);
    if (ex->err.code[0]) {
        finish(ex);
    } else if (route->then) {
        struct local *service = ex->service;
        struct worker *worker = route->worker == DOMAINS ? service->domains_worker : service->search_worker;
        if (worker_post(worker, run_then, finish, ex))
            return;
        err_set(&ex->err, ERR_INTERNAL, "the service is stopping");
        finish(ex);
    } else if (ex->stops_ingestion) {
        service_await_end(ex, finish);
    } else {
        finish(ex);
    }
}

/* ---- parsing, on the loop's thread ---- */

static bool is_whole_number(const char *text)
{
    size_t digits = strspn(text, "0123456789");
    return digits > 0 && digits < 10 && !text[digits];
}

/* Members that travel in the query. What is no number stays text, which the service model then refuses. */
static void read_query(struct exchange *ex)
{
    for (const struct member *m = ex->operation->input->members; m->name; m++) {
        char *value = m->location == IN_QUERY ? exchange_query(ex, m->wire_name ? m->wire_name : m->name) : NULL;
        if (!value)
            continue;
        if (m->shape->kind == SHAPE_INTEGER && is_whole_number(value))
            cJSON_AddNumberToObject(ex->params, m->name, atof(value));
        else
            cJSON_AddStringToObject(ex->params, m->name, value);
        free(value);
    }
}

/* cJSON would end a string there. */
static bool holds_nul(const char *json)
{
    for (const char *p = json; (p = strchr(p, '\\')); p += 2)
        if (strncmp(p + 1, "u0000", 5) == 0)
            return true;
        else if (!p[1])
            break;
    return false;
}

static bool read_body(struct exchange *ex)
{
    bool has_members = false;
    for (const struct member *m = ex->operation->input->members; m->name; m++)
        has_members = has_members || m->location == IN_BODY;
    if (!has_members || ex->body.len == 0)
        return true;
    if (holds_nul(ex->body.data))
        return exchange_refuse(ex, 400, "SerializationException", "The body holds the character U+0000.");
    cJSON *body = cJSON_ParseWithLength(ex->body.data, ex->body.len);
    if (!cJSON_IsObject(body)) {
        cJSON_Delete(body);
        return exchange_refuse(ex, 400, "SerializationException", "The body is not a JSON object.");
    }
    for (const struct member *m = ex->operation->input->members; m->name; m++) {
        cJSON *item = m->location == IN_BODY ? cJSON_DetachItemFromObjectCaseSensitive(body, m->name) : NULL;
        if (item && cJSON_IsNull(item))
            cJSON_Delete(item);
        else if (item)
            cJSON_AddItemToObject(ex->params, m->name, item);
    }
    cJSON_Delete(body);
    return true;
}

static bool read_call(struct exchange *ex)
{
    ex->operation = operation_route(ex->method, ex->path, ex->params);
    if (!ex->operation)
        return exchange_refuse(ex, 501, "NotImplementedException", "%s %s is no operation of this service.", ex->method, ex->path);
    if (!route_of(ex)->operation)
        return exchange_refuse(ex, 501, "NotImplementedException", "%s is not built into this embedded service.",
                               ex->operation->name);
    read_query(ex);
    if (!read_body(ex))
        return false;
    if (operation_validate(ex->operation, ex->params, &ex->err))
        return true;
    char message[768];
    snprintf(message, sizeof message, "%s", ex->err.message);
    return exchange_refuse(ex, 400, "BadRequestException", "%s", message);
}

/* GET /_local/domains/{D}/upload-jobs/{J}/failures?max-results=&next-token= */
static bool read_failures(struct exchange *ex)
{
    char domain[65], job[65], rest[16];
    int end = 0;
    if (strcmp(ex->method, "GET") != 0 ||
        sscanf(ex->path, FAILURES_PREFIX "%64[^/]/upload-jobs/%64[^/]/%15[a-z]%n", domain, job, rest, &end) != 3 ||
        ex->path[end] || strcmp(rest, "failures") != 0)
        return exchange_refuse(ex, 404, "ResourceNotFoundException", "There is nothing at %s.", ex->path);
    cJSON_AddStringToObject(ex->params, "DomainName", domain);
    cJSON_AddStringToObject(ex->params, "JobId", job);
    char *max = exchange_query(ex, "max-results"), *token = exchange_query(ex, "next-token");
    bool ok = !max || (is_whole_number(max) && atoi(max) >= 1 && atoi(max) <= MAX_FAILURES_PAGE);
    if (max && ok)
        cJSON_AddNumberToObject(ex->params, "MaxResults", atoi(max));
    if (token)
        cJSON_AddStringToObject(ex->params, "NextToken", token);
    free(max);
    free(token);
    return ok || exchange_refuse(ex, 400, "BadRequestException", "max-results is from 1 to %d.", MAX_FAILURES_PAGE);
}

void routes_handle(struct exchange *ex)
{
    ex->params = cJSON_CreateObject();
    bool is_failures = strncmp(ex->path, FAILURES_PREFIX, strlen(FAILURES_PREFIX)) == 0;
    if (ex->err.code[0] || !auth_check_call(ex) || !(is_failures ? read_failures(ex) : read_call(ex)) || !spared(ex)) {
        ex->phase = PHASE_READY;
        return;
    }
    if (!worker_post(ex->service->state_worker, run_state, state_answered, ex)) {
        err_set(&ex->err, ERR_MEMORY, "out of memory");
        ex->phase = PHASE_READY;
        return;
    }
    ex->phase = PHASE_WORKING;
    exchange_suspend(ex);
}

void routes_render(struct exchange *ex)
{
    if (!ex->err.code[0]) {
        char *text = cJSON_PrintUnformatted(ex->reply);
        ex->status = 200;
        buf_adds(&ex->text, text ? text : "{}");
        if (text)
            secret_cleanse(text, strlen(text));
        cJSON_free(text);
        return;
    }
    /* What is no error of the API's is a fault of ours. */
    if (ex->err.status == 0) {
        char message[768];
        snprintf(message, sizeof message, "%s", ex->err.message);
        exchange_refuse(ex, 500, "InternalServerException", "%s", message);
    }
    ex->status = ex->err.status;
    cJSON *body = cJSON_CreateObject();
    cJSON_AddStringToObject(body, "Message", ex->err.message);
    char *text = cJSON_PrintUnformatted(body);
    buf_adds(&ex->text, text ? text : "{}");
    cJSON_free(text);
    cJSON_Delete(body);
}
