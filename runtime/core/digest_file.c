#include "core/digest_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

/* A slice in the thread pool stays well under 20 ms: MD5 does some 600 MB/s. */
#define SLICE ((size_t)4 << 20)

struct digest_file {
    int fd;
    uint64_t size, position;
    struct digest *digest;
    char *buffer;
    struct err failure;
    struct loop_work *work;
    bool cancelled; /* the slice that runs cannot be cut short: freed when it has ended */
    void (*done)(void *arg, const char *text, const struct err *e);
    void *arg;
};

static void file_free(struct digest_file *file)
{
    if (file->fd >= 0)
        close(file->fd);
    digest_free(file->digest);
    free(file->buffer);
    free(file);
}

static bool slice(void *arg)
{
    struct digest_file *file = arg;
    uint64_t left = file->size - file->position;
    ssize_t n = pread(file->fd, file->buffer, left < SLICE ? (size_t)left : SLICE, (off_t)file->position);
    if (n < 0)
        return err_errno(&file->failure, ERR_FILE, errno, "cannot read the file");
    if (n == 0 && left > 0)
        return err_set(&file->failure, ERR_FILE, "ended before its size");
    if (!digest_add(file->digest, file->buffer, (size_t)n, &file->failure))
        return false;
    file->position += (uint64_t)n;
    return file->position < file->size;
}

static void slices_done(void *arg)
{
    struct digest_file *file = arg;
    char text[DIGEST_TEXT] = "";
    if (!file->cancelled) {
        if (!file->failure.code[0])
            (void)!digest_text(file->digest, text, &file->failure);
        file->done(file->arg, text, &file->failure);
    }
    file_free(file);
}

struct digest_file *digest_file_start(struct loop *loop, int fd, uint64_t size,
                                      void (*done)(void *arg, const char *text, const struct err *e),
                                      void *arg, struct err *e)
{
    struct digest_file *file = calloc(1, sizeof *file);
    if (!file) {
        err_set(e, ERR_MEMORY, "cannot compute the file's MD5: out of memory");
        return NULL;
    }
    file->size = size;
    file->done = done;
    file->arg = arg;
    file->fd = fcntl(fd, F_DUPFD_CLOEXEC, 0);
    if (file->fd < 0) {
        err_errno(e, ERR_FILE, errno, "cannot read the file");
        goto failed;
    }
    file->digest = digest_new(e);
    if (!file->digest)
        goto failed;
    file->buffer = malloc(SLICE);
    file->work = file->buffer ? loop_work_start(loop, slice, slices_done, file) : NULL;
    if (file->work)
        return file;
    err_set(e, ERR_MEMORY, "cannot compute the file's MD5: out of memory");
failed:
    file_free(file);
    return NULL;
}

void digest_file_cancel(struct digest_file *file)
{
    if (!file)
        return;
    file->cancelled = true;
    loop_work_cancel(file->work);
}
