/* Rows that have the same key: a sort of all keys finds them, and a second one, of what was found, tells of
 * them in the order of the file. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "core/check_private.h"
#include "core/keyhash.h"
#include "core/keysort.h"

#define MEMORY       ((size_t)20 << 20) /* of a sort, */
#define GROUP_MEMORY ((size_t)8 << 20)  /* and of that of groups, while the other is there too */

struct check_keys {
    struct keyhash hash;
    struct keysort *rows; /* by key */
    struct keysort
        *groups; /* of several rows: {last line, how many}, first line, offset: the line before the last */
    uint64_t count, first, before_last;
    const char *directory; /* of temporary files; borrowed */
};

struct check_keys *check_keys_new(const char *directory, size_t memory, struct err *err)
{
    const struct keysort_options options = {.memory = memory ? memory : MEMORY, .directory = directory};
    struct check_keys *keys = calloc(1, sizeof *keys);
    if (!keys) {
        err_set(err, ERR_MEMORY, "no memory for keys");
        return NULL;
    }
    keys->directory = directory;
    if (keyhash_init(&keys->hash, err) && (keys->rows = keysort_new(&options, err)))
        return keys;
    check_keys_free(keys);
    return NULL;
}

void check_keys_free(struct check_keys *keys)
{
    if (!keys)
        return;
    keysort_free(keys->rows);
    keysort_free(keys->groups);
    free(keys);
}

bool check_keys_add(struct check *check, const struct csv_row *row, struct err *err)
{
    struct check_keys *keys = check->keys;
    struct keysort_record record = {.line = (uint64_t)row->line, .offset = row->offset};
    if (!check->key.data)
        return true;
    keyhash_of(&keys->hash, check->key.data, check->key.len, record.key);
    return keysort_add(keys->rows, &record, err);
}

void check_keys_end(struct check_keys *keys)
{
    keysort_end(keys->rows);
}

/* ---- groups ---- */

static bool add_group(struct check_keys *keys, uint64_t last, struct err *err)
{
    const struct keysort_options options = {.memory = GROUP_MEMORY, .directory = keys->directory};
    const struct keysort_record group = {{last, keys->count}, keys->first, keys->before_last, 0};
    if (!keys->groups && !(keys->groups = keysort_new(&options, err)))
        return false;
    return keysort_add(keys->groups, &group, err);
}

bool check_keys_group(struct check_keys *keys, const struct changes_repeated *rows, struct err *err)
{
    keys->count = rows->count;
    keys->first = rows->first;
    keys->before_last = rows->before_last;
    return add_group(keys, rows->last, err);
}

static bool take_entry(struct check_keys *keys, const struct keysort_entry *entry, struct err *err)
{
    uint64_t line = entry->record.line;
    if (entry->first) {
        keys->count = 0;
        keys->first = line;
    }
    keys->count++;
    if (entry->last)
        return add_group(keys, line, err);
    keys->before_last = line;
    return true;
}

static bool find_groups(struct check_keys *keys, bool *more, struct err *err)
{
    struct keysort_entry entry;
    size_t work = KEYSORT_STEP;
    while (work > 0) {
        if (keys->groups && keysort_busy(keys->groups))
            return keysort_step(keys->groups, KEYSORT_STEP, err);
        switch (keysort_next_repeated(keys->rows, &work, &entry, err)) {
        case KEYSORT_ENTRY:
            if (!take_entry(keys, &entry, err))
                return false;
            work -= work > 0;
            break;
        case KEYSORT_MORE:
            return true;
        case KEYSORT_END:
            keysort_free(keys->rows);
            keys->rows = NULL;
            if (keys->groups)
                keysort_end(keys->groups);
            *more = keys->groups;
            return true;
        default:
            return false;
        }
    }
    return true;
}

/* ---- telling ---- */

static long key_column(const struct check *check)
{
    for (size_t i = 0; i < check->field_count; i++) {
        size_t count;
        const size_t *columns = mapping_columns(check->plan.mapping, i, &count);
        if (mapping_field_at(check->plan.mapping, i)->is_key)
            return count > 0 ? (long)columns[0] + 1 : 0;
    }
    return 0;
}

static void describe_group(const struct keysort_record *group, char *out, size_t size)
{
    char lines[128];
    uint64_t last = group->key[0], count = group->key[1], first = group->line, before_last = group->offset;
    if (count == 2)
        snprintf(lines, sizeof lines, "line %" PRIu64, first);
    else if (count == 3)
        snprintf(lines, sizeof lines, "lines %" PRIu64 ", %" PRIu64, first, before_last);
    else
        snprintf(lines, sizeof lines, "%" PRIu64 " lines from %" PRIu64 " to %" PRIu64, count - 1, first,
                 before_last);
    snprintf(out, size, "the key of line %" PRIu64 " stands in %s too: the last one wins", last, lines);
}

/* There may be millions: only those that somebody sees are put into words. */
static bool tell_group(struct check *check, const struct keysort_record *group, struct err *err)
{
    char reason[256] = "";
    if (check_is_told(check, CHECK_DUPLICATE_KEY))
        describe_group(group, reason, sizeof reason);
    const struct check_finding finding = {.class = CHECK_DUPLICATE_KEY,
                                          .line = (long)group->key[0],
                                          .column = key_column(check),
                                          .reason = reason};
    return check_add(check, &finding, err);
}

static bool tell_groups(struct check *check, bool *more, struct err *err)
{
    struct keysort_entry entry;
    for (int i = 0; i < 4096; i++) {
        enum keysort_answer answer = keysort_next(check->keys->groups, &entry, err);
        *more = answer == KEYSORT_ENTRY;
        if (answer != KEYSORT_ENTRY)
            return answer == KEYSORT_END;
        if (!tell_group(check, &entry.record, err))
            return false;
    }
    return true;
}

bool check_keys_step(struct check *check, bool *more, struct err *err)
{
    struct check_keys *keys = check->keys;
    struct keysort *sort = keys->rows ? keys->rows : keys->groups;
    *more = true;
    if (keysort_busy(sort))
        return keysort_step(sort, KEYSORT_STEP, err);
    return keys->rows ? find_groups(keys, more, err) : tell_groups(check, more, err);
}
