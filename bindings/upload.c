/* upload: upjob.native.upload: put{} sends a file to a pre-signed URL. */
#include "core/digest.h"
#include "core/upload.h"
#include <stddef.h>

#include "bindings/app.h"
#include "bindings/wait.h"

struct put {
    struct wait wait;
    struct upload *upload;
    struct upload_result result;
    struct err error;
    lua_State *L;      /* the main state: progress runs as a task of its own */
    int progress_ref;  /* the script's function, or LUA_NOREF */
    struct posted report;
    uint64_t sent, total;
};

static void put_cancel(struct wait *w)
{
    struct put *put = (struct put *)w;
    if (put->upload)
        upload_cancel(put->upload);
    put->upload = NULL;
    scheduler_unpost(w->app->scheduler, &put->report);
    luaL_unref(put->L, LUA_REGISTRYINDEX, put->progress_ref);
    put->progress_ref = LUA_NOREF;
}

static int put_results(lua_State *L, struct wait *w, int index)
{
    struct put *put = (struct put *)w;
    (void)index;
    scheduler_unpost(w->app->scheduler, &put->report);
    luaL_unref(L, LUA_REGISTRYINDEX, put->progress_ref);
    put->progress_ref = LUA_NOREF;
    if (put->error.code[0])
        return fail_with(L, &put->error);
    lua_createtable(L, 0, 6);
    lua_pushinteger(L, (lua_Integer)put->result.bytes);
    lua_setfield(L, -2, "bytes");
    lua_pushnumber(L, put->result.seconds);
    lua_setfield(L, -2, "seconds");
    lua_pushinteger(L, put->result.attempts);
    lua_setfield(L, -2, "attempts");
    lua_pushstring(L, put->result.etag);
    lua_setfield(L, -2, "etag");
    lua_pushstring(L, put->result.request_id);
    lua_setfield(L, -2, "request_id");
    lua_pushstring(L, put->result.host_id);
    lua_setfield(L, -2, "host_id");
    return 1;
}

static const struct wait_class put_class = {put_results, put_cancel, false};

static void put_done(void *arg, const struct upload_result *result, const struct err *e)
{
    struct put *put = arg;
    put->upload = NULL;
    put->result = *result;
    put->error = *e;
    wait_finish(&put->wait);
}

/* In a turn of the loop: the script's function is called between turns. */
static void put_progress(void *arg, uint64_t done, uint64_t total)
{
    struct put *put = arg;
    if (put->progress_ref == LUA_NOREF || (done == put->sent && done != 0))
        return;
    put->sent = done;
    put->total = total;
    scheduler_post(put->wait.app->scheduler, &put->report);
}

static void put_report(lua_State *L, struct posted *posted)
{
    struct put *put = (struct put *)((char *)posted - offsetof(struct put, report));
    lua_rawgeti(L, LUA_REGISTRYINDEX, put->progress_ref);
    lua_pushinteger(L, (lua_Integer)put->sent);
    lua_pushinteger(L, (lua_Integer)put->total);
    task_spawn(L, 2, true);
    lua_pop(L, 1);
}

/* content_md5: true (the default), false, or the digest when it is known. */
static void read_content_md5(lua_State *L, const char *what, struct upload_options *options)
{
    lua_getfield(L, 1, "content_md5");
    if (lua_type(L, -1) == LUA_TSTRING && digest_is_text(lua_tostring(L, -1)))
        options->content_md5 = lua_tostring(L, -1);
    else if (lua_isboolean(L, -1))
        options->no_content_md5 = !lua_toboolean(L, -1);
    else if (!lua_isnil(L, -1))
        luaL_error(L, "%s: option \"content_md5\" must be true, false, or the base64 of an MD5", what);
    lua_pop(L, 1); /* the table keeps the text */
}

static int native_put(lua_State *L)
{
    static const char *const known[] = {"url", "key", "file", "progress", "content_md5", "timeout", "connect_timeout",
                                        "stall_timeout", "fd", "identity", "allow_empty", NULL};
    const char *what = "upload.put";
    struct err e;
    err_clear(&e);
    lua_settop(L, 1);
    check_options(L, 1, what, known);
    struct upload_options options = {.url = need_string(L, 1, what, "url"),
                                     .path = need_string(L, 1, what, "file"),
                                     .fd = (int)option_number(L, 1, what, "fd", -1),
                                     .timeout_ms = option_timeout_ms(L, 1, what, "timeout"),
                                     .connect_timeout_ms = option_timeout_ms(L, 1, what, "connect_timeout"),
                                     .stall_timeout_ms = option_timeout_ms(L, 1, what, "stall_timeout"),
                                     .allow_empty = option_boolean(L, 1, what, "allow_empty", false),
                                     .progress = put_progress};
    lua_getfield(L, 1, "key");
    if (lua_isnil(L, 2))
        return luaL_error(L, "%s: option \"key\" is required: the ClientToken of GetUploadJobPath", what);
    struct file_identity identity;
    const char *identity_text = option_string(L, 1, what, "identity", NULL);
    if (identity_text && !file_identity_parse(identity_text, &identity))
        return luaL_error(L, "%s: option \"identity\" is not what a check gave", what);
    options.identity = identity_text ? &identity : NULL;
    read_content_md5(L, what, &options);
    options.key = check_secret(L, 2, "upload.put: option \"key\"");
    struct put *put = wait_new(L, sizeof *put, &put_class);
    put->L = app_of(L)->L;
    put->progress_ref = LUA_NOREF;
    put->report.run = put_report;
    if (option_function(L, 1, what, "progress"))
        put->progress_ref = luaL_ref(L, LUA_REGISTRYINDEX);
    put->upload = upload_start(app_http(L), app_of(L)->loop, &options, put_done, put, &e);
    if (!put->upload) {
        luaL_unref(L, LUA_REGISTRYINDEX, put->progress_ref);
        return fail_with(L, &e);
    }
    put->wait.started = true;
    return wait_for(L, lua_gettop(L));
}

/* digest(text) → its MD5 in base64, as Content-MD5 has that of a file: for texts that are compared, never for secrets */
static int native_digest(lua_State *L)
{
    struct err e;
    char text[DIGEST_TEXT];
    size_t len;
    const char *bytes = luaL_checklstring(L, 1, &len);
    err_clear(&e);
    struct digest *digest = digest_new(&e);
    bool ok = digest && digest_add(digest, bytes, len, &e) && digest_text(digest, text, &e);
    digest_free(digest);
    if (!ok)
        return luaL_error(L, "%s", e.message);
    lua_pushstring(L, text);
    return 1;
}

int open_native_upload(lua_State *L)
{
    static const luaL_Reg functions[] = {{"put", native_put}, {"digest", native_digest}, {NULL, NULL}};
    luaL_newlib(L, functions);
    return 1;
}
