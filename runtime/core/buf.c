#include "core/buf.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/secret.h"

void buf_init(struct buf *b, size_t max)
{
    memset(b, 0, sizeof *b);
    b->max = max;
}

void buf_free(struct buf *b)
{
    size_t max = b->max;
    free(b->data);
    buf_init(b, max);
}

void buf_cleanse(struct buf *b)
{
    if (b->data)
        secret_cleanse(b->data, b->size);
    buf_free(b);
}

void buf_reset(struct buf *b)
{
    b->len = 0;
    b->failed = false;
    if (b->data)
        b->data[0] = '\0';
}

char *buf_reserve(struct buf *b, size_t n)
{
    if (b->failed || n > b->max || b->len > b->max - n) {
        b->failed = true;
        return NULL;
    }
    size_t need = b->len + n + 1;
    if (need > b->size) {
        size_t size = b->size ? b->size : 64;
        while (size < need)
            size *= 2;
        char *grown = secret_realloc(b->data, size); /* what it grows out of may be a secret */
        if (!grown) {
            b->failed = true;
            return NULL;
        }
        b->data = grown;
        b->size = size;
    }
    return b->data + b->len;
}

bool buf_add(struct buf *b, const void *bytes, size_t n)
{
    char *room = buf_reserve(b, n);
    if (!room)
        return false;
    if (n)
        memcpy(room, bytes, n);
    b->len += n;
    b->data[b->len] = '\0';
    return true;
}

bool buf_adds(struct buf *b, const char *text)
{
    return buf_add(b, text, strlen(text));
}

bool buf_addc(struct buf *b, char c)
{
    return buf_add(b, &c, 1);
}

bool buf_addf(struct buf *b, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    int n = vsnprintf(NULL, 0, format, args);
    va_end(args);
    char *room = n < 0 ? NULL : buf_reserve(b, (size_t)n);
    if (!room) {
        b->failed = true;
        return false;
    }
    va_start(args, format);
    vsnprintf(room, (size_t)n + 1, format, args);
    va_end(args);
    b->len += (size_t)n;
    return true;
}

char *buf_take(struct buf *b)
{
    char *data = b->data ? b->data : calloc(1, 1);
    b->data = NULL;
    buf_free(b);
    return data;
}
