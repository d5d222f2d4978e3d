/* input_private: what the units of input share. */
#ifndef UPJOB_CORE_INPUT_PRIVATE_H
#define UPJOB_CORE_INPUT_PRIVATE_H

#include <limits.h>

#include "core/charset.h"
#include "core/file_identity.h"
#include "core/input.h"
#include "core/input_stage.h"

struct input {
    char *name, *path; /* path: NULL for what has none */
    int fd;            /* -1: a function gives the bytes */
    csv_source source;
    void *arg;
    bool regular; /* read with pread: can be rewound */
    struct file_identity identity;
    uint64_t start, at, total; /* offsets in a regular file; bytes of others */
    bool waits;

    char encoding[CHARSET_NAME]; /* told; "" when none was */
    bool keep_invalid;
    uint64_t max_bytes, skip;
    char *temporary;

    struct stage unpack, convert;
    bool begun, unpack_known;
    enum input_compression compression;
    const char *found; /* the encoding that is converted; NULL: none */
    bool had_mark;
    uint64_t given; /* bytes of text */
    long lines;     /* line ends in them, where an error would name the line */
    bool invalid;   /* the next byte is the first that could not be converted */
    bool after_cr;
    struct err broken; /* why the bytes broke off */
    struct err failure;

    int spool; /* the file that is being written; -1: none */
    char spool_directory[PATH_MAX];
    char *buffer; /* of the copy */
};

/* The bytes as they are, a csv_source that may return INPUT_WAITS (input.c). */
long input_read_bytes(void *input, char *into, size_t size, struct err *err);
long input_bytes_until_broken(void *input, char *into, size_t size, struct err *err) MUST_CHECK;
const struct charset_module *input_charset(struct err *err);
bool input_is_utf8_name(const char *name);

#endif
