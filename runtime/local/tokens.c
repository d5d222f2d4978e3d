/* Page tokens of state.h: sealed, so that no client can make or change one, and written in base64url. */
#include <stdlib.h>
#include <string.h>

#include "local/state.h"

static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

static char *encode(const unsigned char *bytes, size_t len)
{
    char *text = malloc(len / 3 * 4 + 5), *p = text;
    if (!text)
        return NULL;
    for (size_t i = 0; i < len; i += 3) {
        unsigned long group = (unsigned long)bytes[i] << 16;
        size_t left = len - i;
        if (left > 1)
            group |= (unsigned long)bytes[i + 1] << 8;
        if (left > 2)
            group |= bytes[i + 2];
        for (size_t k = 0; k < (left > 2 ? 4 : left + 1); k++)
            *p++ = alphabet[group >> (18 - 6 * k) & 63];
    }
    *p = '\0';
    return text;
}

static bool decode(const char *text, struct buf *out)
{
    unsigned long bits = 0;
    int count = 0;
    for (; *text; text++) {
        const char *at = strchr(alphabet, *text);
        if (!at)
            return false;
        bits = bits << 6 | (unsigned long)(at - alphabet);
        count += 6;
        if (count >= 8) {
            count -= 8;
            buf_addc(out, (char)(bits >> count & 255));
        }
    }
    return !out->failed;
}

bool token_seal(const struct objects *objects, const char *scope, const char *position, char **out, struct err *err)
{
    struct buf sealed;
    buf_init(&sealed, 1024);
    *out = NULL;
    if (objects_seal(objects, scope, position, strlen(position), &sealed, err))
        *out = encode((const unsigned char *)sealed.data, sealed.len);
    buf_free(&sealed);
    if (!*out && !err->code[0])
        err_set(err, ERR_MEMORY, "out of memory");
    return *out != NULL;
}

bool token_open(const struct objects *objects, const char *scope, const char *token, char **position, struct err *err)
{
    struct buf sealed, plain;
    buf_init(&sealed, 2048);
    buf_init(&plain, 2048);
    *position = NULL;
    if (!decode(token, &sealed)) {
        err_set(err, "BadRequestException", "The token is not one that this service gave out for this request.");
        err->status = 400;
    } else if (objects_unseal(objects, scope, sealed.data ? sealed.data : "", sealed.len, &plain, err)) {
        *position = buf_take(&plain);
    } else {
        err->status = 400;
    }
    buf_free(&sealed);
    buf_free(&plain);
    return *position != NULL;
}
