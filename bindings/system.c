/* system: upjob.native.system: what the Lua half needs of the operating system. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "bindings/app.h"
#include "core/log.h"
#include "core/memory.h"
#include "core/printable.h"

static int fail_errno(lua_State *L, const char *what, const char *path)
{
    struct err e;
    int errnum = errno;
    err_clear(&e);
    err_at(&e, path, 0, 0, NULL);
    err_errno(&e, ERR_FILE, errnum, "%s", what);
    return fail_with(L, &e);
}

/* isatty("stdin" | "stdout" | "stderr") → boolean */
static int native_isatty(lua_State *L)
{
    static const char *const names[] = {"stdin", "stdout", "stderr", NULL};
    lua_pushboolean(L, isatty(luaL_checkoption(L, 1, NULL, names)));
    return 1;
}

/* width("stdout" | "stderr") → columns of that terminal, 80 when it is none */
static int native_width(lua_State *L)
{
    static const char *const names[] = {"stdout", "stderr", NULL};
    static const int files[] = {STDOUT_FILENO, STDERR_FILENO};
    struct winsize size;
    bool known = ioctl(files[luaL_checkoption(L, 1, NULL, names)], TIOCGWINSZ, &size) == 0 && size.ws_col > 0;
    lua_pushinteger(L, known ? size.ws_col : 80);
    return 1;
}

/* make_directory(path, mode): with its parents | nil, err */
static int native_make_directory(lua_State *L)
{
    char path[PATH_MAX];
    mode_t mode = (mode_t)luaL_optinteger(L, 2, 0700);
    snprintf(path, sizeof path, "%s", luaL_checkstring(L, 1));
    for (char *p = path + 1; *p; p++) {
        if (*p != '/')
            continue;
        *p = '\0';
        if (mkdir(path, mode) != 0 && errno != EEXIST)
            return fail_errno(L, "cannot make the directory", path);
        *p = '/';
    }
    if (mkdir(path, mode) != 0 && errno != EEXIST)
        return fail_errno(L, "cannot make the directory", path);
    lua_pushboolean(L, 1);
    return 1;
}

/* stat(path) → {type, size, mtime} | nil, err */
static int native_stat(lua_State *L)
{
    struct stat info;
    const char *path = luaL_checkstring(L, 1);
    if (stat(path, &info) != 0)
        return fail_errno(L, "cannot open the file", path);
    lua_createtable(L, 0, 6);
    lua_pushstring(L, S_ISDIR(info.st_mode) ? "directory" : S_ISREG(info.st_mode) ? "file" : "other");
    lua_setfield(L, -2, "type");
    lua_pushinteger(L, info.st_size);
    lua_setfield(L, -2, "size");
    lua_pushnumber(L, (lua_Number)info.st_mtim.tv_sec + (lua_Number)info.st_mtim.tv_nsec / 1e9);
    lua_setfield(L, -2, "mtime");
    lua_pushinteger(L, (lua_Integer)info.st_dev);
    lua_setfield(L, -2, "device");
    lua_pushinteger(L, (lua_Integer)info.st_ino);
    lua_setfield(L, -2, "inode");
    lua_pushboolean(L, access(path, W_OK) == 0);
    lua_setfield(L, -2, "writable");
    return 1;
}

static bool write_all(int fd, const char *text, size_t len)
{
    while (len > 0) {
        ssize_t n = write(fd, text, len);
        if (n < 0 && errno != EINTR)
            return false;
        text += n > 0 ? n : 0;
        len -= n > 0 ? (size_t)n : 0;
    }
    return true;
}

/* write_private(path, text): creates or replaces a file, mode 0600, which is whole whenever it is there | nil, err */
static int native_write_private(lua_State *L)
{
    size_t len;
    const char *path = luaL_checkstring(L, 1), *text = luaL_checklstring(L, 2, &len);
    char beside[PATH_MAX];
    int fd = -1;
    errno = ENAMETOOLONG;
    if (snprintf(beside, sizeof beside, "%s.XXXXXX", path) < (int)sizeof beside)
        fd = mkostemp(beside, O_CLOEXEC);
    if (fd < 0)
        return fail_errno(L, "cannot create the file", path);
    bool written = write_all(fd, text, len);
    int errnum = errno;
    if (close(fd) != 0 && written) {
        written = false;
        errnum = errno;
    }
    if (written && rename(beside, path) != 0) {
        written = false;
        errnum = errno;
    }
    if (!written) {
        unlink(beside);
        errno = errnum;
        return fail_errno(L, "cannot write the file", path);
    }
    lua_pushboolean(L, 1);
    return 1;
}

/* time() → seconds since the epoch, with a fraction */
static int native_time(lua_State *L)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    lua_pushnumber(L, (lua_Number)now.tv_sec + (lua_Number)now.tv_nsec / 1e9);
    return 1;
}

int end_output(int status)
{
    struct pollfd out = {.fd = STDOUT_FILENO, .events = POLLOUT};
    bool failed = fflush(stdout) != 0;
    if (!failed && !ferror(stdout))
        return status;
    if (poll(&out, 1, 0) == 1 && out.revents & POLLERR)
        return status;
    log_failure("", "standard output could not be written: the output is not complete");
    return status ? status : 1;
}

/* exit(status): ends the program */
static int native_exit(lua_State *L)
{
    exit(end_output((int)luaL_checkinteger(L, 1)));
}

static int native_pid(lua_State *L)
{
    lua_pushinteger(L, getpid());
    return 1;
}

/* printable(text, keep_lines) → the text as it may go to a terminal; line ends and tabs as they are with keep_lines */
static int native_printable(lua_State *L)
{
    size_t len, at = 0;
    const char *text = luaL_checklstring(L, 1, &len);
    bool keep_lines = lua_toboolean(L, 2);
    char character[PRINTABLE_SIZE];
    luaL_Buffer out;
    luaL_buffinitsize(L, &out, len);
    while (at < len) {
        if (keep_lines && (text[at] == '\n' || text[at] == '\t')) {
            luaL_addchar(&out, text[at++]);
            continue;
        }
        at += printable_character(text + at, len - at, character);
        luaL_addstring(&out, character);
    }
    luaL_pushresult(&out);
    return 1;
}

/* processors() → how many this process may use */
static int native_processors(lua_State *L)
{
    cpu_set_t set;
    lua_pushinteger(L, sched_getaffinity(0, sizeof set, &set) == 0 ? CPU_COUNT(&set) : 1);
    return 1;
}

/* more_memory(bytes): scripts that have reached the limit of their memory may take so many more, so that it can be told */
static int native_more_memory(lua_State *L)
{
    void *memory;
    size_t bytes = (size_t)luaL_checkinteger(L, 1);
    if (lua_getallocf(L, &memory) == memory_alloc && ((struct memory *)memory)->limit > 0)
        memory_set_limit(memory, ((struct memory *)memory)->limit + bytes);
    return 0;
}

/* truncate(path, size): what a file has after so many bytes goes | nil, err */
static int native_truncate(lua_State *L)
{
    const char *path = luaL_checkstring(L, 1);
    if (truncate(path, (off_t)luaL_checkinteger(L, 2)) != 0)
        return fail_errno(L, "cannot cut the file", path);
    lua_pushboolean(L, 1);
    return 1;
}

int open_native_system(lua_State *L)
{
    static const luaL_Reg functions[] = {{"isatty", native_isatty},
                                         {"width", native_width},
                                         {"temporary_directory", native_temporary_directory},
                                         {"remove_tree", native_remove_tree},
                                         {"sweep_temporary", native_sweep_temporary},
                                         {"make_directory", native_make_directory},
                                         {"list_files", native_list_files},
                                         {"glob", native_glob},
                                         {"absolute", native_absolute},
                                         {"stat", native_stat},
                                         {"write_private", native_write_private},
                                         {"time", native_time},
                                         {"exit", native_exit},
                                         {"printable", native_printable},
                                         {"pid", native_pid},
                                         {"processors", native_processors},
                                         {"more_memory", native_more_memory},
                                         {"truncate", native_truncate},
                                         {"error_object", native_error_object},
                                         {"is_error", native_is_error},
                                         {NULL, NULL}};
    luaL_newlib(L, functions);
    lua_pushliteral(L, UPJOB_VERSION);
    lua_setfield(L, -2, "version");
    return 1;
}
