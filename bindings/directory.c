/* directory: what is in a directory, for the Lua half. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "bindings/app.h"
#include "core/file_identity.h"

static int fail_errno(lua_State *L, int errnum, const char *what, const char *path)
{
    struct err err;
    err_clear(&err);
    err_at(&err, path, 0, 0, NULL);
    err_errno(&err, ERR_FILE, errnum, "%s", what);
    return fail_with(L, &err);
}

static bool ends_with(const char *name, const char *suffix)
{
    size_t len = strlen(name), end = strlen(suffix);
    return len > end && strcmp(name + len - end, suffix) == 0;
}

/* Pushes { name=, identity= } for an entry; the identity is absent where it is no regular file, or a link that leads nowhere.
 * False: it is a directory, or has gone. */
static bool push_entry(lua_State *L, DIR *directory, const char *name)
{
    struct stat info;
    struct file_identity identity;
    char text[FILE_IDENTITY_TEXT];
    bool known = fstatat(dirfd(directory), name, &info, 0) == 0;
    if (known ? S_ISDIR(info.st_mode) : fstatat(dirfd(directory), name, &info, AT_SYMLINK_NOFOLLOW) != 0)
        return false;
    lua_createtable(L, 0, 2);
    lua_pushstring(L, name);
    lua_setfield(L, -2, "name");
    if (known && S_ISREG(info.st_mode)) {
        file_identity_of(&info, &identity);
        file_identity_text(&identity, text);
        lua_pushstring(L, text);
        lua_setfield(L, -2, "identity");
    }
    return true;
}

static int close_directory(lua_State *L)
{
    DIR **directory = lua_touserdata(L, 1);
    if (*directory)
        closedir(*directory);
    *directory = NULL;
    return 0;
}

/* Leaves on the stack what closes the directory, also when memory for the list runs out. */
static DIR **push_directory(lua_State *L)
{
    DIR **directory = lua_newuserdatauv(L, sizeof *directory, 0);
    *directory = NULL;
    if (luaL_newmetatable(L, "upjob.directory")) {
        lua_pushcfunction(L, close_directory);
        lua_setfield(L, -2, "__gc");
    }
    lua_setmetatable(L, -2);
    return directory;
}

/* list_files(path, suffix) → { { name=, identity= }, … } in no order | nil, err: what ends with the suffix, but directories and
 * what begins with a dot. Symbolic links are what they lead to. */
int native_list_files(lua_State *L)
{
    const char *path = luaL_checkstring(L, 1), *suffix = luaL_checkstring(L, 2);
    lua_settop(L, 2);
    DIR **directory = push_directory(L);
    if (!(*directory = opendir(path)))
        return fail_errno(L, errno, "cannot read the directory", path);
    lua_newtable(L);
    lua_Integer count = 0;
    errno = 0;
    for (struct dirent *entry; (entry = readdir(*directory)); errno = 0)
        if (entry->d_name[0] != '.' && ends_with(entry->d_name, suffix) && push_entry(L, *directory, entry->d_name))
            lua_rawseti(L, -2, ++count);
    int errnum = errno;
    closedir(*directory);
    *directory = NULL;
    return errnum ? fail_errno(L, errnum, "cannot read the directory", path) : 1;
}

static int close_glob(lua_State *L)
{
    globfree(lua_touserdata(L, 1));
    return 0;
}

/* Leaves on the stack what frees it, also when memory for the list runs out. */
static glob_t *push_glob(lua_State *L)
{
    glob_t *found = lua_newuserdatauv(L, sizeof *found, 0);
    *found = (glob_t){0};
    if (luaL_newmetatable(L, "upjob.glob")) {
        lua_pushcfunction(L, close_glob);
        lua_setfield(L, -2, "__gc");
    }
    lua_setmetatable(L, -2);
    return found;
}

/* A directory that cannot be read hides what is in it: that is told. */
static int glob_failed(const char *path, int errnum)
{
    (void)path;
    return errnum != ENOENT && errnum != ENOTDIR;
}

static int by_bytes(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

/* glob(pattern) → what there is of the names that it stands for, in the order of their bytes; directories too | nil, err. A
 * backslash is one. */
int native_glob(lua_State *L)
{
    const char *pattern = luaL_checkstring(L, 1);
    lua_settop(L, 1);
    glob_t *found = push_glob(L);
    int status = glob(pattern, GLOB_NOSORT | GLOB_NOESCAPE, glob_failed, found);
    if (status != 0 && status != GLOB_NOMATCH)
        return fail_errno(L, status == GLOB_NOSPACE ? ENOMEM : errno ? errno : EIO, "cannot look for names", pattern);
    if (found->gl_pathc > 0)
        qsort(found->gl_pathv, found->gl_pathc, sizeof *found->gl_pathv, by_bytes);
    lua_createtable(L, (int)found->gl_pathc, 0);
    for (size_t i = 0; i < found->gl_pathc; i++) {
        lua_pushstring(L, found->gl_pathv[i]);
        lua_rawseti(L, -2, (lua_Integer)i + 1);
    }
    return 1;
}

/* absolute(path) → the same from the root on, without a "/" at its end; links stay as they are | nil, err */
int native_absolute(lua_State *L)
{
    const char *path = luaL_checkstring(L, 1);
    if (strcmp(path, ".") == 0)
        path = "";
    while (path[0] == '.' && path[1] == '/')
        path += 2 + strspn(path + 2, "/");
    size_t len = strlen(path);
    while (len > 1 && path[len - 1] == '/')
        len--;
    if (path[0] == '/') {
        lua_pushlstring(L, path, len);
        return 1;
    }
    char *here = getcwd(NULL, 0);
    if (!here)
        return fail_errno(L, errno, "cannot tell the working directory", path);
    lua_pushstring(L, len > 0 && strcmp(here, "/") == 0 ? "" : here);
    free(here);
    if (len > 0) {
        lua_pushliteral(L, "/");
        lua_pushlstring(L, path, len);
        lua_concat(L, 3);
    }
    return 1;
}
