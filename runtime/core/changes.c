#include "core/changes.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "core/scratch.h"

/* Lines of one key that are in memory. */
#define LINES ((size_t)1024)

/* The key whose rows come. */
struct group {
    uint64_t key[2], row, text;
    bool keyless;
    bool complete; /* it has no more */
    bool sent;     /* they are to be sent, and those spilled before this place are in the set already */
    uint64_t sent_until;
    struct changes_repeated rows;
    uint64_t lines[LINES];
    size_t line_count;
    struct scratch spilled; /* lines that had no room */
};

struct changes {
    struct changes_options options; /* texts are copies */
    struct keyhash hash;
    struct keyset_reader *before; /* NULL: none */
    bool begun, has_old;
    struct keyset_record old; /* the next one of it */
    int fd;                   /* of the new set; -1: none */
    bool made, finished;
    struct keyset_writer *writer;
    struct rowset *rows;
    struct changes_counts counts;
    struct group group;
};

/* ---- making and freeing ---- */

static char *copy(const char *text, bool *failed)
{
    char *made = text ? strdup(text) : NULL;
    *failed = *failed || (text && !made);
    return made;
}

static bool copy_options(struct changes *changes, const struct changes_options *options, struct err *err)
{
    bool failed = false;
    changes->options = *options;
    changes->options.before = copy(options->before, &failed);
    changes->options.staged = copy(options->staged, &failed);
    changes->options.directory = copy(options->directory, &failed);
    return !failed || err_set(err, ERR_MEMORY, "no memory to compare rows");
}

static bool open_before(struct changes *changes, struct err *err)
{
    if (!changes->options.before)
        return keyhash_init(&changes->hash, err);
    changes->before = keyset_reader_open(changes->options.before, err);
    if (!changes->before)
        return false;
    changes->hash = *keyset_hash(changes->before);
    return true;
}

static bool make_staged(struct changes *changes, const char *name, struct err *err)
{
    const char *path = changes->options.staged;
    const struct keyset_facts *before = changes->before ? keyset_facts(changes->before) : NULL;
    if (!path)
        return true;
    changes->fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (changes->fd < 0) {
        err_errno(err, ERR_FILE, errno, "a file for the fingerprints of the rows cannot be made here");
        return err_at(err, path, 0, 0, NULL);
    }
    changes->made = true;
    changes->writer = keyset_writer_new(changes->fd, &changes->hash, before, (int64_t)time(NULL), name, err);
    return changes->writer;
}

struct changes *changes_new(const struct changes_options *options, const char *name, struct err *err)
{
    struct changes *changes = calloc(1, sizeof *changes);
    if (!changes) {
        err_set(err, ERR_MEMORY, "no memory to compare rows");
        return NULL;
    }
    changes->fd = changes->group.spilled.fd = -1;
    if (copy_options(changes, options, err) && open_before(changes, err) && make_staged(changes, name, err))
        return changes;
    changes_free(changes);
    return NULL;
}

void changes_free(struct changes *changes)
{
    if (!changes)
        return;
    keyset_reader_free(changes->before);
    keyset_writer_free(changes->writer);
    scratch_close(&changes->group.spilled);
    rowset_free(changes->rows);
    if (changes->fd >= 0)
        close(changes->fd);
    if (changes->made && !changes->finished)
        unlink(changes->options.staged);
    free((char *)(uintptr_t)changes->options.before);
    free((char *)(uintptr_t)changes->options.staged);
    free((char *)(uintptr_t)changes->options.directory);
    free(changes);
}

const struct keyhash *changes_hash(const struct changes *changes)
{
    return &changes->hash;
}

void changes_row_without_key(struct changes *changes)
{
    changes->counts.keyless++;
}

const struct changes_counts *changes_counts(const struct changes *changes)
{
    return &changes->counts;
}

struct rowset *changes_take_rows(struct changes *changes)
{
    struct rowset *rows = changes->rows;
    changes->rows = NULL;
    return rows;
}

static bool tell_staged(const struct changes *changes, bool done, struct err *err)
{
    return done || err_at(err, changes->options.staged, 0, 0, NULL);
}

/* ---- rows ---- */

/* The sort does not look at the offset of a record: it is where the text of the row's key stands, and these. */
#define SENT    1u /* the row can be sent */
#define KEYLESS 2u

bool changes_row(struct changes *changes, const void *key, size_t len, bool sent, struct keysort_record *record, struct err *err)
{
    uint64_t place = 0;
    if (!key) {
        keyhash_of(&changes->hash, &record->line, sizeof record->line, record->key);
        record->offset = KEYLESS | SENT;
        return true;
    }
    keyhash_of(&changes->hash, key, len, record->key);
    if (changes->writer && !tell_staged(changes, keyset_writer_text(changes->writer, key, len, &place, err), err))
        return false;
    record->offset = place << 2 | (sent ? SENT : 0);
    return true;
}

bool changes_begin(struct changes *changes, uint64_t lines, const struct file_identity *identity, struct err *err)
{
    changes->rows = rowset_new(lines, changes->options.directory, err);
    if (!changes->rows)
        return false;
    changes->rows->identity = *identity;
    return true;
}

/* ---- a key's rows ---- */

static void begin_group(struct group *group, const struct keysort_record *record)
{
    group->key[0] = record->key[0];
    group->key[1] = record->key[1];
    group->text = record->offset >> 2;
    group->keyless = record->offset & KEYLESS;
    group->row = 0;
    group->rows = (struct changes_repeated){0};
    group->line_count = 0;
    group->spilled.size = group->sent_until = 0;
    group->sent = false;
}

static bool spill(struct changes *changes, struct err *err)
{
    struct group *group = &changes->group;
    if (group->spilled.fd < 0 && !scratch_open(&group->spilled, changes->options.directory, err))
        return false;
    group->line_count = 0;
    return scratch_append(&group->spilled, group->lines, sizeof group->lines, err);
}

static bool add_to_group(struct changes *changes, const struct keysort_record *record, struct err *err)
{
    struct group *group = &changes->group;
    const uint64_t both[2] = {group->row, record->row};
    if (group->rows.count++ == 0) {
        group->row = record->row;
        group->rows.first = record->line;
    } else {
        group->row = keyhash_short(&changes->hash, both, sizeof both);
        group->rows.before_last = group->rows.last;
    }
    group->rows.last = record->line;
    if (group->line_count == LINES && !spill(changes, err))
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
    struct group *group = &changes->group;
    if (!scratch_read(&group->spilled, group->sent_until, group->lines, sizeof group->lines, err))
        return false;
    group->sent_until += sizeof group->lines;
    send_lines(changes, LINES);
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
    const struct group *group = &changes->group;
    if (group->rows.count == 0) {
        counts->held += old != NULL;
        return false;
    }
    if (group->keyless)
        return true;
    bool changed = old && old->row != group->row, due = old && !changed && old->expires < changes->options.due_before;
    counts->new += !old;
    counts->changed += changed;
    counts->due += due;
    counts->same += old && !changed && !due;
    return !old || changed || due;
}

static bool settle_group(struct changes *changes, struct err *err)
{
    struct group *group = &changes->group;
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
        !tell_staged(changes, keyset_writer_add(changes->writer, &record, err), err))
        return false;
    return !known || next_old(changes, err);
}

/* One step with what was there before and is not now, or with the key whose rows have all come. */
static bool compare(struct changes *changes, bool end, struct err *err)
{
    struct group *group = &changes->group;
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

enum keysort_answer changes_join(struct changes *changes, struct keysort *rows, size_t *work, struct changes_repeated *repeated,
                                 struct err *err)
{
    struct group *group = &changes->group;
    struct keysort_entry entry;
    if (!changes->begun && !next_old(changes, err))
        return KEYSORT_FAILED;
    changes->begun = true;
    for (; *work > 0; --*work) {
        if (group->complete) {
            if (!compare(changes, false, err))
                return KEYSORT_FAILED;
            if (group->complete && group->sent)
                *work -= *work > LINES ? LINES : *work - 1;
            if (group->complete || group->rows.count < 2)
                continue;
            *repeated = group->rows;
            return KEYSORT_ENTRY;
        }
        enum keysort_answer answer = keysort_next(rows, &entry, err);
        if (answer == KEYSORT_END && !changes->has_old)
            return KEYSORT_END;
        if (answer == KEYSORT_FAILED || (answer == KEYSORT_END && !compare(changes, true, err)))
            return KEYSORT_FAILED;
        if (answer == KEYSORT_END)
            continue;
        if (entry.first)
            begin_group(group, &entry.record);
        if ((entry.record.offset & SENT) && !add_to_group(changes, &entry.record, err))
            return KEYSORT_FAILED;
        group->complete = entry.last;
    }
    return KEYSORT_MORE;
}

bool changes_finish(struct changes *changes, struct err *err)
{
    int fd = changes->fd;
    if (!changes->writer)
        return true;
    if (!tell_staged(changes, keyset_writer_finish(changes->writer, err), err))
        return false;
    changes->fd = -1;
    /* close(2) may be the first to tell that the disk is full. */
    if (close(fd) != 0) {
        err_errno(err, ERR_SYSTEM, errno, "the fingerprints of the rows cannot be written; make room in the directory of the state");
        return tell_staged(changes, false, err);
    }
    changes->finished = true;
    return true;
}
