#include "core/operations.h"

#include <string.h>

#include "core/json_text.h"
#include "core/operations_table.h"
#include "core/sigv4.h"

#define MAX_PATH_BYTES ((size_t)16 * 1024)
#define MAX_QUERY_BYTES ((size_t)32 * 1024)
#define MAX_BODY_BYTES ((size_t)16 << 20)
#define MAX_OPERATIONS 160

/* ---- by name ---- */

const struct operation *operation_all(size_t *count)
{
    *count = operations_count;
    return operations_table;
}

const struct operation *operation_find(const char *name)
{
    for (size_t i = 0; i < operations_count; i++)
        if (strcmp(operations_table[i].name, name) == 0 || strcmp(operations_table[i].lua_name, name) == 0)
            return &operations_table[i];
    return NULL;
}

const struct operation *operation_nearest(const char *name)
{
    const char *names[2 * MAX_OPERATIONS + 1];
    size_t count = 0;
    for (size_t i = 0; i < operations_count && i < MAX_OPERATIONS; i++) {
        names[count++] = operations_table[i].lua_name;
        names[count++] = operations_table[i].name;
    }
    names[count] = NULL;
    const char *near = nearest_name(name, names);
    return near ? operation_find(near) : NULL;
}

/* ---- by request ---- */

/* The member that travels under `wire`, of `len` bytes, in a place. */
static const struct member *wire_member(const struct shape *input, enum location location, const char *wire, size_t len)
{
    for (const struct member *member = input->members; member->name; member++) {
        const char *name = member->wire_name ? member->wire_name : member->name;
        if (member->location == location && strlen(name) == len && memcmp(name, wire, len) == 0)
            return member;
    }
    return NULL;
}

static int hex_digit(char c)
{
    static const char digits[] = "0123456789abcdef0123456789ABCDEF";
    const char *at = c ? strchr(digits, c) : NULL;
    return at ? (int)((at - digits) % 16) : -1;
}

/* Percent-decodes; false for a broken escape or a NUL byte. */
static bool decode(const char *text, size_t len, struct buf *out)
{
    for (size_t i = 0; i < len; i++) {
        char c = text[i];
        if (c == '%') {
            int high = i + 2 < len ? hex_digit(text[i + 1]) : -1;
            int low = high >= 0 ? hex_digit(text[i + 2]) : -1;
            if (low < 0 || (high == 0 && low == 0))
                return false;
            c = (char)(high * 16 + low);
            i += 2;
        }
        if (!buf_addc(out, c))
            return false;
    }
    return true;
}

/* Adds the value of the label "{Name}" to `params`, unless that is NULL. */
static bool take_label(const struct operation *op, const char *label, size_t label_len, const char *value, size_t len,
                       cJSON *params)
{
    const struct member *member = wire_member(op->input, IN_PATH, label + 1, label_len - 2);
    struct buf text;
    buf_init(&text, MAX_PATH_BYTES);
    bool ok = member && len > 0 && decode(value, len, &text);
    if (ok && params)
        ok = cJSON_AddStringToObject(params, member->name, text.data) != NULL;
    buf_free(&text);
    return ok;
}

/* How many segments of the path are the template's own; -1 when the path does not fit. */
static int fit(const struct operation *op, const char *path, cJSON *params)
{
    const char *template = op->path;
    int literal = 0;
    while (*template == '/' && *path == '/') {
        size_t want = strcspn(++template, "/"), have = strcspn(++path, "/");
        if (template[0] == '{') {
            if (!take_label(op, template, want, path, have, params))
                return -1;
        } else if (want == have && memcmp(template, path, want) == 0) {
            literal++;
        } else {
            return -1;
        }
        template += want;
        path += have;
    }
    return *template || *path ? -1 : literal;
}

/* Of several that fit, the one with the most segments of its own is meant. */
const struct operation *operation_route(const char *method, const char *path, cJSON *params)
{
    const struct operation *best = NULL;
    int most = -1;
    for (size_t i = 0; i < operations_count; i++) {
        const struct operation *op = &operations_table[i];
        if (strcmp(op->method, method) != 0)
            continue;
        int literal = fit(op, path, NULL);
        if (literal > most) {
            most = literal;
            best = op;
        }
    }
    return best && fit(best, path, params) >= 0 ? best : NULL;
}

/* ---- to the wire ---- */

static const cJSON *given(const cJSON *params, const struct member *member)
{
    const cJSON *value = cJSON_GetObjectItemCaseSensitive(params, member->name);
    return value && !cJSON_IsNull(value) ? value : NULL;
}

static bool add_scalar(const cJSON *value, struct buf *out)
{
    if (cJSON_IsString(value))
        return sigv4_uri_encode(value->valuestring, strlen(value->valuestring), false, out);
    if (cJSON_IsBool(value))
        return buf_adds(out, cJSON_IsTrue(value) ? "true" : "false");
    if (value->valuedouble > -1e15 && value->valuedouble < 1e15 &&
        value->valuedouble == (double)(long long)value->valuedouble)
        return buf_addf(out, "%lld", (long long)value->valuedouble);
    return buf_addf(out, "%.17g", value->valuedouble);
}

static bool build_path(const struct operation *op, const cJSON *params, struct buf *out, struct err *err)
{
    for (const char *at = op->path; *at;) {
        if (*at != '{') {
            buf_addc(out, *at++);
            continue;
        }
        size_t len = strcspn(at, "}") + 1;
        const struct member *member = wire_member(op->input, IN_PATH, at + 1, len - 2);
        const cJSON *value = member ? given(params, member) : NULL;
        size_t before = out->len;
        if (!value || !add_scalar(value, out) || out->len == before)
            return err_set(err, ERR_VALIDATION, "%.*s is required and may not be empty", (int)len - 2, at + 1);
        at += len;
    }
    return !out->failed || err_set(err, ERR_VALIDATION, "the path is longer than %zu bytes", out->max);
}

static bool add_parameter(const char *name, const cJSON *value, struct buf *out)
{
    return (out->len == 0 || buf_addc(out, '&')) && sigv4_uri_encode(name, strlen(name), false, out) &&
           buf_addc(out, '=') && add_scalar(value, out);
}

/* A list is its name repeated. */
static bool build_query(const struct operation *op, const cJSON *params, struct buf *out, struct err *err)
{
    for (const struct member *member = op->input->members; member->name; member++) {
        const cJSON *value = member->location == IN_QUERY ? given(params, member) : NULL;
        const char *name = member->wire_name ? member->wire_name : member->name;
        const cJSON *entry;
        if (!value)
            continue;
        if (cJSON_IsArray(value)) {
            cJSON_ArrayForEach(entry, value)
                add_parameter(name, entry, out);
        } else {
            add_parameter(name, value, out);
        }
    }
    return !out->failed || err_set(err, ERR_VALIDATION, "the query is longer than %zu bytes", out->max);
}

static bool holds_null(const cJSON *value)
{
    for (const cJSON *child = value->child; child; child = child->next)
        if (cJSON_IsNull(child) || holds_null(child))
            return true;
    return false;
}

static void drop_nulls(cJSON *value)
{
    for (cJSON *child = value->child, *next; child; child = next) {
        next = child->next;
        if (cJSON_IsNull(child))
            cJSON_Delete(cJSON_DetachItemViaPointer(value, child));
        else
            drop_nulls(child);
    }
}

/* A reference: the value stays the caller's, and is not changed. One that holds nulls, which are as good as absent, is copied
 * without them. */
static bool add_member(cJSON *body, const char *name, const cJSON *value)
{
    if (!holds_null(value))
        return cJSON_AddItemReferenceToObject(body, name, (cJSON *)value);
    cJSON *copy = cJSON_Duplicate(value, true);
    if (!copy)
        return false;
    drop_nulls(copy);
    return cJSON_AddItemToObject(body, name, copy);
}

/* The body members in the order of the model, so that the same parameters give the same bytes. */
static bool build_body(const struct operation *op, const cJSON *params, struct operation_request *out, struct err *err)
{
    cJSON *body = cJSON_CreateObject();
    char *text = NULL;
    bool ok = body != NULL;
    for (const struct member *member = op->input->members; ok && member->name; member++) {
        const cJSON *value = member->location == IN_BODY ? given(params, member) : NULL;
        out->has_body = out->has_body || member->location == IN_BODY;
        if (value)
            ok = add_member(body, member->name, value);
    }
    if (ok && out->has_body)
        ok = (text = json_text(body, false)) != NULL;
    if (!ok)
        err_set(err, ERR_MEMORY, "out of memory");
    else if (text && !(ok = buf_adds(&out->body, text)))
        err_set(err, ERR_VALIDATION, "the request is larger than %zu bytes", out->body.max);
    cJSON_free(text);
    cJSON_Delete(body);
    return ok;
}

bool operation_build(const struct operation *op, const cJSON *params, struct operation_request *out, struct err *err)
{
    memset(out, 0, sizeof *out);
    buf_init(&out->path, MAX_PATH_BYTES);
    buf_init(&out->query, MAX_QUERY_BYTES);
    buf_init(&out->body, MAX_BODY_BYTES);
    if (build_path(op, params, &out->path, err) && build_query(op, params, &out->query, err) &&
        build_body(op, params, out, err))
        return true;
    operation_request_free(out);
    return false;
}

void operation_request_free(struct operation_request *request)
{
    buf_free(&request->path);
    buf_free(&request->query);
    buf_free(&request->body);
    request->has_body = false;
}
