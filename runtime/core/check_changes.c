/* What has changed since the last import: the hashes of rows as they are sent, their keys, and the rows of another pass. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "core/check_private.h"

struct check_changes {
    struct changes *changes; /* borrowed of the plan */
    bool under_way;          /* the file was not read to its end yet, or is the last one and all are still compared */
    bool is_last;
    bool joined;
    struct buf row; /* what of the row at hand is hashed */
};

static const struct mapping_field *key_field(const struct check *check)
{
    for (size_t i = 0; i < check->field_count; i++)
        if (mapping_field_at(check->plan.mapping, i)->is_key)
            return mapping_field_at(check->plan.mapping, i);
    return NULL;
}

/* The one that the lines were found in: read with its options, they are the same rows. */
static bool is_the_selected_file(const struct check *check, struct err *err)
{
    uint64_t start;
    return !check->plan.select ||
           file_identity_check(&check->plan.select->identity, input_descriptor(check->input, &start), NULL, err);
}

bool check_changes_new(struct check *check, struct err *err)
{
    const struct mapping_field *key = key_field(check);
    if (!check->plan.changes)
        return is_the_selected_file(check, err);
    if (!key)
        return err_set(err, ERR_USAGE, "what has changed can be told only with a mapping that has a key");
    struct check_changes *changes = calloc(1, sizeof *changes);
    if (!changes)
        return err_set(err, ERR_MEMORY, "no memory to compare rows");
    check->changes = changes;
    changes->changes = check->plan.changes;
    buf_init(&changes->row, CSV_MAX_RECORD_MOST);
    if (!changes_begin_file(changes->changes, key->key, err))
        return false;
    changes->under_way = true;
    changes->is_last = changes_is_last(changes->changes);
    return true;
}

void check_changes_free(struct check *check)
{
    struct check_changes *changes = check->changes;
    check->changes = NULL;
    if (!changes)
        return;
    if (changes->under_way)
        changes_give_up(changes->changes);
    buf_free(&changes->row);
    free(changes);
}

/* ---- rows ---- */

static struct csv_slice value_sent(const struct check *check, const struct csv_row *row, size_t field)
{
    size_t cell = (size_t)check->places[field].cell;
    if (check->cells_made)
        return check->cells[cell];
    return cell < row->count ? csv_cell(row, cell) : (struct csv_slice){"", 0};
}

static char *room_for(struct buf *bytes, size_t len)
{
    return bytes->size - bytes->len > len ? bytes->data + bytes->len : buf_reserve(bytes, len);
}

/* The values of the mapped fields, each behind its length: other columns are not imported. */
static bool hash_row(struct check *check, const struct csv_row *row, uint64_t *out, struct err *err)
{
    struct buf *bytes = &check->changes->row;
    buf_reset(bytes);
    for (size_t i = 0; i < check->field_count; i++) {
        struct csv_slice value = value_sent(check, row, i);
        uint32_t len = (uint32_t)value.len;
        char *at = room_for(bytes, sizeof len + value.len);
        if (!at)
            return err_set(err, ERR_MEMORY, "no memory to compare rows");
        memcpy(at, &len, sizeof len);
        if (value.len > 0)
            memcpy(at + sizeof len, value.data, value.len);
        bytes->len += sizeof len + value.len;
    }
    *out = keyhash_short(changes_hash(check->changes->changes), bytes->data, bytes->len);
    return true;
}

bool check_changes_row(struct check *check, const struct csv_row *row, struct err *err)
{
    struct check_changes *changes = check->changes;
    uint64_t hash = 0;
    bool sent = check->row_errors == 0;
    if (!check->key.data)
        changes_row_without_key(changes->changes);
    if (!sent && !check->key.data)
        return true;
    if (sent && check->key.data && !hash_row(check, row, &hash, err))
        return false;
    return changes_row(changes->changes, check->key.data, check->key.len, sent, (uint64_t)row->line, hash, err);
}

bool check_changes_tell_keys(const struct check *check)
{
    return check->changes && check->changes->is_last;
}

/* ---- the end ---- */

/* Read in another way, the file has other rows. */
static bool are_all_selected(const struct check *check, struct err *err)
{
    return !check->plan.select || check->selected == check->plan.select->rows ||
           err_set(err, ERR_USAGE, "the rows that are to be sent are not in the file: it is to be read as when they were found");
}

bool check_changes_end(struct check *check, struct err *err)
{
    struct check_changes *changes = check->changes;
    struct stat info;
    uint64_t start;
    if (!changes)
        return are_all_selected(check, err);
    if (fstat(input_descriptor(check->input, &start), &info) != 0)
        return err_errno(err, ERR_FILE, errno, "cannot be read");
    file_identity_of(&info, &check->result.identity);
    changes->under_way = changes->is_last;
    return changes_end_file(changes->changes, (uint64_t)csv_reader_line(check->reader) + 1, &check->result.identity, err);
}

bool check_changes_busy(const struct check *check)
{
    return check_changes_tell_keys(check) && !check->changes->joined;
}

bool check_changes_step(struct check *check, struct err *err)
{
    struct check_changes *changes = check->changes;
    struct changes_repeated repeated;
    size_t work = KEYSORT_STEP;
    while (work > 0) {
        switch (changes_join(changes->changes, &work, &repeated, err)) {
        case KEYSORT_ENTRY:
            if (check->keys && !check_keys_group(check->keys, &repeated, err))
                return false;
            break;
        case KEYSORT_MORE:
            return true;
        case KEYSORT_END:
            changes->joined = true;
            return true;
        default:
            return false;
        }
    }
    return true;
}

bool check_changes_finish(struct check *check, struct err *err)
{
    struct check_changes *changes = check->changes;
    if (!changes || !changes->is_last)
        return true;
    if (!changes_finish(changes->changes, err))
        return false;
    changes->under_way = false;
    check->result.changes = changes_counts(changes->changes);
    return true;
}

struct changes *check_changes(struct check *check)
{
    return check->plan.changes;
}
