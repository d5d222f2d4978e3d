#include "core/split.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* A part is aimed at so much of what it may have, in per cent: keys do not fall evenly. */
#define FILL 95

void split_secret(struct keyhash *hash, const char *salt)
{
    static const struct keyhash fixed;
    keyhash_of(&fixed, salt, strlen(salt), hash->secret);
}

/* ---- counting ---- */

static uint64_t step_of(const struct split_range *range)
{
    uint64_t last = range->high - range->low;
    return last / SPLIT_BUCKETS + 1;
}

struct split_count *split_count_new(const struct split_range *range, struct err *err)
{
    struct split_count *count = calloc(1, sizeof *count);
    if (!count) {
        err_set(err, ERR_MEMORY, "no memory for parts");
        return NULL;
    }
    count->range = *range;
    count->step = step_of(range);
    return count;
}

void split_count_row(struct split_count *count, const uint64_t key[2], uint64_t line, uint64_t bytes)
{
    size_t bucket = (size_t)((key[0] - count->range.low) / count->step);
    count->bucket_bytes[bucket] += bytes;
    count->bucket_rows[bucket]++;
    count->bytes += bytes;
    if (count->rows == 0)
        memcpy(count->key, key, sizeof count->key);
    else if (!count->several_keys)
        count->several_keys = key[0] != count->key[0] || key[1] != count->key[1];
    if (count->rows < SPLIT_LINES)
        count->lines[count->rows] = line;
    count->rows++;
}

/* ---- planning ---- */

size_t split_evenly(size_t n, struct split_part *parts, size_t most)
{
    static const struct split_range all = {0, UINT64_MAX};
    uint64_t step = step_of(&all);
    if (n > SPLIT_BUCKETS)
        n = SPLIT_BUCKETS;
    size_t count = n < most ? n : most;
    for (size_t i = 0; i < count; i++) {
        uint64_t next = (i + 1) * SPLIT_BUCKETS / n;
        parts[i] = (struct split_part){.range = {(i * SPLIT_BUCKETS / n) * step, i + 1 == n ? UINT64_MAX : next * step - 1}};
    }
    return count;
}

void split_fill(const struct split_count *count, uint64_t header_bytes, struct split_part *parts, size_t part_count)
{
    for (size_t i = 0; i < part_count; i++) {
        size_t from = (size_t)((parts[i].range.low - count->range.low) / count->step);
        size_t to = (size_t)((parts[i].range.high - count->range.low) / count->step);
        parts[i].bytes = header_bytes;
        parts[i].rows = 0;
        for (size_t bucket = from; bucket <= to; bucket++) {
            parts[i].bytes += count->bucket_bytes[bucket];
            parts[i].rows += count->bucket_rows[bucket];
        }
    }
}

static bool refuse_key(const struct split_count *count, uint64_t header_bytes, uint64_t part_bytes, struct err *err)
{
    char lines[160] = "";
    size_t shown = count->rows < SPLIT_LINES ? (size_t)count->rows : SPLIT_LINES, len = 0;
    for (size_t i = 0; i < shown; i++)
        len += (size_t)snprintf(lines + len, sizeof lines - len, "%s%" PRIu64, i ? ", " : "", count->lines[i]);
    err->line = (long)count->lines[0];
    return err_set(err, ERR_INVALID_FILE,
                   "%" PRIu64 " row%s with one key (line%s %s%s) come%s to %" PRIu64 " bytes, and a part of less than %" PRIu64
                   " has to have all rows of a key: take rows out, or the key is not what tells profiles apart",
                   count->rows, count->rows == 1 ? "" : "s", count->rows == 1 ? "" : "s", lines,
                   count->rows > shown ? ", …" : "", count->rows == 1 ? "s" : "", count->bytes + header_bytes, part_bytes);
}

static uint64_t end_of(const struct split_count *count, size_t bucket)
{
    uint64_t low = count->range.low, last = count->range.high - low;
    if (bucket + 1 >= SPLIT_BUCKETS || (bucket + 1) * (unsigned __int128)count->step > last)
        return count->range.high;
    return low + (bucket + 1) * count->step - 1;
}

/* Of a part that is all: counted again, its keys are told apart. */
static void narrow(const struct split_count *count, struct split_range *range)
{
    size_t first = 0, last = SPLIT_BUCKETS - 1;
    while (first < last && count->bucket_rows[first] == 0)
        first++;
    while (last > first && count->bucket_rows[last] == 0)
        last--;
    range->low += first * count->step;
    range->high = end_of(count, last);
}

bool split_plan(const struct split_count *count, uint64_t header_bytes, uint64_t part_bytes, struct split_part **parts,
                size_t *part_count, struct err *err)
{
    *parts = NULL;
    *part_count = 0;
    if (header_bytes >= part_bytes)
        return err_set(err, ERR_INVALID_FILE, "the header alone has %" PRIu64 " bytes, and a part less than %" PRIu64,
                       header_bytes, part_bytes);
    uint64_t room = part_bytes - 1 - header_bytes;
    if (count->bytes > room && (!count->several_keys || count->range.low == count->range.high))
        return refuse_key(count, header_bytes, part_bytes, err);
    uint64_t least = count->bytes <= room ? 1 : count->bytes / (room / 100 * FILL + 1) + 1, target = count->bytes / least;
    struct split_part *made = calloc(SPLIT_BUCKETS, sizeof *made);
    if (!made)
        return err_set(err, ERR_MEMORY, "no memory for parts");
    size_t n = 0;
    made[0].range.low = count->range.low;
    for (size_t bucket = 0; bucket < SPLIT_BUCKETS && end_of(count, bucket) <= count->range.high; bucket++) {
        struct split_part *part = &made[n];
        uint64_t bytes = count->bucket_bytes[bucket];
        if (part->rows > 0 && bytes > 0 && (part->bytes + bytes > room || part->bytes >= target)) {
            part->range.high = end_of(count, bucket - 1);
            made[++n].range.low = part->range.high + 1;
            part = &made[n];
        }
        part->bytes += bytes;
        part->rows += count->bucket_rows[bucket];
        part->range.high = end_of(count, bucket);
        if (part->range.high == count->range.high)
            break;
    }
    for (size_t i = 0; i <= n; i++)
        made[i].bytes += header_bytes;
    if (n == 0)
        narrow(count, &made[0].range);
    *parts = made;
    *part_count = n + 1;
    return true;
}
