#include "host/embedded.h"

#include <string.h>

#include "host/state.h"

const struct embedded_file *embedded_find(const char *name)
{
    for (const struct embedded_file *file = embedded_files; file->name; file++)
        if (strcmp(file->name, name) == 0)
            return file;
    return NULL;
}

/* read(name) → content | nil */
static int native_read(lua_State *L)
{
    const struct embedded_file *file = embedded_find(luaL_checkstring(L, 1));
    if (!file)
        return 0;
    lua_pushlstring(L, file->data, file->size);
    return 1;
}

int open_native_embedded(lua_State *L)
{
    static const luaL_Reg functions[] = {{"read", native_read}, {NULL, NULL}};
    luaL_newlib(L, functions);
    return 1;
}
