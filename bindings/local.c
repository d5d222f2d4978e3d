/* local: upjob.native.local: loads the embedded service when it is first used, and runs it. */
#include "local/local.h"

#include "bindings/app.h"
#include "bindings/modules.h"
#include "local/facts.h"

#define SERVICE_TYPE "upjob.local"

struct service {
    struct local *local; /* NULL once stopped */
    const struct local_module *module;
};

/* The service verifies with the signer, which is the client's. */
static const struct local_module *load_module(lua_State *L)
{
    (void)module_symbol(L, "client.so", "sigv4_claim_verify");
    return module_symbol(L, "local.so", LOCAL_MODULE_SYMBOL);
}

static const char **read_domains(lua_State *L)
{
    lua_getfield(L, 1, "domains");
    int list = lua_gettop(L);
    size_t count = lua_istable(L, list) ? lua_rawlen(L, list) : 0;
    const char **domains = lua_newuserdatauv(L, (count + 1) * sizeof *domains, 0);
    for (size_t i = 0; i < count; i++) {
        lua_rawgeti(L, list, (lua_Integer)i + 1);
        domains[i] = luaL_checkstring(L, -1);
        lua_pop(L, 1);
    }
    domains[count] = NULL;
    return domains;
}

/* start{data_dir, host, port, domains, ephemeral, faults, throttle, facts} → service | nil, err */
static int native_start(lua_State *L)
{
    static const char *const known[] = {"data_dir", "host", "port", "domains", "ephemeral", "faults", "throttle", "facts", NULL};
    const char *what = "local.start";
    struct err e;
    err_clear(&e);
    lua_settop(L, 1);
    check_options(L, 1, what, known);
    double port = option_number(L, 1, what, "port", 0);
    if (port < 0 || port > 65535)
        return luaL_error(L, "local.start: option \"port\" is from 0 to 65535");
    struct local_options options = {.data_dir = need_string(L, 1, what, "data_dir"),
                                    .host = option_string(L, 1, what, "host", NULL),
                                    .port = (int)port,
                                    .ephemeral = option_boolean(L, 1, what, "ephemeral", false),
                                    .faults = option_string(L, 1, what, "faults", NULL),
                                    .throttle = option_boolean(L, 1, what, "throttle", false),
                                    .facts = option_string(L, 1, what, "facts", NULL)};
    options.domains = read_domains(L);
    struct service *service = lua_newuserdatauv(L, sizeof *service, 0);
    service->local = NULL;
    luaL_setmetatable(L, SERVICE_TYPE);
    service->module = load_module(L);
    service->local = service->module->start(app_of(L)->loop, &options, &e);
    return service->local ? 1 : fail_with(L, &e);
}

static int service_stop(lua_State *L)
{
    struct service *service = luaL_checkudata(L, 1, SERVICE_TYPE);
    if (service->local)
        service->module->stop(service->local);
    service->local = NULL;
    return 0;
}

static int service_port(lua_State *L)
{
    struct service *service = luaL_checkudata(L, 1, SERVICE_TYPE);
    if (!service->local)
        return luaL_error(L, "the embedded service was stopped");
    lua_pushinteger(L, service->module->port(service->local));
    return 1;
}

static int service_fault_seed(lua_State *L)
{
    struct service *service = luaL_checkudata(L, 1, SERVICE_TYPE);
    if (!service->local)
        return luaL_error(L, "the embedded service was stopped");
    lua_pushinteger(L, (lua_Integer)service->module->fault_seed(service->local));
    return 1;
}

static void set_amount(lua_State *L, const char *name, double amount)
{
    lua_pushnumber(L, amount);
    lua_setfield(L, -2, name);
}

/* facts() → list of {name=, inferred=, other=}, or of {name=, inferred=, least=, most=} with numbers */
static int native_facts(lua_State *L)
{
    lua_newtable(L);
    for (const struct fact *fact = load_module(L)->facts; fact->name; fact++) {
        lua_newtable(L);
        lua_pushstring(L, fact->name);
        lua_setfield(L, -2, "name");
        if (fact->inferred) {
            lua_pushstring(L, fact->inferred);
            lua_setfield(L, -2, "inferred");
            lua_pushstring(L, fact->other);
            lua_setfield(L, -2, "other");
        } else {
            set_amount(L, "inferred", fact->amount);
            set_amount(L, "least", fact->least);
            set_amount(L, "most", fact->most);
        }
        lua_rawseti(L, -2, (lua_Integer)lua_rawlen(L, -2) + 1);
    }
    return 1;
}

int open_native_local(lua_State *L)
{
    static const luaL_Reg functions[] = {{"start", native_start}, {"facts", native_facts}, {NULL, NULL}};
    static const luaL_Reg methods[] = {{"port", service_port}, {"fault_seed", service_fault_seed}, {"stop", service_stop},
                                       {NULL, NULL}};
    luaL_newmetatable(L, SERVICE_TYPE);
    lua_pushcfunction(L, service_stop);
    lua_setfield(L, -2, "__gc");
    luaL_newlib(L, methods);
    lua_setfield(L, -2, "__index");
    luaL_newlib(L, functions);
    return 1;
}
