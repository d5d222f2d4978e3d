#include "core/file_identity.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>

void file_identity_of(const struct stat *info, struct file_identity *out)
{
    *out = (struct file_identity){.device = (uint64_t)info->st_dev,
                                  .inode = (uint64_t)info->st_ino,
                                  .size = (uint64_t)info->st_size,
                                  .modified = (int64_t)info->st_mtim.tv_sec * 1000000000 + info->st_mtim.tv_nsec};
}

static bool same_inode(const struct file_identity *a, const struct file_identity *b)
{
    return a->device == b->device && a->inode == b->inode;
}

/* What a person should be told; NULL when nothing happened. */
static const char *what_happened(const struct file_identity *was, int fd, const char *path)
{
    struct stat info;
    struct file_identity now;
    if (fstat(fd, &info) != 0)
        return "cannot be looked at any more";
    file_identity_of(&info, &now);
    if (!same_inode(was, &now))
        return "is not the file that was checked: it was replaced";
    if (now.size > was->size)
        return "has grown while it was read";
    if (now.size < was->size)
        return "has become shorter while it was read";
    if (now.modified != was->modified)
        return "has changed while it was read";
    if (!path)
        return NULL;
    if (stat(path, &info) != 0)
        return errno == ENOENT ? "was removed while it was read" : "cannot be looked at any more";
    file_identity_of(&info, &now);
    return same_inode(was, &now) ? NULL : "was replaced while it was read";
}

bool file_identity_check(const struct file_identity *was, int fd, const char *path, struct err *err)
{
    const char *happened = what_happened(was, fd, path);
    if (!happened)
        return true;
    if (path)
        err_at(err, path, 0, 0, NULL);
    return err_set(err, ERR_FILE, "%s: start again when nothing writes to it any more", happened);
}

void file_identity_text(const struct file_identity *identity, char out[FILE_IDENTITY_TEXT])
{
    snprintf(out, FILE_IDENTITY_TEXT, "%" PRIx64 ":%" PRIx64 ":%" PRIu64 ":%" PRId64, identity->device, identity->inode,
             identity->size, identity->modified);
}

bool file_identity_parse(const char *text, struct file_identity *out)
{
    int end = 0;
    return sscanf(text, "%" SCNx64 ":%" SCNx64 ":%" SCNu64 ":%" SCNd64 "%n", &out->device, &out->inode, &out->size,
                  &out->modified, &end) == 4 &&
           text[end] == '\0';
}
