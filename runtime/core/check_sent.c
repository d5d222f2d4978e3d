/* What is sent of a file: one outgoing file, or, where that is too large, parts (core/split.h).
 *
 * The first pass counts what each bucket of keys comes to, beside the one outgoing file, which is given up as soon as it is too
 * large. Where the size of the file says so before, parts are written from the first row on, as many as there are slots: they
 * are equal ranges of hashes, and hold as long as none of them comes out too large. A later pass writes the parts that it is
 * told, and counts each by buckets of its own. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/check_private.h"

/* Parts that are guessed of the size of the file are aimed at so many per cent of their room. */
#define GUESS_FILL 95

/* A part that is written, or was given up. */
struct sent_part {
    struct split_range range;
    struct outgoing *outgoing; /* NULL: too large */
    struct split_count *count; /* in a later pass */
};

struct check_sent {
    struct keyhash hash;
    struct check_split_plan plan; /* borrowed */
    bool later;
    bool raw;
    bool is_split; /* the outgoing file of the whole was given up, or never begun */
    uint64_t header_bytes;
    uint64_t key[2];             /* of the row at hand */
    struct split_count *count;   /* of the whole; NULL in a later pass */
    struct sent_part *parts;     /* in the order of their ranges */
    size_t part_count;
    struct split_part *guess;    /* all parts of which the first ones are written; NULL: none is guessed */
    size_t guess_count;
    struct csv_writer *measure;  /* gives nothing out */
    struct check_part *results;
    size_t result_count;
};

static bool discard(void *arg, const char *bytes, size_t len, struct err *err)
{
    (void)arg;
    (void)bytes;
    (void)len;
    (void)err;
    return true;
}

bool check_sent_is_later_pass(const struct check *check)
{
    return check->plan.split.ranges;
}

bool check_sent_may_be_input(const struct check *check)
{
    return check->outgoing && !outgoing_begun(check->outgoing);
}

static void free_part(struct sent_part *part)
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
        free_part(&sent->parts[i]);
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

/* ---- beginning ---- */

static void set_header_cells(struct check *check)
{
    for (size_t i = 0; i < check->sent_count; i++)
        check->cells[i] = (struct csv_slice){check->sent_names[i], strlen(check->sent_names[i])};
}

/* The header as it is sent. */
static bool put_header(struct check *check, struct outgoing *outgoing, struct err *err)
{
    if (!check_header_changes(check))
        return outgoing_keep(outgoing, check->header, err);
    set_header_cells(check);
    return outgoing_replace(outgoing, check->header, check->cells, check->sent_count, err);
}

/* What has changed is found out first; and of a file that is only looked at, without a key, no part could be made. */
static bool makes_nothing(const struct check *check)
{
    const struct check_plan *plan = &check->plan;
    return plan->changes || (plan->no_digest && plan->split.salt && !plan->mapping);
}

static bool write_anew(const struct check *check)
{
    return !check->as_it_stands || check_header_changes(check);
}

static bool may_be_raw(const struct check *check)
{
    return check->csv.delimiter == ',' && !check_header_changes(check);
}

static bool begin_whole(struct check *check, struct err *err)
{
    uint64_t start;
    bool anew = write_anew(check);
    const struct outgoing_options options = {
        .input = anew ? -1 : input_descriptor(check->input, &start),
        .raw = may_be_raw(check),
        .max_bytes = check->sent ? UINT64_MAX : CHECK_MAX_BYTES,
        .no_digest = check->plan.no_digest,
        .nothing = makes_nothing(check),
        .temporary = check->temporary,
    };
    check->outgoing = outgoing_new(&options, err);
    return check->outgoing && put_header(check, check->outgoing, err);
}

static bool begin_part(struct check *check, struct sent_part *part, const struct split_range *range, struct err *err)
{
    const struct outgoing_options options = {.input = -1,
                                             .raw = check->sent->raw,
                                             .max_bytes = UINT64_MAX,
                                             .no_digest = check->plan.no_digest,
                                             .temporary = check->temporary};
    part->range = *range;
    if (check->sent->later && !(part->count = split_count_new(range, err)))
        return false;
    part->outgoing = outgoing_new(&options, err);
    if (!part->outgoing || !put_header(check, part->outgoing, err))
        return false;
    check->sent->header_bytes = outgoing_bytes(part->outgoing);
    return true;
}

static bool make_parts(struct check_sent *sent, size_t count, struct err *err)
{
    sent->parts = calloc(count + 1, sizeof *sent->parts);
    return sent->parts || err_set(err, ERR_MEMORY, "no memory for parts");
}

/* A later pass: the parts that it is told. */
static bool begin_told(struct check *check, struct err *err)
{
    struct check_sent *sent = check->sent;
    sent->later = sent->is_split = true;
    if (!make_parts(sent, sent->plan.range_count, err))
        return false;
    for (size_t i = 0; i < sent->plan.range_count; i++) {
        sent->part_count = i + 1;
        if (!begin_part(check, &sent->parts[i], &sent->plan.ranges[i], err))
            return false;
    }
    return true;
}

static bool measure_header(struct check *check, struct err *err)
{
    struct check_sent *sent = check->sent;
    uint64_t before = csv_writer_bytes(sent->measure);
    if (!check_header_changes(check)) {
        sent->header_bytes = check->header->raw.len + 1;
        return true;
    }
    set_header_cells(check);
    if (!csv_writer_row(sent->measure, check->cells, check->sent_count, err))
        return false;
    sent->header_bytes = csv_writer_bytes(sent->measure) - before;
    return true;
}

/* The file is too large as it is: as many parts as its size comes to, of which the first ones are written at once. */
static bool begin_guessed(struct check *check, struct err *err)
{
    struct check_sent *sent = check->sent;
    uint64_t room = sent->plan.part_bytes / 100 * GUESS_FILL + 1;
    size_t parts = (size_t)(check->result.total / room) + 1;
    sent->is_split = true;
    sent->guess = calloc(SPLIT_BUCKETS, sizeof *sent->guess);
    if (!sent->guess)
        return err_set(err, ERR_MEMORY, "no memory for parts");
    sent->guess_count = split_evenly(parts, sent->guess, SPLIT_BUCKETS);
    size_t count = sent->guess_count < sent->plan.slots ? sent->guess_count : sent->plan.slots;
    if (check->plan.no_digest)
        count = 0; /* nothing will be sent */
    if (!measure_header(check, err) || !make_parts(sent, count, err))
        return false;
    for (size_t i = 0; i < count; i++) {
        sent->part_count = i + 1;
        if (!begin_part(check, &sent->parts[i], &sent->guess[i].range, err))
            return false;
    }
    return true;
}

static bool begin_counted(struct check *check, struct err *err)
{
    static const struct split_range all = {0, UINT64_MAX};
    struct check_sent *sent = check->sent;
    sent->count = split_count_new(&all, err);
    if (!sent->count)
        return false;
    if (check->as_it_stands && check->result.total >= sent->plan.part_bytes && !check->plan.select)
        return begin_guessed(check, err);
    return begin_whole(check, err) && measure_header(check, err);
}

static bool refuse_size(const struct check *check, struct err *err)
{
    return err_set(err, ERR_INVALID_FILE, "has %" PRIu64 " bytes; the service takes less than %u: split the file",
                   check->result.total, CHECK_MAX_BYTES);
}

bool check_sent_begin(struct check *check, struct err *err)
{
    static const struct csv_options as_the_service_reads;
    const struct check_split_plan *plan = &check->plan.split;
    check->result.mended = write_anew(check);
    if (!plan->salt || makes_nothing(check)) {
        bool all = !makes_nothing(check) && !check->plan.select;
        if (all && !check->result.mended && check->result.total >= CHECK_MAX_BYTES)
            return refuse_size(check, err);
        return begin_whole(check, err);
    }
    struct check_sent *sent = check->sent = calloc(1, sizeof *sent);
    if (!sent)
        return err_set(err, ERR_MEMORY, "no memory for parts");
    sent->plan = *plan;
    sent->raw = may_be_raw(check);
    split_secret(&sent->hash, plan->salt);
    sent->measure = csv_writer_new(discard, NULL, &as_the_service_reads, err);
    if (!sent->measure)
        return false;
    return plan->ranges ? begin_told(check, err) : begin_counted(check, err);
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

/* It is too large: parts are planned at the end. */
static void give_up_whole(struct check *check)
{
    outgoing_free(check->outgoing);
    check->outgoing = NULL;
    check->sent->is_split = true;
}

static void see_to_whole(struct check *check)
{
    if (check->sent && check->outgoing && outgoing_bytes(check->outgoing) >= check->sent->plan.part_bytes)
        give_up_whole(check);
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

static void close_parts(struct check_sent *sent)
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
        close_parts(sent);
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

/* ---- the end ---- */

static bool add_results(struct check_sent *sent, const struct split_part *parts, size_t count, struct err *err)
{
    struct check_part *grown = realloc(sent->results, (sent->result_count + count) * sizeof *grown);
    if (!grown)
        return err_set(err, ERR_MEMORY, "no memory for parts");
    sent->results = grown;
    for (size_t i = 0; i < count; i++)
        grown[sent->result_count++] = (struct check_part){.plan = parts[i], .fd = -1};
    return true;
}

/* The file of a part that was written becomes that of the last result. */
static bool hand_over(struct sent_part *part, struct check_part *result, struct err *err)
{
    if (!outgoing_finish(part->outgoing, err))
        return false;
    result->fd = outgoing_take(part->outgoing, &result->plan.bytes, result->md5);
    free_part(part);
    return true;
}

static bool plan_again(struct check_sent *sent, const struct split_count *count, struct err *err)
{
    struct split_part *parts;
    size_t part_count;
    if (!split_plan(count, sent->header_bytes, sent->plan.part_bytes, &parts, &part_count, err))
        return false;
    bool added = add_results(sent, parts, part_count, err);
    free(parts);
    return added;
}

static bool finish_later(struct check_sent *sent, struct err *err)
{
    for (size_t i = 0; i < sent->part_count; i++) {
        struct sent_part *part = &sent->parts[i];
        if (!part->outgoing) {
            if (!plan_again(sent, part->count, err))
                return false;
            continue;
        }
        const struct split_part plan = {.range = part->range, .rows = part->count->rows};
        if (!add_results(sent, &plan, 1, err) || !hand_over(part, &sent->results[sent->result_count - 1], err))
            return false;
    }
    return true;
}

/* Not where there is so little of what the file has that fewer parts do, or one of them has nothing. */
static bool guess_holds(struct check_sent *sent)
{
    if (!sent->guess)
        return false;
    split_fill(sent->count, sent->header_bytes, sent->guess, sent->guess_count);
    for (size_t i = 0; i < sent->guess_count; i++)
        if (sent->guess[i].bytes >= sent->plan.part_bytes || sent->guess[i].rows == 0)
            return false;
    return sent->count->bytes / sent->plan.part_bytes >= sent->guess_count / 2;
}

static bool finish_first(struct check_sent *sent, struct err *err)
{
    if (!guess_holds(sent)) {
        close_parts(sent);
        return plan_again(sent, sent->count, err);
    }
    if (!add_results(sent, sent->guess, sent->guess_count, err))
        return false;
    for (size_t i = 0; i < sent->part_count; i++)
        if (!hand_over(&sent->parts[i], &sent->results[i], err))
            return false;
    return true;
}

/* Of the one outgoing file, or of the input where that is what is sent: all rows may have been chosen. */
static uint64_t whole_size(const struct check *check)
{
    return outgoing_begun(check->outgoing) ? outgoing_bytes(check->outgoing) : check->result.total;
}

bool check_sent_finish(struct check *check, struct err *err)
{
    struct check_sent *sent = check->sent;
    struct check_result *result = &check->result;
    if (!sent || !sent->is_split) {
        if (!outgoing_finish(check->outgoing, err))
            return false;
        if (makes_nothing(check) || whole_size(check) < (sent ? sent->plan.part_bytes : CHECK_MAX_BYTES)) {
            if (!outgoing_begun(check->outgoing))
                return true;
            result->outgoing_fd = outgoing_take(check->outgoing, &result->outgoing_bytes, result->md5);
            outgoing_free(check->outgoing);
            check->outgoing = NULL;
            return true;
        }
        if (!sent)
            return refuse_size(check, err);
        give_up_whole(check);
    }
    if (sent->later ? !finish_later(sent, err) : !finish_first(sent, err))
        return false;
    result->parts = sent->results;
    result->part_count = sent->result_count;
    return true;
}

int check_take_part(struct check *check, size_t part)
{
    int fd = check->sent->results[part].fd;
    check->sent->results[part].fd = -1;
    return fd;
}
