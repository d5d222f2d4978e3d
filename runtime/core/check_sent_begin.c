/* What is sent of a file begins: as one outgoing file, as parts that are told, or as parts that are guessed. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "core/check_sent.h"

/* Parts that are guessed of the size of the file are aimed at so many per cent of their room. */
#define GUESS_FILL 95

static bool discard(void *arg, const char *bytes, size_t len, struct err *err)
{
    (void)arg;
    (void)bytes;
    (void)len;
    (void)err;
    return true;
}

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

bool check_sent_makes_nothing(const struct check *check)
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
        .nothing = check_sent_makes_nothing(check),
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

bool check_sent_refuse_size(const struct check *check, struct err *err)
{
    return err_set(err, ERR_INVALID_FILE, "has %" PRIu64 " bytes; the service takes less than %u: split the file",
                   check->result.total, CHECK_MAX_BYTES);
}

bool check_sent_begin(struct check *check, struct err *err)
{
    static const struct csv_options as_the_service_reads;
    const struct check_split_plan *plan = &check->plan.split;
    check->result.mended = write_anew(check);
    if (!plan->salt || check_sent_makes_nothing(check)) {
        bool all = !check_sent_makes_nothing(check) && !check->plan.select;
        if (all && !check->result.mended && check->result.total >= CHECK_MAX_BYTES)
            return check_sent_refuse_size(check, err);
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
