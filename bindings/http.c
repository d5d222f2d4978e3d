/* http: upjob.native.http: requests of any kind, signing and presigning, for scripts. */
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "bindings/app.h"
#include "bindings/json.h"
#include "bindings/wait.h"
#include "core/endpoint.h"
#include "core/secret.h"
#include "core/sigv4.h"

struct http *app_http(lua_State *L)
{
    struct app *app = app_of(L);
    struct err e;
    err_clear(&e);
    if (!app->http && !(app->http = http_new(app->loop, &e)))
        raise_err(L, &e);
    app->free_http = http_free;
    return app->http;
}

/* ---- header lists ---- */

/* Calls for each header of the table at `index`: {Name = "value"}, or a list of {name, value} where names repeat. */
static size_t count_headers(lua_State *L, int index, const char *what)
{
    size_t count = 0;
    if (lua_isnil(L, index))
        return 0;
    if (!lua_istable(L, index))
        luaL_error(L, "%s: headers must be a table, not a %s", what, luaL_typename(L, index));
    lua_pushnil(L);
    for (; lua_next(L, index); count++)
        lua_pop(L, 1);
    return count;
}

static const char *header_text(lua_State *L, int index, const char *what)
{
    size_t len;
    if (lua_type(L, index) != LUA_TSTRING && lua_type(L, index) != LUA_TNUMBER)
        luaL_error(L, "%s: a header's name and value must be strings", what);
    const char *text = lua_tolstring(L, index, &len);
    if (strlen(text) != len || strpbrk(text, "\r\n"))
        luaL_error(L, "%s: a header cannot hold a line end or a NUL byte", what);
    return text;
}

static int by_name(const void *a, const void *b)
{
    return strcmp(((const struct sigv4_header *)a)->name, ((const struct sigv4_header *)b)->name);
}

/* The headers of the table at `index` as an array in a userdata left on the stack; the texts are the table's. */
static struct sigv4_header *read_headers(lua_State *L, int index, const char *what, size_t *count)
{
    *count = count_headers(L, index, what);
    struct sigv4_header *headers = lua_newuserdatauv(L, (*count + 8) * sizeof *headers, 0);
    size_t at = 0;
    bool list = *count > 0 && lua_rawlen(L, index) == *count;
    for (size_t i = 1; list && i <= *count; i++) {
        lua_rawgeti(L, index, (lua_Integer)i);
        if (!lua_istable(L, -1))
            luaL_error(L, "%s: headers in a list are {name, value} pairs", what);
        lua_rawgeti(L, -1, 1);
        lua_rawgeti(L, -2, 2);
        headers[at].name = header_text(L, -2, what);
        headers[at++].value = header_text(L, -1, what);
        lua_pop(L, 3);
    }
    if (!list && *count > 0) {
        lua_pushnil(L);
        while (lua_next(L, index)) {
            if (lua_type(L, -2) != LUA_TSTRING)
                luaL_error(L, "%s: a header's name and value must be strings", what);
            headers[at].name = lua_tostring(L, -2);
            header_text(L, -2, what);
            /* A number becomes a string that nothing else holds: the table takes it instead. */
            if (lua_type(L, -1) == LUA_TNUMBER) {
                lua_pushvalue(L, -2);
                lua_tostring(L, -2);
                lua_pushvalue(L, -2);
                lua_rawset(L, index);
            }
            headers[at++].value = header_text(L, -1, what);
            lua_pop(L, 1);
        }
        qsort(headers, at, sizeof *headers, by_name);
    }
    return headers;
}

/* ---- http.request ---- */

struct request {
    struct wait wait;
    struct http_call *call;
    struct err error;
    int status;
    double seconds;
    struct buf body;
    struct http_header *headers;
    size_t header_count;
};

static void forget(struct request *request)
{
    for (size_t i = 0; i < request->header_count; i++) {
        free(request->headers[i].name);
        free(request->headers[i].value);
    }
    free(request->headers);
    request->headers = NULL;
    request->header_count = 0;
    buf_cleanse(&request->body);
}

static void request_cancel(struct wait *w)
{
    struct request *request = (struct request *)w;
    if (request->call)
        http_cancel(request->call);
    request->call = NULL;
    forget(request);
}

/* {status, headers, body, seconds}: names in lower case; a name that repeats is joined with ", ". */
static int request_results(lua_State *L, struct wait *w, int index)
{
    struct request *request = (struct request *)w;
    (void)index;
    if (request->error.code[0]) {
        forget(request);
        return fail_with(L, &request->error);
    }
    lua_createtable(L, 0, 4);
    lua_pushinteger(L, request->status);
    lua_setfield(L, -2, "status");
    lua_pushnumber(L, request->seconds);
    lua_setfield(L, -2, "seconds");
    lua_pushlstring(L, request->body.data ? request->body.data : "", request->body.len);
    lua_setfield(L, -2, "body");
    lua_newtable(L);
    for (size_t i = 0; i < request->header_count; i++) {
        char *name = request->headers[i].name;
        for (char *c = name; *c; c++)
            *c = (char)(*c >= 'A' && *c <= 'Z' ? *c + 32 : *c);
        if (lua_getfield(L, -1, name) == LUA_TSTRING)
            lua_pushfstring(L, "%s, %s", lua_tostring(L, -1), request->headers[i].value);
        else
            lua_pushstring(L, request->headers[i].value);
        lua_remove(L, -2);
        lua_setfield(L, -2, name);
    }
    lua_setfield(L, -2, "headers");
    forget(request);
    return 1;
}

static const struct wait_class request_class = {request_results, request_cancel, false};

static void request_done(void *arg, struct http_response *response, const struct err *e)
{
    struct request *request = arg;
    request->call = NULL;
    request->error = *e;
    request->status = response->status;
    request->seconds = response->seconds;
    request->body = response->body;
    request->headers = response->headers;
    request->header_count = response->header_count;
    buf_init(&response->body, 0);
    response->headers = NULL;
    response->header_count = 0;
    wait_finish(&request->wait);
}

/* The strings of the list in the field "secrets", in an array that is left on the stack with the list. */
static const char *const *read_secrets(lua_State *L, const char *what, size_t *count)
{
    int type = lua_getfield(L, 1, "secrets"), index = lua_gettop(L);
    *count = 0;
    if (type == LUA_TNIL)
        return NULL;
    if (type != LUA_TTABLE)
        luaL_error(L, "%s: option \"secrets\" must be a list of strings, not a %s", what, luaL_typename(L, index));
    size_t n = lua_rawlen(L, index);
    const char **texts = lua_newuserdatauv(L, (n + 1) * sizeof *texts, 0);
    for (; *count < n; ++*count) {
        if (lua_rawgeti(L, index, (lua_Integer)*count + 1) != LUA_TSTRING)
            luaL_error(L, "%s: option \"secrets\" must be a list of strings", what);
        texts[*count] = lua_tostring(L, -1); /* the list keeps it */
        lua_pop(L, 1);
    }
    return texts;
}

static int http_request(lua_State *L)
{
    static const char *const known[] = {"method", "url", "headers", "body", "timeout", "connect_timeout", "read_timeout",
                                        "max_response", "follow_redirects", "secrets", NULL};
    const char *what = "http.request";
    size_t body_len = 0;
    struct err e;
    err_clear(&e);
    lua_settop(L, 1);
    check_options(L, 1, what, known);
    struct http_request request = {.url = need_string(L, 1, what, "url"),
                                   .connect_timeout_ms = option_timeout_ms(L, 1, what, "connect_timeout"),
                                   .read_timeout_ms = option_timeout_ms(L, 1, what, "read_timeout"),
                                   .timeout_ms = option_timeout_ms(L, 1, what, "timeout"),
                                   .max_response = (size_t)option_integer(L, 1, what, "max_response", 0, 1L << 40, 0),
                                   .follow_redirects = option_boolean(L, 1, what, "follow_redirects", false)};
    option_string(L, 1, what, "body", NULL);
    lua_getfield(L, 1, "body");
    request.body = lua_tolstring(L, -1, &body_len);
    request.body_len = body_len;
    request.has_body = request.body != NULL;
    request.method = option_string(L, 1, what, "method", request.body ? "POST" : "GET");
    request.secrets = read_secrets(L, what, &request.secret_count);
    lua_getfield(L, 1, "headers");
    struct sigv4_header *headers = read_headers(L, lua_gettop(L), what, &request.header_count);
    request.headers = (const struct http_header *)headers; /* both are a name and a value */
    struct http_url url;
    if (!http_url_parse(request.url, &url, &e))
        return fail_with(L, &e);
    http_url_free(&url);
    struct request *waiting = wait_new(L, sizeof *waiting, &request_class);
    waiting->call = http_start(app_http(L), &request, request_done, waiting, &e);
    if (!waiting->call)
        return fail_with(L, &e);
    waiting->wait.started = true;
    return wait_for(L, lua_gettop(L));
}

_Static_assert(sizeof(struct http_header) == sizeof(struct sigv4_header), "headers are passed on as they are");

/* ---- http.sign, http.presign ---- */

struct to_sign {
    struct http_url url;
    struct sigv4_request request;
    struct sigv4_scope scope;
    struct sigv4_credentials credentials;
    struct sigv4_result result;
    struct buf presigned;
    bool parsed;
};

static int to_sign_collect(lua_State *L)
{
    struct to_sign *job = lua_touserdata(L, 1);
    if (job->parsed)
        http_url_free(&job->url);
    job->parsed = false;
    sigv4_result_free(&job->result);
    buf_cleanse(&job->presigned);
    return 0;
}

static const char *secret_or_string(lua_State *L, int index, const char *name, bool required)
{
    lua_getfield(L, index, name);
    if (lua_isnil(L, -1)) {
        if (required)
            luaL_error(L, "credentials: \"%s\" is required", name);
        lua_pop(L, 1);
        return NULL;
    }
    return secret_bytes(check_secret(L, lua_gettop(L), name)); /* the secret stays on the stack */
}

/* Reads (request, {service, region, credentials, time, expires}) into a userdata that frees itself. */
static struct to_sign *read_to_sign(lua_State *L, const char *what)
{
    static const char *const request_fields[] = {"method", "url", "headers", "body", NULL};
    static const char *const options[] = {"service", "region", "credentials", "time", "expires", NULL};
    static const char *const keys[] = {"access_key_id", "secret_access_key", "session_token", NULL};
    struct err e;
    size_t len = 0;
    err_clear(&e);
    lua_settop(L, 2);
    check_options(L, 1, what, request_fields);
    check_options(L, 2, what, options);
    lua_getfield(L, 2, "credentials");
    if (lua_isnil(L, 3))
        luaL_error(L, "%s: option \"credentials\" is required", what);
    check_options(L, 3, what, keys);
    struct to_sign *job = lua_newuserdatauv(L, sizeof *job, 0);
    memset(job, 0, sizeof *job);
    buf_init(&job->presigned, 64 * 1024);
    luaL_setmetatable(L, "upjob.to_sign");
    if (!http_url_parse(need_string(L, 1, what, "url"), &job->url, &e))
        luaL_error(L, "%s: %s", what, e.message);
    job->parsed = true;
    job->request.method = option_string(L, 1, what, "method", "GET");
    job->request.host = job->url.authority;
    job->request.path = job->url.path;
    job->request.query = job->url.query;
    option_string(L, 1, what, "body", NULL);
    lua_getfield(L, 1, "body");
    job->request.body = lua_tolstring(L, -1, &len);
    job->request.body_len = len;
    lua_getfield(L, 1, "headers");
    job->request.headers = read_headers(L, lua_gettop(L), what, &job->request.header_count);
    job->scope.service = need_string(L, 2, what, "service");
    job->scope.region = need_string(L, 2, what, "region");
    job->scope.time = (time_t)fmax(-1e15, fmin(1e15, option_number(L, 2, what, "time", (double)time(NULL))));
    job->credentials.access_key_id = need_string(L, 3, what, "access_key_id");
    job->credentials.secret_access_key = secret_or_string(L, 3, "secret_access_key", true);
    job->credentials.session_token = secret_or_string(L, 3, "session_token", false);
    return job;
}

static void set_field(lua_State *L, const char *name, const char *value)
{
    lua_pushstring(L, value);
    lua_setfield(L, -2, name);
}

static bool has_header(const struct sigv4_request *request, const char *name)
{
    for (size_t i = 0; i < request->header_count; i++)
        if (strcasecmp(request->headers[i].name, name) == 0)
            return true;
    return false;
}

static void push_stages(lua_State *L, const struct sigv4_result *result)
{
    lua_pushlstring(L, result->canonical_request.data, result->canonical_request.len);
    lua_setfield(L, -2, "canonical_request");
    lua_pushlstring(L, result->string_to_sign.data, result->string_to_sign.len);
    lua_setfield(L, -2, "string_to_sign");
    set_field(L, "signature", result->signature);
}

/* sign(request, options) → {headers, canonical_request, string_to_sign, signature}: headers to add to the request's */
static int http_sign(lua_State *L)
{
    struct err e;
    err_clear(&e);
    struct to_sign *job = read_to_sign(L, "http.sign");
    if (!sigv4_sign(&job->request, &job->scope, &job->credentials, NULL, &job->result, &e))
        return fail_with(L, &e);
    lua_newtable(L);
    push_stages(L, &job->result);
    lua_newtable(L);
    if (!has_header(&job->request, "x-amz-date"))
        set_field(L, "X-Amz-Date", job->result.date);
    if (job->credentials.session_token && *job->credentials.session_token)
        set_field(L, "X-Amz-Security-Token", job->credentials.session_token);
    if (strcmp(job->scope.service, "s3") == 0)
        set_field(L, "X-Amz-Content-SHA256", job->result.payload_hash);
    set_field(L, "Authorization", job->result.authorization);
    lua_setfield(L, -2, "headers");
    return 1;
}

/* presign(request, options) → url, {canonical_request, string_to_sign, signature} */
static int http_presign(lua_State *L)
{
    struct err e;
    err_clear(&e);
    struct to_sign *job = read_to_sign(L, "http.presign");
    double expires = option_number(L, 2, "http.presign", "expires", 900);
    if (expires < 1 || expires > 604800)
        luaL_error(L, "http.presign: option \"expires\" is in seconds, from 1 to 604800");
    if (!sigv4_presign(&job->request, job->url.scheme, &job->scope, &job->credentials, (long)expires, NULL,
                       &job->presigned, &job->result, &e))
        return fail_with(L, &e);
    lua_pushlstring(L, job->presigned.data, job->presigned.len);
    lua_newtable(L);
    push_stages(L, &job->result);
    return 2;
}

int open_native_http(lua_State *L)
{
    static const luaL_Reg functions[] = {{"request", http_request}, {"sign", http_sign}, {"presign", http_presign},
                                         {NULL, NULL}};
    luaL_newmetatable(L, "upjob.to_sign");
    lua_pushcfunction(L, to_sign_collect);
    lua_setfield(L, -2, "__gc");
    luaL_newlib(L, functions);
    return 1;
}
