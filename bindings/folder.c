/* folder: upjob.native.folder: what is in a directory, what has changed there, and putting its files elsewhere. */
#include "core/folder.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "bindings/app.h"
#include "bindings/wait.h"
#include "core/folder_events.h"
#include "core/glob.h"
#include "core/move_file.h"
#include "core/own_file.h"

#define FOLDER_TYPE "upjob.folder"
#define KEY_SIZE 96
#define EXAMINED_A_SLICE 32

struct watched {
    struct folder *folder;
    struct folder_events *events; /* NULL when closed */
    struct waiting *waiting;
    bool looking;
    bool happened; /* something, since the last look began */
};

/* "dev|ino|size|mtime", the time in nanoseconds since the epoch. */
static const char *key_of(const struct file_identity *identity, char out[KEY_SIZE])
{
    snprintf(out, KEY_SIZE, "%" PRIu64 "|%" PRIu64 "|%" PRIu64 "|%" PRId64, identity->device, identity->inode, identity->size,
             identity->modified);
    return out;
}

static bool read_key(const char *text, struct file_identity *out)
{
    int end = 0;
    return sscanf(text, "%" SCNu64 "|%" SCNu64 "|%" SCNu64 "|%" SCNd64 "%n", &out->device, &out->inode, &out->size,
                  &out->modified, &end) == 4 &&
           text[end] == '\0';
}

static struct watched *check_watched(lua_State *L)
{
    struct watched *watched = luaL_checkudata(L, 1, FOLDER_TYPE);
    if (!watched->folder)
        luaL_error(L, "the folder was closed");
    return watched;
}

/* ---- work on another thread ---- */

/* A wait for work; `self` keeps it, and what it uses, until the work has ended. */
struct working {
    struct wait wait;
    struct loop_work *work;
    int self_ref;
    struct watched *watched;
    struct move_file *move;
    struct examining *examining;
};

static void work_done(void *arg)
{
    struct working *working = arg;
    working->work = NULL;
    if (working->watched)
        working->watched->looking = false;
    wait_finish(&working->wait);
    luaL_unref(working->wait.app->L, LUA_REGISTRYINDEX, working->self_ref);
}

static void cancel_work(struct wait *w)
{
    struct working *working = (struct working *)w;
    if (working->work)
        loop_work_cancel(working->work);
}

/* Starts the work of the wait on top of the stack; what is at `used` stays as long. */
static int start(lua_State *L, struct working *working, int used, bool (*slice)(void *))
{
    lua_pushvalue(L, used);
    lua_setiuservalue(L, -2, 1);
    lua_pushvalue(L, -1);
    working->self_ref = luaL_ref(L, LUA_REGISTRYINDEX);
    working->work = loop_work_start(app_of(L)->loop, slice, work_done, working);
    if (!working->work) {
        luaL_unref(L, LUA_REGISTRYINDEX, working->self_ref);
        return luaL_error(L, "out of memory");
    }
    if (working->watched)
        working->watched->looking = true;
    working->wait.started = true;
    return wait_for(L, lua_gettop(L));
}

/* ---- a look ---- */

static bool look_slice(void *arg)
{
    struct working *working = arg;
    return folder_slice(working->watched->folder);
}

static int look_results(lua_State *L, struct wait *w, int index)
{
    struct working *working = (struct working *)w;
    struct watched *watched = working->watched;
    struct err err;
    (void)index;
    err_clear(&err);
    if (!folder_ended(watched->folder, &err))
        return fail_with(L, &err);
    struct file_identity directory = folder_identity(watched->folder);
    if (watched->events)
        (void)folder_events_follow(watched->events, folder_directory(watched->folder), &directory);
    lua_pushboolean(L, 1);
    return 1;
}

static const struct wait_class look_class = {look_results, cancel_work, false};

/* folder:look(): reads the directory → true | nil, err */
static int folder_look(lua_State *L)
{
    struct watched *watched = check_watched(L);
    if (watched->looking)
        return luaL_error(L, "folder:look: another look is under way");
    struct working *working = wait_new(L, sizeof *working, &look_class);
    working->watched = watched;
    watched->happened = false;
    folder_begin(watched->folder);
    return start(L, working, 1, look_slice);
}

static void set_text(lua_State *L, const char *name, const char *text)
{
    lua_pushstring(L, text);
    lua_setfield(L, -2, name);
}

static void push_change(lua_State *L, const struct folder_change *change)
{
    static const char *const types[] = {"file", "link", "other"};
    const struct folder_entry *entry = change->entry;
    char key[KEY_SIZE];
    lua_createtable(L, 0, 5);
    set_text(L, "name", entry->name);
    if (change->news == FOLDER_GONE) {
        lua_pushboolean(L, 1);
        lua_setfield(L, -2, "gone");
        return;
    }
    set_text(L, "type", types[entry->type]);
    set_text(L, "key", key_of(&entry->identity, key));
    lua_pushinteger(L, (lua_Integer)entry->identity.size);
    lua_setfield(L, -2, "size");
    lua_pushinteger(L, (lua_Integer)entry->identity.modified);
    lua_setfield(L, -2, "modified");
}

/* folder:changes(most) → list of what has changed between the last two looks, at most so many, then the next ones: { name=, type=
 * "file"|"link"|"other", key= "dev|ino|size|mtime", size=, modified= nanoseconds } or { name=, gone=true } */
static int folder_changes(lua_State *L)
{
    struct watched *watched = check_watched(L);
    lua_Integer most = luaL_checkinteger(L, 2), count = 0;
    if (watched->looking)
        return luaL_error(L, "folder:changes: a look is under way");
    lua_newtable(L);
    const struct folder_change *change;
    while (count < most && (change = folder_next(watched->folder))) {
        push_change(L, change);
        lua_rawseti(L, -2, ++count);
    }
    return 1;
}

/* ---- looking into files ---- */

struct examined {
    const char *path;
    struct file_identity identity;
    int error;
    enum own_file own;
};

struct examining {
    size_t count, done;
    struct examined files[];
};

/* What the head tells: it is read further only where the first bytes do not. */
static enum own_file head_of(int fd)
{
    enum own_file own = OWN_FILE_NONE;
    char *head = malloc(OWN_FILE_HEAD);
    size_t len = 0;
    bool whole = false;
    while (head && !whole && len < OWN_FILE_HEAD) {
        size_t wanted = len == 0 ? 4096 : OWN_FILE_HEAD - len;
        ssize_t n = pread(fd, head + len, wanted, (off_t)len);
        if (n <= 0)
            break;
        len += (size_t)n;
        own = own_file_head(head, len, &whole);
    }
    free(head);
    return own;
}

static void examine(struct examined *file)
{
    struct stat info;
    char byte;
    int fd = open(file->path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
    if (fd < 0 || fstat(fd, &info) != 0 || (S_ISREG(info.st_mode) && pread(fd, &byte, 1, 0) < 0)) {
        file->error = errno;
    } else {
        file_identity_of(&info, &file->identity);
        file->own = S_ISREG(info.st_mode) ? head_of(fd) : OWN_FILE_NONE;
    }
    if (fd >= 0)
        close(fd);
}

static bool examine_slice(void *arg)
{
    struct working *working = arg;
    struct examining *examining = working->examining;
    for (int i = 0; i < EXAMINED_A_SLICE && examining->done < examining->count; i++)
        examine(&examining->files[examining->done++]);
    return examining->done < examining->count;
}

static int examine_results(lua_State *L, struct wait *w, int index)
{
    const struct examining *examining = ((struct working *)w)->examining;
    char key[KEY_SIZE];
    (void)index;
    lua_createtable(L, (int)examining->count, 0);
    for (size_t i = 0; i < examining->count; i++) {
        const struct examined *file = &examining->files[i];
        lua_createtable(L, 0, 2);
        if (file->error)
            set_text(L, "error", strerror(file->error));
        else
            set_text(L, "key", key_of(&file->identity, key));
        if (file->own != OWN_FILE_NONE)
            set_text(L, "own", own_file_what(file->own));
        lua_rawseti(L, -2, (lua_Integer)i + 1);
    }
    return 1;
}

static const struct wait_class examine_class = {examine_results, cancel_work, false};

/* examine({ path, … }) → list of { key= } or { error= "Permission denied" }, with own= "the report of an import" and such where the
 * head tells that upjob wrote it. Links are not followed. */
static int native_examine(lua_State *L)
{
    luaL_checktype(L, 1, LUA_TTABLE);
    lua_settop(L, 1);
    size_t count = lua_rawlen(L, 1);
    lua_createtable(L, (int)count + 1, 0); /* keeps the texts */
    struct examining *examining = lua_newuserdatauv(L, sizeof *examining + count * sizeof *examining->files, 0);
    memset(examining, 0, sizeof *examining + count * sizeof *examining->files);
    lua_rawseti(L, 2, (lua_Integer)count + 1);
    examining->count = count;
    for (size_t i = 0; i < count; i++) {
        lua_rawgeti(L, 1, (lua_Integer)i + 1);
        examining->files[i].path = luaL_checkstring(L, -1);
        lua_rawseti(L, 2, (lua_Integer)i + 1);
    }
    struct working *working = wait_new(L, sizeof *working, &examine_class);
    working->examining = examining;
    return start(L, working, 2, examine_slice);
}

/* ---- moving ---- */

static bool move_slice(void *arg)
{
    return move_file_slice(((struct working *)arg)->move);
}

static int move_results(lua_State *L, struct wait *w, int index)
{
    struct working *working = (struct working *)w;
    struct err err;
    (void)index;
    err_clear(&err);
    const char *path = move_file_ended(working->move, &err);
    if (!path)
        return fail_with(L, &err);
    lua_pushstring(L, path);
    return 1;
}

static const struct wait_class move_class = {move_results, cancel_work, false};

static int collect_move(lua_State *L)
{
    struct move_file **held = lua_touserdata(L, 1);
    move_file_free(*held);
    *held = NULL;
    return 0;
}

/* move(path, key, directory) → where the file is now | nil, err; "FileChanged" when it is not the one of the key any more */
static int native_move(lua_State *L)
{
    const char *path = luaL_checkstring(L, 1), *directory = luaL_checkstring(L, 3);
    struct file_identity identity;
    struct err err;
    err_clear(&err);
    if (!read_key(luaL_checkstring(L, 2), &identity))
        return luaL_argerror(L, 2, "a key is \"dev|ino|size|mtime\"");
    struct move_file **held = lua_newuserdatauv(L, sizeof *held, 0);
    *held = NULL;
    if (luaL_newmetatable(L, "upjob.move")) {
        lua_pushcfunction(L, collect_move);
        lua_setfield(L, -2, "__gc");
    }
    lua_setmetatable(L, -2);
    int holder = lua_gettop(L);
    *held = move_file_new(path, &identity, directory, &err);
    if (!*held)
        return fail_with(L, &err);
    struct working *working = wait_new(L, sizeof *working, &move_class);
    working->move = *held;
    return start(L, working, holder, move_slice);
}

/* ---- waiting for something to happen ---- */

struct waiting {
    struct wait wait;
    struct watched *watched;
    struct loop_timer *timer;
};

static void end_waiting(struct waiting *waiting)
{
    loop_timer_stop(waiting->timer);
    waiting->timer = NULL;
    if (waiting->watched)
        waiting->watched->waiting = NULL;
    waiting->watched = NULL;
}

static void cancel_waiting(struct wait *w)
{
    end_waiting((struct waiting *)w);
}

static const struct wait_class waiting_class = {NULL, cancel_waiting, false};

static void time_over(void *arg)
{
    struct waiting *waiting = arg;
    waiting->timer = NULL;
    end_waiting(waiting);
    wait_finish(&waiting->wait);
}

static void something_happened(void *arg)
{
    struct watched *watched = arg;
    struct waiting *waiting = watched->waiting;
    watched->happened = true;
    if (!waiting)
        return;
    end_waiting(waiting);
    wait_finish(&waiting->wait);
}

/* folder:wait(seconds): until something has happened in the directory since the last look, at most so long */
static int folder_wait(lua_State *L)
{
    struct watched *watched = check_watched(L);
    double seconds = luaL_checknumber(L, 2);
    luaL_argcheck(L, seconds >= 0 && seconds <= 86400, 2, "seconds, up to a day");
    if (watched->waiting)
        return luaL_error(L, "folder:wait: somebody waits already");
    if (watched->happened)
        return 0;
    struct waiting *waiting = wait_new(L, sizeof *waiting, &waiting_class);
    lua_pushvalue(L, 1);
    lua_setiuservalue(L, -2, 1);
    waiting->timer = loop_timer_start(app_of(L)->loop, (uint64_t)(seconds * 1000), time_over, waiting);
    if (!waiting->timer)
        return luaL_error(L, "out of memory");
    waiting->watched = watched;
    watched->waiting = waiting;
    waiting->wait.started = true;
    return wait_for(L, lua_gettop(L));
}

/* ---- the folder ---- */

static void close_events(struct watched *watched)
{
    folder_events_free(watched->events);
    watched->events = NULL;
}

/* folder:close(): nothing is waited for any more */
static int folder_close(lua_State *L)
{
    struct watched *watched = luaL_checkudata(L, 1, FOLDER_TYPE);
    close_events(watched);
    if (watched->waiting)
        something_happened(watched);
    return 0;
}

static int folder_collect(lua_State *L)
{
    struct watched *watched = luaL_checkudata(L, 1, FOLDER_TYPE);
    close_events(watched);
    folder_free(watched->folder);
    watched->folder = NULL;
    return 0;
}

/* open(directory, pattern) → folder, whose files are those that match */
static int native_open(lua_State *L)
{
    const char *directory = luaL_checkstring(L, 1), *pattern = luaL_checkstring(L, 2);
    struct watched *watched = lua_newuserdatauv(L, sizeof *watched, 0);
    struct err err;
    err_clear(&err);
    memset(watched, 0, sizeof *watched);
    luaL_setmetatable(L, FOLDER_TYPE);
    watched->folder = folder_new(directory, pattern, &err);
    if (!watched->folder)
        return fail_with(L, &err);
    watched->events = folder_events_new(app_of(L)->loop, something_happened, watched);
    return watched->events ? 1 : luaL_error(L, "out of memory");
}

/* An absolute path, so that the same file has the same one from wherever it is watched. */
static bool push_absolute(lua_State *L, const char *path)
{
    char here[PATH_MAX];
    while (path[0] == '.' && path[1] == '/')
        path += 2;
    if (path[0] == '/') {
        lua_pushstring(L, path);
        return true;
    }
    if (!getcwd(here, sizeof here))
        return false;
    if (strcmp(path, ".") == 0)
        lua_pushstring(L, here);
    else
        lua_pushfstring(L, "%s/%s", strcmp(here, "/") == 0 ? "" : here, path);
    return true;
}

/* split(pattern) → directory, absolute, and the pattern of names | nil, err */
static int native_split(lua_State *L)
{
    size_t len;
    const char *path = luaL_checklstring(L, 1, &len);
    char *directory = NULL, *name = NULL;
    struct err err;
    err_clear(&err);
    luaL_argcheck(L, strlen(path) == len, 1, "a path has no NUL byte");
    if (!glob_split(path, &directory, &name, &err))
        return fail_with(L, &err);
    bool known = push_absolute(L, directory);
    lua_pushstring(L, name);
    free(directory);
    free(name);
    if (known)
        return 2;
    err_errno(&err, ERR_SYSTEM, errno, "the working directory is not known");
    return fail_with(L, &err);
}

int open_native_folder(lua_State *L)
{
    static const luaL_Reg functions[] = {{"open", native_open}, {"split", native_split}, {"examine", native_examine},
                                         {"move", native_move}, {NULL, NULL}};
    static const luaL_Reg methods[] = {{"look", folder_look},   {"changes", folder_changes}, {"wait", folder_wait},
                                       {"close", folder_close}, {NULL, NULL}};
    luaL_newmetatable(L, FOLDER_TYPE);
    lua_pushcfunction(L, folder_collect);
    lua_setfield(L, -2, "__gc");
    luaL_newlib(L, methods);
    lua_setfield(L, -2, "__index");
    luaL_newlib(L, functions);
    return 1;
}
