#ifndef _GNU_SOURCE
#define _GNU_SOURCE /* O_TMPFILE, mkostemp */
#endif

#include "core/newfile.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

struct newfile {
    int fd;
    bool named; /* the temporary name is there */
    const char *what;
    char *temporary; /* path.XXXXXX */
    char *path;
};

/* In the directory of the path, without a name until it is whole, so that a kill leaves nothing of it; where the file system has
 * no nameless files, under the temporary name. Mode 0600. */
static int open_beside(struct newfile *file)
{
    char *slash = strrchr(file->path, '/'), first = slash ? slash[1] : '\0';
    if (slash)
        slash[1] = '\0';
    int fd = open(slash ? file->path : ".", O_TMPFILE | O_WRONLY | O_CLOEXEC, 0600);
    if (slash)
        slash[1] = first;
    if (fd >= 0)
        return fd;
    fd = mkostemp(file->temporary, O_CLOEXEC);
    file->named = fd >= 0;
    return fd;
}

struct newfile *newfile_open(const char *path, const char *what, struct err *err)
{
    size_t size = strlen(path) + sizeof ".XXXXXX";
    struct newfile *file = calloc(1, sizeof *file);
    if (file) {
        file->fd = -1;
        file->what = what;
        file->path = strdup(path);
        file->temporary = malloc(size);
    }
    if (!file || !file->path || !file->temporary) {
        newfile_free(file);
        err_set(err, ERR_MEMORY, "no memory for %s", what);
        return NULL;
    }
    snprintf(file->temporary, size, "%s.XXXXXX", path);
    file->fd = open_beside(file);
    if (file->fd >= 0)
        return file;
    err_errno(err, ERR_FILE, errno, "a file for %s cannot be made here", what);
    err_at(err, path, 0, 0, NULL);
    newfile_free(file);
    return NULL;
}

static bool fail(const struct newfile *file, struct err *err)
{
    err_errno(err, ERR_SYSTEM, errno, "%s cannot be written", file->what);
    return err_at(err, file->path, 0, 0, NULL);
}

bool newfile_write(void *arg, const char *bytes, size_t len, struct err *err)
{
    struct newfile *file = arg;
    while (len > 0) {
        ssize_t n = write(file->fd, bytes, len);
        if (n < 0 && errno != EINTR)
            return fail(file, err);
        bytes += n > 0 ? n : 0;
        len -= n > 0 ? (size_t)n : 0;
    }
    return true;
}

static bool keep_earlier(const struct newfile *file)
{
    struct stat st;
    size_t size = strlen(file->path) + sizeof "~";
    if (stat(file->path, &st) < 0 || st.st_size == 0)
        return true;
    char *kept = malloc(size);
    if (kept)
        snprintf(kept, size, "%s~", file->path);
    bool moved = kept && rename(file->path, kept) == 0;
    free(kept);
    return moved;
}

/* A file that is there cannot be replaced by one without a name: it is given one that mkostemp finds to be free. */
static bool give_name(struct newfile *file)
{
    char link[64];
    int fd = file->named ? -1 : mkostemp(file->temporary, O_CLOEXEC);
    if (fd < 0)
        return file->named;
    close(fd);
    snprintf(link, sizeof link, "/proc/self/fd/%d", file->fd);
    file->named = unlink(file->temporary) == 0 && linkat(AT_FDCWD, link, AT_FDCWD, file->temporary, AT_SYMLINK_FOLLOW) == 0;
    return file->named;
}

bool newfile_finish(struct newfile *file, bool keep, struct err *err)
{
    if (!give_name(file))
        return fail(file, err);
    int fd = file->fd;
    file->fd = -1;
    /* close(2) may be the first to tell that the disk is full. */
    if (close(fd) < 0 || (keep && !keep_earlier(file)) || rename(file->temporary, file->path) < 0)
        return fail(file, err);
    file->named = false;
    return true;
}

void newfile_free(struct newfile *file)
{
    if (!file)
        return;
    if (file->fd >= 0)
        close(file->fd);
    if (file->named)
        unlink(file->temporary);
    free(file->temporary);
    free(file->path);
    free(file);
}
