#include "core/csv_output.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

void csv_output_to_sink(struct csv_output *output, csv_sink sink, void *arg)
{
    memset(output, 0, sizeof *output);
    output->sink = sink;
    output->arg = arg;
    output->fd = -1;
}

static bool is_pipe(const char *path)
{
    struct stat st;
    return stat(path, &st) == 0 && S_ISFIFO(st.st_mode);
}

static int open_file(const char *path, struct err *err)
{
    struct stat st;
    /* Opening a named pipe would otherwise wait for its reader, and with it everything else in this process. */
    bool pipe = is_pipe(path);
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | (pipe ? O_NONBLOCK : 0), 0600);
    if (fd < 0 && pipe && errno == ENXIO) {
        err_set(err, ERR_FILE, "is a named pipe that nobody reads: start its reader first");
    } else if (fd < 0) {
        err_errno(err, ERR_FILE, errno, "cannot be written");
    } else if (fstat(fd, &st) == 0 && S_ISREG(st.st_mode) && (st.st_mode & 077) && fchmod(fd, 0600) < 0) {
        /* A file that was there before keeps its mode otherwise, and this one holds personal data. */
        err_errno(err, ERR_FILE, errno, "cannot be made private");
        close(fd);
        return -1;
    }
    return fd;
}

bool csv_output_open(struct csv_output *output, const char *path, struct err *err)
{
    bool standard = strcmp(path, "-") == 0;
    csv_output_to_sink(output, NULL, NULL);
    output->name = strdup(standard ? "standard output" : path);
    if (!output->name)
        return err_set(err, ERR_MEMORY, "no memory for a CSV writer");
    output->owns_fd = !standard;
    output->fd = standard ? STDOUT_FILENO : open_file(path, err);
    if (output->fd >= 0)
        return true;
    err_at(err, output->name, 0, 0, NULL);
    csv_output_free(output);
    return false;
}

bool csv_output_usable(const struct csv_output *output, struct err *err)
{
    if (output->failed) {
        *err = output->failure;
        return false;
    }
    if (output->closed)
        return err_set(err, ERR_USAGE, "the CSV writer is closed");
    return true;
}

static bool cannot_write(const struct csv_output *output, int errnum, struct err *err)
{
    err_errno(err, ERR_FILE, errnum, "cannot be written");
    return err_at(err, output->name, 0, 0, NULL);
}

static bool write_to_file(const struct csv_output *output, const char *bytes, size_t len, struct err *err)
{
    while (len > 0) {
        ssize_t n = write(output->fd, bytes, len);
        if (n >= 0) {
            bytes += n;
            len -= (size_t)n;
        } else if (errno == EAGAIN) {
            struct pollfd ready = {.fd = output->fd, .events = POLLOUT};
            poll(&ready, 1, -1);
        } else if (errno != EINTR) {
            return cannot_write(output, errno, err);
        }
    }
    return true;
}

static bool keep_failure(struct csv_output *output, const struct err *err)
{
    output->failure = *err;
    output->failed = true;
    return false;
}

bool csv_output_write(struct csv_output *output, const char *bytes, size_t len, struct err *err)
{
    if (!csv_output_usable(output, err))
        return false;
    bool done = output->sink ? output->sink(output->arg, bytes, len, err) : write_to_file(output, bytes, len, err);
    return done || keep_failure(output, err);
}

bool csv_output_close(struct csv_output *output, struct err *err)
{
    int fd = output->owns_fd ? output->fd : -1;
    bool was_closed = output->closed;
    output->closed = true;
    output->fd = -1;
    /* Some file systems tell only here that the disk is full. */
    if (!was_closed && fd >= 0 && close(fd) < 0 && !output->failed) {
        cannot_write(output, errno, err);
        return keep_failure(output, err);
    }
    return !output->failed || csv_output_usable(output, err);
}

void csv_output_free(struct csv_output *output)
{
    if (output->owns_fd && output->fd >= 0)
        close(output->fd);
    free(output->name);
}
