/* What is written of an object. A large one goes past the page cache (O_DIRECT), where the file system can do so: it is synced
 * before it is answered for in any case, a copy through the cache costs more than its encryption, and would push out of memory
 * what others read. Its end, which fills no block of the disk, goes through the cache. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "local/objects_private.h"

#define ALIGNMENT ((size_t)4096)
#define DIRECT_BLOCK ((size_t)256 << 10) /* that is written at once: smaller ones take longer in all */

static bool set_direct(int fd, bool direct)
{
    int flags = fcntl(fd, F_GETFL);
    return flags >= 0 && fcntl(fd, F_SETFL, direct ? flags | O_DIRECT : flags & ~O_DIRECT) == 0;
}

bool object_output_begin(struct object_output *output, int fd, bool direct, struct err *err)
{
    void *buffer;
    *output = (struct object_output){.fd = fd, .direct = direct && set_direct(fd, true)};
    output->block = output->direct ? DIRECT_BLOCK : 0;
    if (posix_memalign(&buffer, ALIGNMENT, output->block + OBJECT_OUTPUT_ROOM) != 0)
        return err_set(err, ERR_MEMORY, "out of memory");
    output->buffer = buffer;
    return true;
}

unsigned char *object_output_room(struct object_output *output)
{
    return output->buffer + output->len;
}

/* Some file systems take the flag, and refuse the write, or what is left of one that they took a part of. */
static bool go_through_cache(struct object_output *output, int number)
{
    if (!output->direct || number != EINVAL || !set_direct(output->fd, false))
        return false;
    output->direct = false;
    return true;
}

static bool write_out(struct object_output *output, size_t len, struct err *err)
{
    for (size_t done = 0; done < len;) {
        ssize_t n = write(output->fd, output->buffer + done, len - done);
        int number = n < 0 ? errno : EIO;
        if (n > 0)
            done += (size_t)n;
        else if (number != EINTR && !go_through_cache(output, number))
            return object_failed(err, number, "the uploaded file cannot be kept");
    }
    output->len -= len;
    memmove(output->buffer, output->buffer + len, output->len);
    return true;
}

bool object_output_add(struct object_output *output, size_t len, struct err *err)
{
    output->len += len;
    return output->len < output->block || write_out(output, output->block ? output->block : output->len, err);
}

bool object_output_end(struct object_output *output, struct err *err)
{
    if (output->direct && !set_direct(output->fd, false))
        return object_failed(err, errno, "the uploaded file cannot be kept");
    output->direct = false;
    return output->len == 0 || write_out(output, output->len, err);
}

void object_output_free(struct object_output *output)
{
    free(output->buffer);
    output->buffer = NULL;
}
