#include "core/move_file.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "core/loop.h"
#include "core/move_name.h"

#define COPY_BLOCK ((size_t)1 << 20)
#define SLICE_MS 10
#define NAMES_TRIED 1000

struct move_file {
    char *path, *directory;
    const char *name; /* in path */
    struct file_identity identity;
    char to[PATH_MAX];
    char copy[PATH_MAX]; /* what is being written on another file system; "" when nothing is, or it has no name yet */
    int from_fd, to_fd;
    bool done;
    struct err err;
};

struct move_file *move_file_new(const char *path, const struct file_identity *identity, const char *directory, struct err *err)
{
    struct move_file *move = calloc(1, sizeof *move);
    if (move) {
        move->from_fd = move->to_fd = -1;
        move->path = strdup(path);
        move->directory = strdup(directory);
    }
    if (!move || !move->path || !move->directory) {
        move_file_free(move);
        err_set(err, ERR_MEMORY, "no memory to move a file");
        return NULL;
    }
    const char *slash = strrchr(move->path, '/');
    move->name = slash ? slash + 1 : move->path;
    move->identity = *identity;
    err_clear(&move->err);
    return move;
}

static void close_both(struct move_file *move)
{
    if (move->from_fd >= 0)
        close(move->from_fd);
    if (move->to_fd >= 0)
        close(move->to_fd);
    move->from_fd = move->to_fd = -1;
}

static void drop_copy(struct move_file *move)
{
    close_both(move);
    if (move->copy[0])
        unlink(move->copy);
    move->copy[0] = '\0';
}

void move_file_free(struct move_file *move)
{
    if (!move)
        return;
    drop_copy(move);
    free(move->path);
    free(move->directory);
    free(move);
}

static bool fail(struct move_file *move, int error, const char *what)
{
    err_at(&move->err, move->path, 0, 0, NULL);
    return err_errno(&move->err, ERR_FILE, error, "%s %.200s", what, move->directory);
}

/* ---- is it the file that was meant? ---- */

static bool is_same(const struct file_identity *a, const struct file_identity *b)
{
    return a->device == b->device && a->inode == b->inode && a->size == b->size && a->modified == b->modified;
}

static bool is_meant(const struct move_file *move, const char *path)
{
    struct stat info;
    struct file_identity now;
    if (lstat(path, &info) != 0)
        return false;
    file_identity_of(&info, &now);
    return is_same(&now, &move->identity);
}

static bool fail_changed(struct move_file *move)
{
    struct stat info;
    err_at(&move->err, move->path, 0, 0, NULL);
    if (lstat(move->path, &info) != 0 && errno == ENOENT)
        return err_set(&move->err, ERR_FILE_GONE, "it is not there any more, and is not in %.300s either", move->directory);
    return err_set(&move->err, ERR_FILE_CHANGED, "it has changed since it was taken, and is to be taken again as it is now");
}

/* A copy keeps size and time, and so is known again on another file system. */
static bool is_copy(const struct move_file *move, const char *path)
{
    struct stat info;
    struct file_identity now;
    if (lstat(path, &info) != 0 || !S_ISREG(info.st_mode))
        return false;
    file_identity_of(&info, &now);
    return now.size == move->identity.size && now.modified == move->identity.modified;
}

/* An earlier try has moved it: under its name, or with a time in it. */
static bool was_moved(struct move_file *move)
{
    size_t kept = move_name_kept(move->name);
    DIR *list = opendir(move->directory);
    bool found = false;
    for (struct dirent *entry; !found && list && (entry = readdir(list));) {
        if (strncmp(entry->d_name, move->name, kept) != 0 ||
            snprintf(move->to, sizeof move->to, "%s/%s", move->directory, entry->d_name) >= (int)sizeof move->to)
            continue;
        found = is_copy(move, move->to);
    }
    if (list)
        closedir(list);
    return found;
}

/* ---- where it goes ---- */

/* As it should be: there, and not where the file is already. */
static bool check_directory(struct move_file *move, const struct stat *directory, const struct stat *home)
{
    if (!S_ISDIR(directory->st_mode))
        return fail(move, ENOTDIR, "cannot be moved to");
    if (directory->st_dev != home->st_dev || directory->st_ino != home->st_ino)
        return true;
    err_at(&move->err, move->path, 0, 0, NULL);
    return err_set(&move->err, ERR_FILE, "it is in %.300s already, where it would be taken again: name another directory",
                   move->directory);
}

/* A service may not be allowed to set the bits above those of permissions (systemd's RestrictSUIDSGID). */
static int set_mode(const char *path, mode_t mode)
{
    if (chmod(path, mode & 07777) == 0)
        return 0;
    return errno == EPERM ? chmod(path, mode & 0777) : -1;
}

/* With its parents; as the directory that the file is in. */
static bool make_directory(struct move_file *move)
{
    char path[PATH_MAX];
    struct stat info, there;
    int len = (int)(move->name - move->path);
    if (snprintf(path, sizeof path, "%.*s.", len, move->path) >= (int)sizeof path || stat(path, &info) != 0)
        return fail(move, errno, "cannot be moved to");
    if (stat(move->directory, &there) == 0)
        return check_directory(move, &there, &info);
    snprintf(path, sizeof path, "%s", move->directory);
    for (char *p = path + 1;; p++) {
        char end = *p;
        if (end && end != '/')
            continue;
        *p = '\0';
        if (mkdir(path, 0700) == 0) {
            /* Owners other than ours are given where we may. */
            if (chown(path, info.st_uid, info.st_gid) != 0 && errno != EPERM)
                return fail(move, errno, "cannot be moved to");
            if (set_mode(path, info.st_mode) != 0)
                return fail(move, errno, "cannot be moved to");
        } else if (errno != EEXIST) {
            return fail(move, errno, "cannot be moved: there is no directory, and none can be made, at");
        }
        if (!end)
            return true;
        *p = end;
    }
}

/* The path of the nth try. False when it is too long. */
static bool name_target(struct move_file *move, int n)
{
    char name[MOVE_NAME_SIZE];
    return move_name(move->name, n, time(NULL), name) &&
           snprintf(move->to, sizeof move->to, "%s/%s", move->directory, name) < (int)sizeof move->to;
}

/* Renames, where nothing is yet: 0 or errno. */
static int rename_new(const char *from, const char *to)
{
    struct stat info;
    if (renameat2(AT_FDCWD, from, AT_FDCWD, to, RENAME_NOREPLACE) == 0)
        return 0;
    if (errno != EINVAL && errno != ENOSYS && errno != ENOTSUP)
        return errno;
    /* File systems without it, as NFS. */
    if (link(from, to) == 0)
        return unlink(from) == 0 ? 0 : errno;
    if (errno != EPERM && errno != ENOTSUP && errno != EMLINK)
        return errno;
    if (lstat(to, &info) == 0)
        return EEXIST;
    return rename(from, to) == 0 ? 0 : errno;
}

/* Gives a file without a name one, where nothing is yet: 0 or errno. */
static int link_new(int fd, const char *to)
{
    char link[64];
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    return linkat(AT_FDCWD, link, AT_FDCWD, to, AT_SYMLINK_FOLLOW) == 0 ? 0 : errno;
}

/* What is at `from`, or "" for the copy without a name, under the first name that is free: 0 or errno. */
static int put_free(struct move_file *move, const char *from)
{
    int error = EEXIST;
    for (int n = 0; n < NAMES_TRIED && error == EEXIST; n++) {
        error = ENAMETOOLONG;
        if (name_target(move, n))
            error = *from ? rename_new(from, move->to) : link_new(move->to_fd, move->to);
    }
    return error;
}

/* What a crash of the machine would undo: the file would be there again, and taken for one that was done. Where a directory
 * cannot be synced there is nothing to do about it. */
static void sync_directory(const char *path, int len)
{
    char directory[PATH_MAX];
    if (snprintf(directory, sizeof directory, "%.*s.", len, path) >= (int)sizeof directory)
        return;
    int fd = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return;
    (void)fsync(fd);
    close(fd);
}

static void sync_directories(const struct move_file *move)
{
    sync_directory(move->to, (int)(strrchr(move->to, '/') + 1 - move->to));
    sync_directory(move->path, (int)(move->name - move->path));
}

static bool fail_replaced(struct move_file *move, const char *now)
{
    err_at(&move->err, move->path, 0, 0, NULL);
    return err_set(&move->err, ERR_FILE_CHANGED, "it was replaced while it was moved, and what replaced it is now %.400s: it has "
                                                 "not been taken, move it back", now);
}

/* A writer may have put another file there between our look and the move: it goes back. */
static bool check_moved(struct move_file *move)
{
    if (is_meant(move, move->to))
        return true;
    return rename_new(move->to, move->path) == 0 ? fail_changed(move) : fail_replaced(move, move->to);
}

/* ---- to another file system ---- */

/* Without a name until it is whole, so that a kill leaves nothing of it; where the file system has no such files, under one. */
static int open_copy(struct move_file *move)
{
    int fd = open(move->directory, O_TMPFILE | O_WRONLY | O_CLOEXEC, 0600);
    if (fd >= 0)
        return fd;
    int len = snprintf(move->copy, sizeof move->copy, "%s/.upjob-XXXXXX", move->directory);
    errno = ENAMETOOLONG;
    fd = len < (int)sizeof move->copy ? mkostemp(move->copy, O_CLOEXEC) : -1;
    if (fd < 0)
        move->copy[0] = '\0';
    return fd;
}

static bool begin_copy(struct move_file *move)
{
    struct stat info;
    struct file_identity now;
    move->from_fd = open(move->path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    move->to_fd = move->from_fd >= 0 ? open_copy(move) : -1;
    if (move->to_fd < 0)
        return fail(move, errno, "cannot be copied to");
    if (fstat(move->from_fd, &info) != 0)
        return fail(move, errno, "cannot be copied to");
    file_identity_of(&info, &now);
    return is_same(&now, &move->identity) || fail_changed(move);
}

/* Blocks until the time of a slice is over or the end is reached: *more. */
static bool copy_blocks(struct move_file *move, bool *more)
{
    uint64_t until = loop_now() + SLICE_MS;
    char *block = malloc(COPY_BLOCK);
    ssize_t n = -1, written = 0;
    if (!block)
        errno = ENOMEM;
    while (block && (n = read(move->from_fd, block, COPY_BLOCK)) > 0) {
        for (ssize_t at = 0; at < n; at += written)
            if ((written = write(move->to_fd, block + at, (size_t)(n - at))) < 0)
                break;
        if (written < 0 || loop_now() >= until)
            break;
    }
    int error = errno;
    free(block);
    *more = n > 0;
    return (n >= 0 && written >= 0) || fail(move, error, "cannot be copied to");
}

/* A writer may have put another file there since we looked: what is there is looked at under a name of its own before it is
 * removed, and goes back when it is another. */
static bool remove_original(struct move_file *move)
{
    char aside[PATH_MAX];
    int error = EEXIST, len = (int)(move->name - move->path);
    for (int n = 0; n < NAMES_TRIED && error == EEXIST; n++) {
        bool fits = snprintf(aside, sizeof aside, "%.*s.upjob-%d-%d", len, move->path, (int)getpid(), n) < (int)sizeof aside;
        error = fits ? rename_new(move->path, aside) : ENAMETOOLONG;
    }
    if (error == ENOENT)
        return true;
    if (error)
        return fail(move, error, "was copied, but cannot be removed, to");
    if (is_meant(move, aside))
        return unlink(aside) == 0 || fail(move, errno, "was copied, but cannot be removed, to");
    return rename_new(aside, move->path) == 0 || fail_replaced(move, aside);
}

static bool end_copy(struct move_file *move)
{
    struct stat info;
    if (fstat(move->from_fd, &info) != 0)
        return fail(move, errno, "cannot be copied to");
    struct timespec times[2] = {info.st_atim, info.st_mtim};
    /* Owners other than ours are given where we may. */
    if ((fchown(move->to_fd, info.st_uid, info.st_gid) != 0 && errno != EPERM) ||
        fchmod(move->to_fd, info.st_mode & 0777) != 0 || futimens(move->to_fd, times) != 0 || fsync(move->to_fd) != 0)
        return fail(move, errno, "cannot be copied to");
    if (!is_meant(move, move->path))
        return fail_changed(move);
    int error = put_free(move, move->copy);
    if (error)
        return fail(move, error, "cannot be moved to");
    move->copy[0] = '\0';
    sync_directory(move->to, (int)(strrchr(move->to, '/') + 1 - move->to));
    return remove_original(move);
}

/* ---- the work ---- */

/* By a rename; *across when that would be to another file system. */
static bool move_here(struct move_file *move, bool *across)
{
    if (!is_meant(move, move->path))
        return was_moved(move) || fail_changed(move);
    if (!make_directory(move))
        return false;
    int error = put_free(move, move->path);
    *across = error == EXDEV;
    if (error && !*across)
        return fail(move, error, "cannot be moved to");
    return *across || check_moved(move);
}

bool move_file_slice(void *arg)
{
    struct move_file *move = arg;
    bool across = false, more = false;
    if (move->from_fd < 0) {
        move->done = move_here(move, &across);
        if (across && (move->done = begin_copy(move)))
            return true;
    } else {
        move->done = copy_blocks(move, &more);
        if (move->done && more)
            return true;
        move->done = move->done && end_copy(move);
    }
    if (move->done)
        sync_directories(move);
    drop_copy(move);
    return false;
}

const char *move_file_ended(struct move_file *move, struct err *err)
{
    if (move->done)
        return move->to;
    *err = move->err;
    return NULL;
}
