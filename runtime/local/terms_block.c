#include "local/terms_block.h"

#include <string.h>

#include "core/sql.h"

int pair_compare(const void *a, const void *b)
{
    const struct pair *x = a, *y = b;
    if (x->hash != y->hash)
        return x->hash < y->hash ? -1 : 1;
    return (x->id > y->id) - (x->id < y->id);
}

static size_t put_varint(unsigned char *to, uint64_t value)
{
    size_t n = 0;
    while (value >= 128) {
        to[n++] = (unsigned char)(value | 128);
        value >>= 7;
    }
    to[n++] = (unsigned char)value;
    return n;
}

bool block_put(struct block *block, struct pair pair)
{
    unsigned char bytes[20];
    size_t n;
    if (block->len == 0) {
        memcpy(block->bytes, &pair, sizeof pair);
        block->len = sizeof pair;
        block->last = pair;
        return true;
    }
    uint64_t step = pair.hash - block->last.hash;
    if (step == 0 && pair.id == block->last.id)
        return true;
    n = put_varint(bytes, step);
    n += put_varint(bytes + n, (uint64_t)(step ? pair.id : pair.id - block->last.id));
    if (block->len + n > BLOCK_SIZE)
        return false;
    memcpy(block->bytes + block->len, bytes, n);
    block->len += n;
    block->last = pair;
    return true;
}

static bool get_varint(const struct block *block, size_t *at, uint64_t *value)
{
    *value = 0;
    for (unsigned shift = 0; *at < block->len && shift < 64; shift += 7) {
        unsigned char byte = block->bytes[(*at)++];
        *value |= (uint64_t)(byte & 127) << shift;
        if (byte < 128)
            return true;
    }
    return false;
}

bool block_next(const struct block *block, size_t *at, struct pair *pair)
{
    uint64_t step, id;
    if (*at == 0) {
        if (block->len < sizeof *pair)
            return false;
        memcpy(pair, block->bytes, sizeof *pair);
        *at = sizeof *pair;
        return true;
    }
    if (!get_varint(block, at, &step) || !get_varint(block, at, &id))
        return false;
    pair->hash += step;
    pair->id = step ? (int64_t)id : pair->id + (int64_t)id;
    return true;
}

bool block_read(sqlite3_stmt *get, int64_t id, struct block *block, struct err *err)
{
    sqlite3_bind_int64(get, 1, id);
    int status = sqlite3_step(get);
    block->len = 0;
    if (status == SQLITE_ROW) {
        int size = sqlite3_column_bytes(get, 0);
        block->len = size <= BLOCK_SIZE ? (size_t)size : BLOCK_SIZE;
        if (block->len)
            memcpy(block->bytes, sqlite3_column_blob(get, 0), block->len);
    }
    bool ok = status == SQLITE_ROW || status == SQLITE_DONE || sql_fail(sqlite3_db_handle(get), err);
    sqlite3_reset(get);
    return ok;
}
