#include "core/input_private.h"

#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <string.h>
#include <unistd.h>

#include "core/module.h"
#include "core/text_count.h"

/* ---- the bytes ---- */

/* True when a read would not have to wait. */
static bool has_input(int fd)
{
    struct pollfd ready = {.fd = fd, .events = POLLIN};
    return poll(&ready, 1, 0) != 0;
}

long input_read_bytes(void *arg, char *into, size_t size, struct err *err)
{
    struct input *input = arg;
    ssize_t n = -1;
    if (input->fd < 0) {
        n = input->source(input->arg, into, size, err);
        input->waits = n == INPUT_WAITS;
    } else {
        errno = EAGAIN;
        if (input->regular || has_input(input->fd))
            do
                n = input->regular ? pread(input->fd, into, size, (off_t)input->at) : read(input->fd, into, size);
            while (n < 0 && errno == EINTR);
        input->waits = n < 0 && errno == EAGAIN;
        if (input->waits)
            return INPUT_WAITS;
        if (n < 0)
            err_errno(err, ERR_FILE, errno, "cannot be read");
    }
    if (n > 0)
        input->at += (uint64_t)n;
    return (long)n;
}

/* Where the bytes break off they end, for the time being: what came before is given first, input_read tells the error then. */
long input_bytes_until_broken(void *arg, char *into, size_t size, struct err *err)
{
    struct input *input = arg;
    long n = input->broken.code[0] ? 0 : input_read_bytes(input, into, size, err);
    if (n != -1)
        return n;
    input->broken = *err;
    err_clear(err);
    return 0;
}

/* ---- the beginning ---- */

static bool unpack_with(struct input *input, const char *symbol, struct err *err)
{
    const struct codec *codec = module_find(CODEC_COMPRESSION_MODULE, symbol, err);
    return codec && stage_set_codec(&input->unpack, codec, NULL, err);
}

static long choose_unpacking(struct input *input, struct err *err)
{
    const struct stage_bytes *bytes = &input->unpack.bytes;
    long ready = stage_peek(&input->unpack, INPUT_KIND_BYTES, err);
    if (ready < 0)
        return ready;
    const char *foreign = bytes->len > 0 ? input_kind_foreign(bytes->data, bytes->len) : NULL;
    if (foreign) {
        err_set(err, ERR_INVALID_FILE, "%s", foreign);
        return -1;
    }
    input->compression = bytes->len > 0 ? input_kind_compression(bytes->data, bytes->len) : INPUT_PLAIN;
    if (input->compression == INPUT_GZIP && !unpack_with(input, CODEC_GZIP_SYMBOL, err))
        return -1;
    if (input->compression == INPUT_ZSTD && !unpack_with(input, CODEC_ZSTD_SYMBOL, err))
        return -1;
    input->unpack_known = true;
    return 1;
}

/* Told "UTF-16", the mark says which of the two, else the NUL bytes, else it is what spreadsheets write. */
static const char *which_of_two(const char *told, const char *kind)
{
    if (strcmp(told, "UTF-16") != 0 && strcmp(told, "UTF-32") != 0)
        return told;
    if (kind && strncmp(kind, told, 6) == 0)
        return kind;
    return strcmp(told, "UTF-16") == 0 ? "UTF-16LE" : "UTF-32LE";
}

static long choose_encoding(struct input *input, struct err *err)
{
    const struct stage_bytes *bytes = &input->convert.bytes;
    /* A pipe is not waited for longer than it takes to see a mark. */
    long ready = stage_peek(&input->convert, input->regular ? STAGE_BYTES : 4, err);
    if (ready < 0)
        return ready;
    size_t mark = 0;
    const char *kind = bytes->len > 0 ? input_kind_unicode(bytes->data, bytes->len, &mark) : NULL;
    const char *name = input->encoding[0] ? which_of_two(input->encoding, kind) : kind;
    input->had_mark = kind && mark > 0 && name && strcmp(kind, name) == 0;
    if (!name || input_is_utf8_name(name))
        return 1;
    const struct charset_module *module = input_charset(err);
    if (!module || !stage_set_codec(&input->convert, &module->codec, name, err))
        return -1;
    if (input->had_mark)
        stage_skip(&input->convert, mark);
    input->found = name;
    return 1;
}

static long begin(struct input *input, struct err *err)
{
    long ready = input->unpack_known ? 1 : choose_unpacking(input, err);
    if (ready > 0)
        ready = choose_encoding(input, err);
    input->begun = ready > 0;
    return ready;
}

/* ---- the text ---- */

static void count_lines(struct input *input, const char *text, size_t len)
{
    struct text_count count = {.after_cr = input->after_cr};
    (void)text_count_feed(&count, text, len, true, TEXT_STOP_NEVER);
    input->lines += (long)text_count_lines(&count);
    input->after_cr = count.after_cr;
}

static long fail_invalid(struct input *input, struct err *err)
{
    err_set(err, ERR_INVALID_FILE, "has bytes that are no text in %s: mend the line, or say what else the file is written in",
            input->found);
    err_at(err, input->name, input->lines + 1, 0, NULL);
    return -1;
}

/* What stands before the first place that could not be converted; then the error. */
static long up_to_invalid(struct input *input, const char *text, long len, struct err *err)
{
    const char *place = len > 0 ? memchr(text, CHARSET_INVALID, (size_t)len) : NULL;
    long good = place ? place - text : len;
    count_lines(input, text, (size_t)good);
    input->invalid = place != NULL;
    return place && good == 0 ? fail_invalid(input, err) : good;
}

static long read_text(struct input *input, char *into, size_t size, struct err *err)
{
    if (input->invalid)
        return fail_invalid(input, err);
    if (!input->begun) {
        long ready = begin(input, err);
        if (ready < 0)
            return ready;
    }
    long n = stage_read(&input->convert, into, size, err);
    if (n > 0 && input->found && !input->keep_invalid)
        n = up_to_invalid(input, into, n, err);
    if (n > 0)
        input->given += (uint64_t)n;
    if (n > 0 && input->max_bytes > 0 && input->given > input->max_bytes) {
        err_set(err, ERR_INVALID_FILE, "has more than %" PRIu64 " bytes of text%s", input->max_bytes,
                input->compression == INPUT_PLAIN ? "" : " once it is unpacked");
        return -1;
    }
    return n;
}

/* Reads over what is not to be given. 0 when there is no more of it, or when the text ends. */
static long skip_text(struct input *input, struct err *err)
{
    char skipped[512];
    while (input->given < input->skip) {
        uint64_t left = input->skip - input->given;
        long n = read_text(input, skipped, left < sizeof skipped ? (size_t)left : sizeof skipped, err);
        if (n <= 0)
            return n;
    }
    return 0;
}

long input_read(void *arg, char *into, size_t size, struct err *err)
{
    struct input *input = arg;
    if (input->failure.code[0]) {
        *err = input->failure;
        return -1;
    }
    input->waits = false;
    long n = skip_text(input, err);
    if (n == 0)
        n = read_text(input, into, size, err);
    if ((n == 0 || n == -1) && input->broken.code[0]) {
        *err = input->broken;
        n = -1;
    }
    if (n == -1) {
        if (!err->file[0])
            err_at(err, input->name, err->line, err->column, NULL);
        input->failure = *err;
    }
    return n;
}
