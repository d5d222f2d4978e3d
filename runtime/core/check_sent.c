/* What is sent of a file: one outgoing file, or, where that is too large, parts (core/split.h).
 *
 * The first pass counts what each bucket of keys comes to, beside the one outgoing file, which is given up as soon as it is too
 * large. Where the size of the file says so before, parts are written from the first row on, as many as there are slots: they
 * are equal ranges of hashes, and hold as long as none of them comes out too large. A later pass writes the parts that it is
 * told, and counts each by buckets of its own. */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/check_sent.h"

bool check_sent_is_later_pass(const struct check *check)
{
    return check->plan.split.ranges;
}

bool check_sent_may_be_input(const struct check *check)
{
    return check->outgoing && !outgoing_begun(check->outgoing);
}

void check_sent_free_part(struct sent_part *part)
{
    outgoing_free(part->outgoing);
    free(part->count);
    *part = (struct sent_part){0};
}

void check_sent_free(struct check *check)
{
    struct check_sent *sent = check->sent;
    outgoing_free(check->outgoing);
    check->outgoing = NULL;
    if (!sent)
        return;
    for (size_t i = 0; i < sent->part_count; i++)
        check_sent_free_part(&sent->parts[i]);
    for (size_t i = 0; i < sent->result_count; i++)
        if (sent->results[i].fd >= 0)
            close(sent->results[i].fd);
    csv_writer_free(sent->measure);
    free(sent->parts);
    free(sent->count);
    free(sent->guess);
    free(sent->results);
    free(sent);
    check->sent = NULL;
}

/* ---- rows ---- */

/* The part that is written now and has the key of the row at hand; NULL: none has. */
static struct sent_part *part_of_row(struct check_sent *sent)
{
    size_t low = 0, high = sent->part_count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (sent->key[0] > sent->parts[middle].range.high)
            low = middle + 1;
        else
            high = middle;
    }
    return low < sent->part_count && sent->key[0] >= sent->parts[low].range.low ? &sent->parts[low] : NULL;
}

static void hash_key(struct check_sent *sent, struct csv_slice key)
{
    keyhash_of(&sent->hash, key.data ? key.data : "", key.data ? key.len : 0, sent->key);
}

bool check_sent_elsewhere(struct check *check, const struct csv_row *row, bool *elsewhere, struct err *err)
{
    struct check_sent *sent = check->sent;
    struct csv_slice key = {NULL, 0};
    struct mapping_fault fault;
    if (!sent || !sent->later)
        return true;
    if (row && row->count == check->header->count) {
        mapping_arena_reset(&check->arena);
        for (size_t i = 0; i < check->field_count; i++)
            if (mapping_field_at(check->plan.mapping, i)->is_key &&
                mapping_value(check->plan.mapping, &check->arena, i, row, &key, &fault, err) == MAPPING_FAILED) {
                if (err->line == 0)
                    err->line = row->line;
                return false;
            }
    }
    hash_key(sent, key);
    *elsewhere = !part_of_row(sent);
    return true;
}

void check_sent_give_up_whole(struct check *check)
{
    outgoing_free(check->outgoing);
    check->outgoing = NULL;
    check->sent->is_split = true;
}

static void see_to_whole(struct check *check)
{
    if (check->sent && check->outgoing && outgoing_bytes(check->outgoing) >= check->sent->plan.part_bytes)
        check_sent_give_up_whole(check);
}

/* Bytes that the row has in a part. */
static bool measure_row(struct check_sent *sent, const struct csv_row *row, const struct csv_slice *cells, size_t count,
                        uint64_t *bytes, struct err *err)
{
    uint64_t before = csv_writer_bytes(sent->measure);
    if (!cells && (sent->raw || row->count == 0)) {
        *bytes = row->raw.len + 1;
        return true;
    }
    if (cells ? !csv_writer_row(sent->measure, cells, count, err) : !csv_writer_record(sent->measure, row, err))
        return false;
    *bytes = csv_writer_bytes(sent->measure) - before;
    return true;
}

static void close_part(struct sent_part *part)
{
    outgoing_free(part->outgoing);
    part->outgoing = NULL;
}

void check_sent_close_parts(struct check_sent *sent)
{
    for (size_t i = 0; i < sent->part_count; i++)
        close_part(&sent->parts[i]);
}

/* It is too large. With one of them the whole guess fails. */
static void give_up_part(struct check_sent *sent, struct sent_part *part)
{
    if (sent->later)
        close_part(part);
    else
        check_sent_close_parts(sent);
}

static bool write_row(struct check_sent *sent, struct sent_part *part, const struct csv_row *row,
                      const struct csv_slice *cells, size_t count, uint64_t *bytes, struct err *err)
{
    uint64_t before = outgoing_bytes(part->outgoing);
    if (cells ? !outgoing_replace(part->outgoing, row, cells, count, err) : !outgoing_keep(part->outgoing, row, err))
        return false;
    *bytes = outgoing_bytes(part->outgoing) - before;
    if (before + *bytes >= sent->plan.part_bytes)
        give_up_part(sent, part);
    return true;
}

/* Of a row that is sent: `cells` where they are not those that stand in it. */
static bool put_row(struct check *check, const struct csv_row *row, const struct csv_slice *cells, size_t count,
                    struct err *err)
{
    struct check_sent *sent = check->sent;
    uint64_t bytes;
    if (!sent->later)
        hash_key(sent, check->key);
    struct sent_part *part = part_of_row(sent);
    bool written = part && part->outgoing;
    if (written ? !write_row(sent, part, row, cells, count, &bytes, err) : !measure_row(sent, row, cells, count, &bytes, err))
        return false;
    struct split_count *counter = sent->later ? (part ? part->count : NULL) : sent->count;
    if (counter)
        split_count_row(counter, sent->key, (uint64_t)row->line, bytes);
    return true;
}

bool check_sent_keep(struct check *check, const struct csv_row *row, struct err *err)
{
    if (check->outgoing && !outgoing_keep(check->outgoing, row, err))
        return false;
    see_to_whole(check);
    return !check->sent || put_row(check, row, NULL, 0, err);
}

bool check_sent_drop(struct check *check, const struct csv_row *row, struct err *err)
{
    return !check->outgoing || outgoing_drop(check->outgoing, row, err);
}

bool check_sent_replace(struct check *check, const struct csv_row *row, const struct csv_slice *cells, size_t count,
                        struct err *err)
{
    if (check->outgoing && !outgoing_replace(check->outgoing, row, cells, count, err))
        return false;
    see_to_whole(check);
    return !check->sent || put_row(check, row, cells, count, err);
}

/* ---- copying ---- */

bool check_sent_pending(const struct check *check)
{
    return check->outgoing && outgoing_pending(check->outgoing);
}

bool check_sent_copy(struct check *check, struct err *err)
{
    if (check->outgoing && !outgoing_copy(check->outgoing, err))
        return false;
    see_to_whole(check);
    return true;
}

void check_sent_end(struct check *check, uint64_t size)
{
    if (check->outgoing)
        outgoing_end(check->outgoing, size);
}
