/* The rows of all files by key, beside the set of the last import: which keys are new, changed, due, the same or gone. */
#include "core/changes_private.h"

/* ---- a key's rows ---- */

static void begin_group(struct changes_group *group, const struct keysort_record *record)
{
    group->key[0] = record->key[0];
    group->key[1] = record->key[1];
    group->text = record->offset >> CHANGES_TEXT_FROM;
    group->keyless = record->offset & CHANGES_KEYLESS;
    group->row = 0;
    group->rows = (struct changes_repeated){0};
    group->line_count = 0;
    group->spilled.size = group->sent_until = 0;
    group->sent = group->any = false;
}

static bool spill(struct changes *changes, struct err *err)
{
    struct changes_group *group = &changes->group;
    if (group->spilled.fd < 0 && !scratch_open(&group->spilled, changes->options.directory, err))
        return false;
    group->line_count = 0;
    return scratch_append(&group->spilled, group->lines, sizeof group->lines, err);
}

static void repeat(struct changes_repeated *rows, uint64_t line)
{
    if (rows->count++ == 0)
        rows->first = line;
    else
        rows->before_last = rows->last;
    rows->last = line;
}

static bool add_to_group(struct changes *changes, const struct keysort_record *record, struct err *err)
{
    struct changes_group *group = &changes->group;
    const uint64_t both[2] = {group->row, record->row};
    group->row = group->any ? keyhash_short(&changes->hash, both, sizeof both) : record->row;
    group->any = true;
    if (record->line > changes->last_base)
        repeat(&group->rows, record->line - changes->last_base);
    if (group->line_count == CHANGES_LINES && !spill(changes, err))
        return false;
    group->lines[group->line_count++] = record->line;
    return true;
}

static void send_lines(struct changes *changes, size_t count)
{
    for (size_t i = 0; i < count; i++)
        rowset_add(changes->rows, changes->group.lines[i]);
    changes->counts.rows = changes->rows->rows;
}

/* Those that are in memory at once, each piece of the others in a step of its own. */
static bool send_spilled(struct changes *changes, struct err *err)
{
    struct changes_group *group = &changes->group;
    if (!scratch_read(&group->spilled, group->sent_until, group->lines, sizeof group->lines, err))
        return false;
    group->sent_until += sizeof group->lines;
    send_lines(changes, CHANGES_LINES);
    return true;
}

/* ---- the join ---- */

static bool next_old(struct changes *changes, struct err *err)
{
    changes->has_old = false;
    if (!changes->before)
        return true;
    enum keysort_answer answer = keyset_next(changes->before, &changes->old, err);
    changes->has_old = answer == KEYSORT_ENTRY;
    return answer != KEYSORT_FAILED;
}

/* True when the key is to be sent; `old` is NULL when it was not there before. */
static bool decide(struct changes *changes, const struct keyset_record *old)
{
    struct changes_counts *counts = &changes->counts;
    const struct changes_group *group = &changes->group;
    if (!group->any) {
        counts->held += old != NULL;
        return false;
    }
    if (group->keyless)
        return true;
    bool only_due = changes->options.only_due, new = !old && !only_due;
    bool changed = old && old->row != group->row && !only_due;
    bool due = old && !changed && old->expires < changes->options.due_before;
    counts->new += new;
    counts->changed += changed;
    counts->due += due;
    counts->same += old && !changed && !due;
    return new || changed || due;
}

static bool settle_group(struct changes *changes, struct err *err)
{
    struct changes_group *group = &changes->group;
    bool known = changes->has_old && keyset_compare(changes->old.key, group->key) == 0;
    bool sent = decide(changes, known ? &changes->old : NULL);
    struct keyset_record record = {{group->key[0], group->key[1]}, group->row, changes->options.expires, group->text};
    if (!sent && known) {
        record.row = changes->old.row;
        record.expires = changes->old.expires;
    }
    group->sent = sent;
    group->complete = sent && group->spilled.size > 0;
    if (sent)
        send_lines(changes, group->line_count);
    if (changes->writer && (sent || known) && !group->keyless &&
        !changes_tell_staged(changes, keyset_writer_add(changes->writer, &record, err), err))
        return false;
    return !known || next_old(changes, err);
}

/* One step with what was there before and is not now, or with the key whose rows have all come. */
static bool compare(struct changes *changes, bool end, struct err *err)
{
    struct changes_group *group = &changes->group;
    if (!end && group->sent) {
        group->complete = group->sent_until + sizeof group->lines < group->spilled.size;
        return send_spilled(changes, err);
    }
    if (end || (changes->has_old && keyset_compare(changes->old.key, group->key) < 0)) {
        changes->counts.gone++;
        return next_old(changes, err);
    }
    return settle_group(changes, err);
}

/* Some of the entries, which come when the sort has made its steps. */
static enum keysort_answer join(struct changes *changes, size_t *work, struct changes_repeated *repeated, struct err *err)
{
    struct changes_group *group = &changes->group;
    struct keysort_entry entry;
    if (!changes->begun && !next_old(changes, err))
        return KEYSORT_FAILED;
    changes->begun = true;
    for (; *work > 0; --*work) {
        if (group->complete) {
            if (!compare(changes, false, err))
                return KEYSORT_FAILED;
            if (group->complete && group->sent)
                *work -= *work > CHANGES_LINES ? CHANGES_LINES : *work - 1;
            if (group->complete || group->rows.count < 2)
                continue;
            *repeated = group->rows;
            return KEYSORT_ENTRY;
        }
        enum keysort_answer answer = keysort_next(changes->sort, &entry, err);
        if (answer == KEYSORT_END && !changes->has_old)
            return KEYSORT_END;
        if (answer == KEYSORT_FAILED || (answer == KEYSORT_END && !compare(changes, true, err)))
            return KEYSORT_FAILED;
        if (answer == KEYSORT_END)
            continue;
        if (entry.first)
            begin_group(group, &entry.record);
        if ((entry.record.offset & CHANGES_SENT) && !add_to_group(changes, &entry.record, err))
            return KEYSORT_FAILED;
        group->complete = entry.last;
    }
    return KEYSORT_MORE;
}

enum keysort_answer changes_join(struct changes *changes, size_t *work, struct changes_repeated *repeated, struct err *err)
{
    if (keysort_busy(changes->sort)) {
        size_t rows = *work;
        *work = 0;
        return keysort_step(changes->sort, rows, err) ? KEYSORT_MORE : KEYSORT_FAILED;
    }
    enum keysort_answer answer = join(changes, work, repeated, err);
    if (answer == KEYSORT_END) {
        keysort_free(changes->sort);
        changes->sort = NULL;
    }
    return answer;
}
