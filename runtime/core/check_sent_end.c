/* What was made to be sent: one file, or parts, of which some are there and others are planned. */
#include <stdlib.h>

#include "core/check_sent.h"

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
    check_sent_free_part(part);
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
        check_sent_close_parts(sent);
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
        if (check_sent_makes_nothing(check) || whole_size(check) < (sent ? sent->plan.part_bytes : CHECK_MAX_BYTES)) {
            if (!outgoing_begun(check->outgoing))
                return true;
            result->outgoing_fd = outgoing_take(check->outgoing, &result->outgoing_bytes, result->md5);
            outgoing_free(check->outgoing);
            check->outgoing = NULL;
            return true;
        }
        if (!sent)
            return check_sent_refuse_size(check, err);
        check_sent_give_up_whole(check);
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
