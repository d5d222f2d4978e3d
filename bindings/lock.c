/* lock: upjob.native.lock: a file that one process holds, and in which it says which one. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <lauxlib.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include "bindings/app.h"

#define LOCK_TYPE "upjob.lock"
#define LOOKS 2000 /* five milliseconds apart, at a lock that was left by a process that is gone */

struct held {
    int fd; /* -1: let go */
};

static int lock_close(lua_State *L)
{
    struct held *held = luaL_checkudata(L, 1, LOCK_TYPE);
    if (held->fd >= 0) {
        (void)!ftruncate(held->fd, 0); /* nobody holds it: nobody's number */
        close(held->fd);
    }
    held->fd = -1;
    return 0;
}

/* The number of the process that holds the file; 0 when it has not come to write it. */
static long holder(int fd)
{
    char text[32];
    for (int tries = 0; tries < 20; tries++) {
        ssize_t n = pread(fd, text, sizeof text - 1, 0);
        if (n > 0) {
            text[n] = '\0';
            return strtol(text, NULL, 10);
        }
        usleep(5000);
    }
    return 0;
}

/* False when another process holds it, whose number is *pid, or on an error: errno. A process that was killed while it started a
 * program has left that program's beginning, which holds the lock until it becomes the program: it is waited for. */
static bool take(int fd, long *pid)
{
    for (int looks = 0; flock(fd, LOCK_EX | LOCK_NB) != 0; looks++) {
        if (errno != EWOULDBLOCK)
            return false;
        *pid = holder(fd);
        if (looks == LOOKS || (*pid > 0 && (kill((pid_t)*pid, 0) == 0 || errno != ESRCH))) {
            errno = EWOULDBLOCK;
            return false;
        }
        usleep(5000);
    }
    return true;
}

static int fail_errno(lua_State *L, const char *path, int errnum)
{
    struct err e;
    err_clear(&e);
    err_at(&e, path, 0, 0, NULL);
    err_errno(&e, ERR_FILE, errnum, "cannot lock the file");
    return fail_with(L, &e);
}

static bool write_number(int fd)
{
    char text[32];
    int len = snprintf(text, sizeof text, "%ld\n", (long)getpid());
    return ftruncate(fd, 0) == 0 && pwrite(fd, text, (size_t)len, 0) == len;
}

/* take(path) → lock | nil, pid of the process that has it | nil, nil, err. The lock ends with lock:close(), or with the process;
 * programs that it starts do not inherit it. */
static int native_take(lua_State *L)
{
    const char *path = luaL_checkstring(L, 1);
    struct held *held = lua_newuserdatauv(L, sizeof *held, 0);
    held->fd = -1;
    luaL_setmetatable(L, LOCK_TYPE);
    long pid = 0;
    int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd >= 0 && take(fd, &pid) && write_number(fd)) {
        held->fd = fd;
        return 1;
    }
    int errnum = errno;
    lua_pushnil(L);
    if (fd >= 0 && errnum == EWOULDBLOCK) {
        lua_pushinteger(L, pid);
        close(fd);
        return 2;
    }
    if (fd >= 0)
        close(fd);
    return 1 + fail_errno(L, path, errnum);
}

int open_native_lock(lua_State *L)
{
    static const luaL_Reg functions[] = {{"take", native_take}, {NULL, NULL}};
    static const luaL_Reg methods[] = {{"close", lock_close}, {NULL, NULL}};
    luaL_newmetatable(L, LOCK_TYPE);
    luaL_newlib(L, methods);
    lua_setfield(L, -2, "__index");
    lua_pushcfunction(L, lock_close);
    lua_setfield(L, -2, "__gc");
    lua_pushcfunction(L, lock_close);
    lua_setfield(L, -2, "__close");
    lua_pop(L, 1);
    luaL_newlib(L, functions);
    return 1;
}
