/* Before an import sends: which keys are in doubt until it has succeeded. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <unistd.h>

#include "core/keyset_file.h"
#include "core/keyset_lock.h"

/* What is merged into a new set. `current` is NULL where there is none. */
struct mark {
    struct keyset_reader *staged, *current;
    struct keyset_writer *writer;
    uint64_t staged_moved, current_moved; /* where texts stand now */
    int64_t expires;
    struct keyset_record new, old;
    enum keysort_answer has_new, has_old;
    struct buf text;
};

static bool begin_merge(struct mark *mark, const char *staged, const char *current, struct err *err)
{
    keyset_reader_free(mark->staged);
    keyset_reader_free(mark->current);
    mark->current = NULL;
    mark->staged = keyset_reader_open(staged, err);
    if (!mark->staged)
        return false;
    bool none = access(current, F_OK) != 0 && errno == ENOENT;
    mark->current = none ? NULL : keyset_reader_open(current, err);
    if (!none && !mark->current)
        return false;
    mark->has_new = keyset_next(mark->staged, &mark->new, err);
    mark->has_old = mark->current ? keyset_next(mark->current, &mark->old, err) : KEYSORT_END;
    return mark->has_new != KEYSORT_FAILED && mark->has_old != KEYSORT_FAILED;
}

enum side { OLD_ALONE, NEW_ALONE, BOTH, NEITHER };

static enum side next_side(const struct mark *mark)
{
    bool new = mark->has_new == KEYSORT_ENTRY, old = mark->has_old == KEYSORT_ENTRY;
    if (!new || !old)
        return new ? NEW_ALONE : old ? OLD_ALONE : NEITHER;
    int order = keyset_compare(mark->new.key, mark->old.key);
    return order < 0 ? NEW_ALONE : order > 0 ? OLD_ALONE : BOTH;
}

static bool go_on(struct mark *mark, enum side side, struct err *err)
{
    if (side == NEW_ALONE || side == BOTH)
        mark->has_new = keyset_next(mark->staged, &mark->new, err);
    if (side == OLD_ALONE || side == BOTH)
        mark->has_old = keyset_next(mark->current, &mark->old, err);
    return mark->has_new != KEYSORT_FAILED && mark->has_old != KEYSORT_FAILED;
}

/* Texts of keys that are new stand behind those of the others, in the order of their hashes: *at is where the next one is. */
static bool add_text(struct mark *mark, bool writes, uint64_t *at, struct err *err)
{
    uint64_t place;
    if (!keyset_text(mark->staged, &mark->new, &mark->text, err))
        return false;
    if (writes && !keyset_writer_text(mark->writer, mark->text.data, mark->text.len, &place, err))
        return false;
    if (writes && *at == 0)
        *at = place;
    if (!writes)
        *at += sizeof(uint32_t) + mark->text.len;
    return true;
}

static bool merge_texts(struct mark *mark, uint64_t *at, struct err *err)
{
    if (!mark->current)
        return keyset_writer_texts(mark->writer, mark->staged, &mark->staged_moved, err);
    if (!keyset_writer_texts(mark->writer, mark->current, &mark->current_moved, err))
        return false;
    for (enum side side; (side = next_side(mark)) != NEITHER;)
        if ((side == NEW_ALONE && !add_text(mark, true, at, err)) || !go_on(mark, side, err))
            return false;
    return true;
}

static bool merge_record(struct mark *mark, enum side side, uint64_t *at, struct err *err)
{
    struct keyset_record record = side == OLD_ALONE ? mark->old : mark->new;
    bool sent = side != OLD_ALONE && record.expires == mark->expires;
    if (side == BOTH && !sent)
        record = mark->old;
    if (sent)
        record.expires = KEYSET_IN_DOUBT;
    record.text = side == NEW_ALONE ? record.text + mark->staged_moved : mark->old.text + mark->current_moved;
    if (side == NEW_ALONE && mark->current) {
        record.text = *at;
        if (!add_text(mark, false, at, err))
            return false;
    }
    return keyset_writer_add(mark->writer, &record, err);
}

static bool merge(struct mark *mark, const char *staged, const char *current, struct err *err)
{
    uint64_t at = 0;
    if (!merge_texts(mark, &at, err) || !begin_merge(mark, staged, current, err))
        return false;
    for (enum side side; (side = next_side(mark)) != NEITHER;)
        if (!merge_record(mark, side, &at, err) || !go_on(mark, side, err))
            return false;
    return keyset_writer_finish(mark->writer, err);
}

static bool write_marked(struct mark *mark, const char *staged, const char *current, const char *path, struct err *err)
{
    int fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (fd < 0)
        return keyset_fail(path, "the fingerprints of the rows cannot be kept", err);
    mark->writer = keyset_writer_new(fd, keyset_hash(mark->staged), mark->current ? keyset_facts(mark->current) : NULL, 0,
                                     keyset_name(mark->staged), err);
    bool done = mark->writer && merge(mark, staged, current, err) &&
                (fsync(fd) == 0 || keyset_fail(path, "the fingerprints of the rows cannot be kept", err));
    close(fd);
    return done;
}

static bool mark_in(struct mark *mark, const char *staged, const char *current, struct err *err)
{
    char path[PATH_MAX];
    if (!begin_merge(mark, staged, current, err))
        return false;
    if (mark->current ? !keyset_same_hash(mark->staged, mark->current) : keyset_facts(mark->staged)->base != 0) {
        err_set(err, KEYSET_OUTDATED, "the fingerprints of the rows are not those that this import was compared with: start again");
        return err_at(err, current, 0, 0, NULL);
    }
    bool is_successor = !mark->current || keyset_facts(mark->staged)->base == keyset_facts(mark->current)->generation;
    if (snprintf(path, sizeof path, "%s.marked", staged) >= (int)sizeof path)
        return err_set(err, ERR_SYSTEM, "the name of the directory of the state is too long");
    unlink(path); /* of one that was killed */
    if (!write_marked(mark, staged, current, path, err) ||
        (is_successor && !keyset_succeed(staged, path, err)) ||
        (rename(path, current) != 0 && !keyset_fail(current, "the fingerprints of the rows cannot be kept", err))) {
        unlink(path);
        return false;
    }
    return keyset_sync_directory_of(current, err);
}

bool keyset_mark(const char *staged, const char *current, int64_t expires, struct err *err)
{
    struct mark mark = {.expires = expires};
    int lock = keyset_lock(current, err);
    if (lock < 0)
        return false;
    buf_init(&mark.text, KEYSET_MAX_TEXT);
    bool done = mark_in(&mark, staged, current, err);
    keyset_writer_free(mark.writer);
    keyset_reader_free(mark.staged);
    keyset_reader_free(mark.current);
    buf_free(&mark.text);
    close(lock);
    return done;
}
