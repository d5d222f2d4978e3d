/* notify: upjob.native.notify: mail, and what tells the receiver of a webhook who sent it. */
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "bindings/app.h"
#include "bindings/wait.h"
#include "core/mail.h"
#include "core/secret.h"
#include "core/smtp.h"
#include "core/webhook.h"

#define MESSAGE_MOST ((size_t)8 << 20)

/* ---- webhooks ---- */

/* signature(secret, id, timestamp, body) → "v1,…" | nil, err */
static int native_signature(lua_State *L)
{
    size_t len;
    char out[WEBHOOK_SIGNATURE];
    struct err e;
    const char *secret = secret_bytes(check_secret(L, 1, "the secret")), *body = luaL_checklstring(L, 4, &len);
    err_clear(&e);
    if (!webhook_sign(secret, luaL_checkstring(L, 2), luaL_checkinteger(L, 3), body, len, out, &e))
        return fail_with(L, &e);
    lua_pushstring(L, out);
    return 1;
}

/* fingerprint(text) → a few hex digits that tell one secret text from another */
static int native_fingerprint(lua_State *L)
{
    char out[WEBHOOK_FINGERPRINT];
    webhook_fingerprint(luaL_checkstring(L, 1), out);
    lua_pushstring(L, out);
    return 1;
}

/* ---- mail ---- */

struct mailing {
    struct wait wait;
    struct smtp_call *call; /* under way, or NULL */
    struct err error;
};

static void mailing_cancel(struct wait *w)
{
    struct mailing *mailing = (struct mailing *)w;
    if (mailing->call)
        smtp_cancel(mailing->call);
    mailing->call = NULL;
}

static int mailing_results(lua_State *L, struct wait *w, int index)
{
    struct mailing *mailing = (struct mailing *)w;
    (void)index;
    if (mailing->error.code[0])
        return fail_with(L, &mailing->error);
    lua_pushboolean(L, 1);
    return 1;
}

static const struct wait_class mailing_class = {mailing_results, mailing_cancel, false};

static void mailing_done(void *arg, const struct err *e)
{
    struct mailing *mailing = arg;
    mailing->call = NULL;
    mailing->error = *e;
    wait_finish(&mailing->wait);
}

/* What a mail is made of, in a userdata that frees itself. */
struct parts {
    struct mail mail;
    struct smtp_request request;
    struct buf message;
    size_t count;
    char from[MAIL_ADDRESS];
    char (*addresses)[MAIL_ADDRESS];
    const char **to, **receivers; /* as given; the addresses alone */
};

static int parts_collect(lua_State *L)
{
    struct parts *parts = lua_touserdata(L, 1);
    buf_free(&parts->message);
    free(parts->addresses);
    free(parts->to);
    free(parts->receivers);
    parts->addresses = NULL;
    parts->to = parts->receivers = NULL;
    return 0;
}

static struct parts *new_parts(lua_State *L)
{
    struct parts *parts = lua_newuserdatauv(L, sizeof *parts, 0);
    memset(parts, 0, sizeof *parts);
    buf_init(&parts->message, MESSAGE_MOST);
    luaL_setmetatable(L, "upjob.notify.parts");
    return parts;
}

/* The list in the field "to" of the options at index 1, which stays on the stack. */
static bool read_receivers(lua_State *L, const char *what, struct parts *parts, struct err *e)
{
    lua_getfield(L, 1, "to");
    if (!lua_istable(L, -1))
        luaL_error(L, "%s: option \"to\" must be a list of addresses", what);
    size_t n = lua_rawlen(L, -1);
    parts->addresses = calloc(n + 1, sizeof *parts->addresses);
    parts->to = calloc(n + 1, sizeof *parts->to);
    parts->receivers = calloc(n + 1, sizeof *parts->receivers);
    if (!parts->addresses || !parts->to || !parts->receivers)
        luaL_error(L, "out of memory");
    for (size_t i = 0; i < n; i++) {
        if (lua_rawgeti(L, -1, (lua_Integer)i + 1) != LUA_TSTRING)
            luaL_error(L, "%s: option \"to\" must be a list of addresses", what);
        parts->to[i] = lua_tostring(L, -1); /* the list keeps it */
        lua_pop(L, 1);
        if (!mail_address(parts->to[i], parts->addresses[i], e))
            return false;
        parts->receivers[i] = parts->addresses[i];
    }
    parts->count = n;
    return true;
}

static const char *option_secret(lua_State *L, const char *name)
{
    if (lua_getfield(L, 1, name) == LUA_TNIL) {
        lua_pop(L, 1);
        return NULL;
    }
    return secret_bytes(check_secret(L, lua_gettop(L), name)); /* the secret stays on the stack */
}

/* Reads what both functions take: {server=, from=, to={…}, username=, password=, starttls=, subject=, text=, id=, timeout=} */
static bool read_parts(lua_State *L, const char *what, struct parts *parts, struct err *e)
{
    static const char *const known[] = {"server", "from", "to", "username", "password", "starttls",
                                        "subject", "text", "id", "timeout", NULL};
    check_options(L, 1, what, known);
    parts->mail = (struct mail){.from = need_string(L, 1, what, "from"),
                                .subject = option_string(L, 1, what, "subject", ""),
                                .text = option_string(L, 1, what, "text", ""),
                                .id = option_string(L, 1, what, "id", ""),
                                .time = time(NULL)};
    parts->request = (struct smtp_request){.server = need_string(L, 1, what, "server"),
                                           .starttls = option_boolean(L, 1, what, "starttls", true),
                                           .from = parts->from,
                                           .username = option_string(L, 1, what, "username", NULL),
                                           .timeout_ms = option_timeout_ms(L, 1, what, "timeout")};
    parts->request.password = option_secret(L, "password");
    if (!mail_address(parts->mail.from, parts->from, e) || !read_receivers(L, what, parts, e))
        return false;
    parts->mail.to = parts->to;
    parts->request.to = parts->receivers;
    parts->mail.to_count = parts->request.to_count = parts->count;
    return mail_write(&parts->mail, &parts->message, e) && smtp_check(&parts->request, e);
}

/* check_mail(options) → true | nil, err: whether such a mail could be sent; nothing is */
static int native_check_mail(lua_State *L)
{
    struct err e;
    err_clear(&e);
    lua_settop(L, 1);
    luaL_checktype(L, 1, LUA_TTABLE);
    if (!read_parts(L, "notify.email", new_parts(L), &e))
        return fail_with(L, &e);
    lua_pushboolean(L, 1);
    return 1;
}

/* mail(options) → true | nil, err */
static int native_mail(lua_State *L)
{
    struct err e;
    err_clear(&e);
    lua_settop(L, 1);
    luaL_checktype(L, 1, LUA_TTABLE);
    struct parts *parts = new_parts(L);
    if (!read_parts(L, "notify.email", parts, &e))
        return fail_with(L, &e);
    parts->request.message = parts->message.data;
    parts->request.message_len = parts->message.len;
    struct mailing *mailing = wait_new(L, sizeof *mailing, &mailing_class);
    app_http(L);
    mailing->call = smtp_start(app_of(L)->loop, &parts->request, mailing_done, mailing, &e);
    if (!mailing->call)
        return fail_with(L, &e);
    mailing->wait.started = true;
    return wait_for(L, lua_gettop(L));
}

int open_native_notify(lua_State *L)
{
    static const luaL_Reg functions[] = {{"signature", native_signature}, {"fingerprint", native_fingerprint},
                                         {"check_mail", native_check_mail}, {"mail", native_mail}, {NULL, NULL}};
    luaL_newmetatable(L, "upjob.notify.parts");
    lua_pushcfunction(L, parts_collect);
    lua_setfield(L, -2, "__gc");
    luaL_newlib(L, functions);
    return 1;
}
