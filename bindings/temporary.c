/* temporary: directories for the time of a run, mode 0700, and what is left of those of processes that were killed.
 *
 * Each has a file "lock" that its process holds with flock(2) while it lives, and into which it has written its number by then:
 * one that can be locked belongs to nobody any more. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "bindings/app.h"

#define PREFIX "upjob-"

static const char *temporary_root(void)
{
    const char *root = getenv("TMPDIR");
    return root && *root ? root : "/tmp";
}

/* temporary_directory() → path, mode 0700 | nil, err. Whoever works in it locks it. */
int native_temporary_directory(lua_State *L)
{
    char path[PATH_MAX];
    struct err e;
    snprintf(path, sizeof path, "%s/" PREFIX "XXXXXX", temporary_root());
    if (!mkdtemp(path)) {
        int errnum = errno;
        err_clear(&e);
        err_errno(&e, ERR_CONFIG, errnum, "cannot make a temporary directory in %s (TMPDIR says where)", temporary_root());
        return fail_with(L, &e);
    }
    lua_pushstring(L, path);
    return 1;
}

static int remove_one(const char *path, const struct stat *info, int type, struct FTW *walk)
{
    (void)info;
    (void)type;
    (void)walk;
    return remove(path);
}

/* Links are not followed. */
static bool remove_tree(const char *path)
{
    return nftw(path, remove_one, 16, FTW_DEPTH | FTW_PHYS) == 0 || errno == ENOENT;
}

/* remove_tree(path): deletes a directory with all that is in it */
int native_remove_tree(lua_State *L)
{
    const char *path = luaL_checkstring(L, 1);
    struct err e;
    if (!remove_tree(path)) {
        int errnum = errno;
        err_clear(&e);
        err_at(&e, path, 0, 0, NULL);
        err_errno(&e, ERR_FILE, errnum, "cannot remove the directory");
        return fail_with(L, &e);
    }
    lua_pushboolean(L, 1);
    return 1;
}

/* The lock of an abandoned directory of this user, now held by us, or -1. */
static int lock_abandoned(int root, const char *name)
{
    struct stat info;
    int lock = -1;
    int directory = openat(root, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (directory < 0)
        return -1;
    if (fstat(directory, &info) == 0 && info.st_uid == geteuid() && (info.st_mode & 07777) == 0700)
        lock = openat(directory, "lock", O_RDWR | O_NOFOLLOW | O_CLOEXEC);
    close(directory);
    /* An empty lock file is one that its process has not come to lock yet. */
    if (lock >= 0 && (fstat(lock, &info) != 0 || info.st_size == 0 || flock(lock, LOCK_EX | LOCK_NB) != 0)) {
        close(lock);
        lock = -1;
    }
    return lock;
}

/* sweep_temporary(): removes what processes that were killed have left of temporary directories */
int native_sweep_temporary(lua_State *L)
{
    const char *root = temporary_root();
    DIR *list = opendir(root);
    (void)L;
    for (struct dirent *entry; list && (entry = readdir(list));) {
        char path[PATH_MAX];
        if (strncmp(entry->d_name, PREFIX, sizeof PREFIX - 1) != 0)
            continue;
        int lock = lock_abandoned(dirfd(list), entry->d_name);
        if (lock < 0)
            continue;
        /* What cannot be removed is left for the next run. */
        if (snprintf(path, sizeof path, "%s/%s", root, entry->d_name) < (int)sizeof path)
            (void)remove_tree(path);
        close(lock);
    }
    if (list)
        closedir(list);
    return 0;
}
