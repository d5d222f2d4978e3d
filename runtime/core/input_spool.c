#include "core/input_private.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/tempfile.h"

#define COPY_BYTES ((size_t)128 << 10)

static bool open_spool(struct input *input, struct err *err)
{
    input->buffer = malloc(COPY_BYTES);
    if (!input->buffer)
        return err_set(err, ERR_MEMORY, "no memory for a copy of %s", input->name);
    input->spool = tempfile_open(input->temporary, 0, input->spool_directory, err);
    return input->spool >= 0;
}

/* The copy takes the place of what was copied. */
static bool take_spool(struct input *input, struct err *err)
{
    struct stat st;
    if (fstat(input->spool, &st) != 0)
        return err_errno(err, ERR_SYSTEM, errno, "a temporary file cannot be read");
    if (input->fd >= 0)
        close(input->fd);
    input->fd = input->spool;
    input->spool = -1;
    input->regular = true;
    input->start = input->at = 0;
    input->total = (uint64_t)st.st_size;
    file_identity_of(&st, &input->identity);
    free(input->path); /* what stands at the path now is not the copy */
    input->path = NULL;
    free(input->buffer);
    input->buffer = NULL;
    return true;
}

static enum input_status copy_some(struct input *input, uint64_t bytes, struct err *err)
{
    for (uint64_t copied = 0; copied < bytes;) {
        long n = input_read_bytes(input, input->buffer, COPY_BYTES, err);
        if (n == INPUT_WAITS)
            return INPUT_WAITING;
        if (n < 0)
            return INPUT_FAILED;
        if (n == 0)
            return take_spool(input, err) ? INPUT_DONE : INPUT_FAILED;
        if (!tempfile_write(input->spool, input->buffer, (size_t)n, input->spool_directory, input->name, err))
            return INPUT_FAILED;
        copied += (uint64_t)n;
    }
    return INPUT_MORE;
}

enum input_status input_spool(struct input *input, uint64_t bytes, struct err *err)
{
    if (input->regular)
        return INPUT_DONE;
    enum input_status status = INPUT_FAILED;
    if (input->at > 0 && input->spool < 0)
        err_set(err, ERR_INTERNAL, "what has been read cannot be kept any more");
    else if (input->spool >= 0 || open_spool(input, err))
        status = copy_some(input, bytes, err);
    if (status == INPUT_FAILED && !err->file[0])
        err_at(err, input->name, 0, 0, NULL);
    return status;
}
