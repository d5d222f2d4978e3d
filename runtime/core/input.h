/* input: a file, a pipe or standard input as the text that a CSV reader takes: unpacked, and converted to UTF-8.
 *
 * Compression (gzip, zstd) and UTF-16 and UTF-32 are recognised by what the bytes are; other character sets are converted when
 * told so (input_examine.h finds out which). Everything streams: memory is some 200 KiB, with zstd the frame's window (32 MiB
 * at most), however long the input and whatever it unpacks to. A UTF-8 byte-order mark is left for the CSV reader, which drops
 * it; other marks are dropped here. zlib, zstd and ICU are loaded when there is something for them.
 */
#ifndef UPJOB_CORE_INPUT_H
#define UPJOB_CORE_INPUT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/csv.h"
#include "core/err.h"
#include "core/input_kind.h"

/* What input_read, a csv_source, returns beside what such a one may: nothing has come yet. */
#define INPUT_WAITS (-2)

struct input_options {
    const char *encoding;  /* a name that ICU knows: it decides; NULL: by mark and NUL bytes, otherwise the bytes as they are */
    bool keep_invalid;     /* a place that cannot be converted becomes the byte 0xFF, which no UTF-8 has; otherwise it is an error
                            * once what stands before it has been given */
    uint64_t max_bytes;    /* of text; more is an ERR_INVALID_FILE; 0: no limit */
    uint64_t skip;         /* bytes of text that are not given, at the beginning: a mark and a line "sep=;" (csv_sniff.h) */
    const char *temporary; /* directory for input_spool; NULL: where there is room (tempfile.h) */
};

struct input;

/* Opens the file at `path`, "-" for standard input (from where it stands). A directory, a device or a file that cannot be opened
 * is ERR_FILE; an encoding that nobody knows ERR_USAGE with the nearest name. What is in `options` is copied. */
struct input *input_open(const char *path, const struct input_options *options, struct err *err) MUST_CHECK;
/* The same for a descriptor (duplicated), from where it stands; `name` stands for it in errors. */
struct input *input_open_fd(int fd, const char *name, const struct input_options *options, struct err *err) MUST_CHECK;
/* The same for one of a regular file, from its beginning. */
struct input *input_open_file(int fd, const char *name, const struct input_options *options, struct err *err) MUST_CHECK;
/* The same for bytes from a function, which may also return INPUT_WAITS. */
struct input *input_open_source(csv_source source, void *arg, const char *name, const struct input_options *options,
                                struct err *err) MUST_CHECK;
/* NULL is allowed. */
void input_close(struct input *input);

/* Gives text: a csv_source whose argument is the input. Errors name the file; the input is done after one. */
long input_read(void *input, char *into, size_t size, struct err *err);
/* True when the last call returned INPUT_WAITS; *fd can be waited for, or is -1 where a function gives the bytes. */
bool input_waits(const struct input *input, int *fd);

enum input_status {
    INPUT_DONE,
    INPUT_MORE,    /* call again */
    INPUT_WAITING, /* call again when input_waits' descriptor can be read */
    INPUT_FAILED,  /* *err */
};

/* Copies what cannot be read twice to a temporary file without a name, about `bytes` of it a call. Nothing may have been read
 * before. When it is done the input can be rewound. A regular file is done at once. */
enum input_status input_spool(struct input *input, uint64_t bytes, struct err *err) MUST_CHECK;
/* True for a regular file, and when it was spooled. */
bool input_can_rewind(const struct input *input);
/* Begins anew, with other options. */
bool input_rewind(struct input *input, const struct input_options *options, struct err *err) MUST_CHECK;

/* What was found at the beginning; known once something was read. The encoding is NULL where the bytes are given as they are. */
enum input_compression input_compression(const struct input *input);
const char *input_encoding(const struct input *input);
bool input_had_mark(const struct input *input);
/* The regular or spooled file itself, to be read with pread from *start on; -1 when there is none. The input owns it. */
int input_descriptor(const struct input *input, uint64_t *start);
/* Bytes of the file, compressed or not, that were read so far, and in the whole (0 when not known). */
uint64_t input_bytes_read(const struct input *input);
uint64_t input_bytes_total(const struct input *input);
const char *input_name(const struct input *input);
/* The file is what it was when it was opened (file_identity.h); what has no name is not looked for by name. */
bool input_unchanged(const struct input *input, struct err *err) MUST_CHECK;

#endif
