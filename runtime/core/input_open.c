#include "core/input_private.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/module.h"

bool input_is_utf8_name(const char *name)
{
    return strcasecmp(name, "UTF-8") == 0 || strcasecmp(name, "UTF8") == 0;
}

const struct charset_module *input_charset(struct err *err)
{
    return module_find(CHARSET_MODULE, CHARSET_MODULE_SYMBOL, err);
}

static bool take_encoding(struct input *input, const char *name, struct err *err)
{
    input->encoding[0] = '\0';
    if (!name)
        return true;
    if (input_is_utf8_name(name)) {
        memcpy(input->encoding, "UTF-8", sizeof "UTF-8");
        return true;
    }
    const struct charset_module *module = input_charset(err);
    return module && module->canonical(name, input->encoding, err);
}

/* At the beginning again, with nothing known of what is read. */
static bool reset(struct input *input, const struct input_options *options, struct err *err)
{
    static const struct input_options none;
    if (!options)
        options = &none;
    stage_free(&input->unpack);
    stage_free(&input->convert);
    stage_init(&input->unpack, input_bytes_until_broken, input);
    stage_init(&input->convert, stage_read, &input->unpack);
    input->begun = input->unpack_known = input->had_mark = input->invalid = input->after_cr = false;
    input->compression = INPUT_PLAIN;
    input->found = NULL;
    input->given = 0;
    input->lines = 0;
    err_clear(&input->failure);
    err_clear(&input->broken);
    input->keep_invalid = options->keep_invalid;
    input->max_bytes = options->max_bytes;
    input->skip = options->skip;
    char *temporary = options->temporary ? strdup(options->temporary) : NULL;
    free(input->temporary);
    input->temporary = temporary;
    if (options->temporary && !temporary)
        return err_set(err, ERR_MEMORY, "no memory for an input");
    return take_encoding(input, options->encoding, err);
}

static struct input *make(const char *name, const struct input_options *options, struct err *err)
{
    struct input *input = calloc(1, sizeof *input);
    if (!input) {
        err_set(err, ERR_MEMORY, "no memory for an input");
        return NULL;
    }
    input->fd = input->spool = -1;
    input->name = strdup(name);
    if (!input->name)
        err_set(err, ERR_MEMORY, "no memory for an input");
    else if (reset(input, options, err))
        return input;
    input_close(input);
    return NULL;
}

/* What never ends, or is no sequence of bytes. What was handed over is what its giver made it. */
static bool take_kind(struct input *input, bool handed_over, struct err *err)
{
    struct stat st;
    if (fstat(input->fd, &st) != 0)
        return err_errno(err, ERR_FILE, errno, "cannot be opened");
    if (S_ISDIR(st.st_mode))
        return err_set(err, ERR_FILE, "is a directory, not a CSV file");
    input->regular = S_ISREG(st.st_mode);
    if (!input->regular && !S_ISFIFO(st.st_mode) && !handed_over && !isatty(input->fd))
        return err_set(err, ERR_FILE, "is a device, not a CSV file: give a file or a pipe");
    if (!input->regular)
        return true;
    file_identity_of(&st, &input->identity);
    off_t at = lseek(input->fd, 0, SEEK_CUR);
    input->start = input->at = at > 0 ? (uint64_t)at : 0;
    input->total = input->identity.size > input->start ? input->identity.size - input->start : 0;
    posix_fadvise(input->fd, 0, 0, POSIX_FADV_SEQUENTIAL);
    return true;
}

static struct input *open_descriptor(struct input *input, int fd, bool handed_over, struct err *err)
{
    int errnum = errno;
    input->fd = fd;
    if (fd < 0 ? err_errno(err, ERR_FILE, errnum, "cannot be opened") : take_kind(input, handed_over, err))
        return input;
    err_at(err, input->name, 0, 0, NULL);
    input_close(input);
    return NULL;
}

struct input *input_open_fd(int fd, const char *name, const struct input_options *options, struct err *err)
{
    struct input *input = make(name, options, err);
    return input ? open_descriptor(input, fcntl(fd, F_DUPFD_CLOEXEC, 3), true, err) : NULL;
}

struct input *input_open_file(int fd, const char *name, const struct input_options *options, struct err *err)
{
    struct input *input = input_open_fd(fd, name, options, err);
    if (!input)
        return NULL;
    input->start = input->at = 0;
    input->total = input->identity.size;
    if (input->regular)
        return input;
    err_set(err, ERR_FILE, "is not a regular file");
    err_at(err, name, 0, 0, NULL);
    input_close(input);
    return NULL;
}

struct input *input_open(const char *path, const struct input_options *options, struct err *err)
{
    if (strcmp(path, "-") == 0)
        return input_open_fd(STDIN_FILENO, "standard input", options, err);
    struct input *input = make(path, options, err);
    if (!input)
        return NULL;
    input->path = strdup(path);
    if (!input->path) {
        err_set(err, ERR_MEMORY, "no memory for an input");
        input_close(input);
        return NULL;
    }
    /* A pipe that nobody writes to yet would hold up the opening. */
    return open_descriptor(input, open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY), false, err);
}

struct input *input_open_source(csv_source source, void *arg, const char *name, const struct input_options *options,
                                struct err *err)
{
    struct input *input = make(name, options, err);
    if (input) {
        input->source = source;
        input->arg = arg;
    }
    return input;
}

void input_close(struct input *input)
{
    if (!input)
        return;
    stage_free(&input->unpack);
    stage_free(&input->convert);
    if (input->fd >= 0)
        close(input->fd);
    if (input->spool >= 0)
        close(input->spool);
    free(input->buffer);
    free(input->temporary);
    free(input->path);
    free(input->name);
    free(input);
}

/* ---- again ---- */

bool input_can_rewind(const struct input *input)
{
    return input->regular;
}

bool input_rewind(struct input *input, const struct input_options *options, struct err *err)
{
    if (!input->regular)
        return err_set(err, ERR_INTERNAL, "%s cannot be read twice", input->name);
    input->at = input->start;
    return reset(input, options, err);
}

/* ---- what is known ---- */

bool input_waits(const struct input *input, int *fd)
{
    *fd = input->fd;
    return input->waits;
}

enum input_compression input_compression(const struct input *input)
{
    return input->compression;
}

const char *input_encoding(const struct input *input)
{
    return input->found;
}

bool input_had_mark(const struct input *input)
{
    return input->had_mark;
}

int input_descriptor(const struct input *input, uint64_t *start)
{
    *start = input->start;
    return input->regular ? input->fd : -1;
}

uint64_t input_bytes_read(const struct input *input)
{
    return input->at - input->start;
}

uint64_t input_bytes_total(const struct input *input)
{
    return input->total;
}

const char *input_name(const struct input *input)
{
    return input->name;
}

bool input_unchanged(const struct input *input, struct err *err)
{
    return !input->regular || file_identity_check(&input->identity, input->fd, input->path, err);
}
