/* buf: a growing byte buffer with a maximum fixed at birth.
 *
 * The buffer owns its memory; `buf_free` gives it back and may be called twice.
 * `data` is always followed by a NUL that `len` does not count. An append that
 * would pass `max`, or for which there is no memory, changes nothing, returns
 * false and sets `failed`, so that a run of appends can be checked once.
 */
#ifndef UPJOB_CORE_BUF_H
#define UPJOB_CORE_BUF_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>

#include "core/err.h"

struct buf {
    char *data;
    size_t len;
    size_t size; /* bytes allocated */
    size_t max;  /* bytes that `len` may reach */
    bool failed;
};

/* No memory is taken before the first append. */
void buf_init(struct buf *b, size_t max);
/* Frees what the buffer holds; it is empty and usable afterwards. */
void buf_free(struct buf *b);
/* As buf_free, overwriting the bytes first: for what may hold a secret. */
void buf_cleanse(struct buf *b);
/* Empties it and keeps the memory. */
void buf_reset(struct buf *b);
bool buf_add(struct buf *b, const void *bytes, size_t n);
bool buf_adds(struct buf *b, const char *text);
bool buf_addc(struct buf *b, char c);
bool buf_addf(struct buf *b, const char *format, ...) PRINTF_LIKE(2, 3);
/* Room for `n` more bytes at data + len; the caller raises `len`. NULL when there is none. */
char *buf_reserve(struct buf *b, size_t n);
/* Hands the memory to the caller, who frees it; the buffer is empty afterwards.
 * Never NULL unless memory is out. */
char *buf_take(struct buf *b);

#endif
