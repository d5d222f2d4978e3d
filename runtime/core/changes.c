#include "core/changes.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "core/changes_private.h"

#define MEMORY ((size_t)20 << 20) /* of the sort */

/* ---- making and freeing ---- */

static char *copy(const char *text, bool *failed)
{
    char *made = text ? strdup(text) : NULL;
    *failed = *failed || (text && !made);
    return made;
}

static bool copy_options(struct changes *changes, const struct changes_options *options)
{
    bool failed = false;
    changes->options = *options;
    changes->options.files += options->files == 0;
    changes->options.before = copy(options->before, &failed);
    changes->options.staged = copy(options->staged, &failed);
    changes->options.directory = copy(options->directory, &failed);
    changes->files = calloc(changes->options.files, sizeof *changes->files);
    return !failed && changes->files;
}

struct changes *changes_new(const struct changes_options *options, struct err *err)
{
    struct changes *changes = calloc(1, sizeof *changes);
    if (changes) {
        changes->holders = 1;
        changes->fd = changes->group.spilled.fd = -1;
    }
    if (changes && copy_options(changes, options))
        return changes;
    changes_free(changes);
    err_set(err, ERR_MEMORY, "no memory to compare rows");
    return NULL;
}

struct changes *changes_hold(struct changes *changes)
{
    changes->holders++;
    return changes;
}

void changes_give_up(struct changes *changes)
{
    changes->given_up = true;
    changes->in_file = false;
    keyset_writer_free(changes->writer);
    changes->writer = NULL;
    keysort_free(changes->sort);
    changes->sort = NULL;
    scratch_close(&changes->group.spilled);
    if (changes->fd >= 0)
        close(changes->fd);
    changes->fd = -1;
    if (changes->made && !changes->finished)
        unlink(changes->options.staged);
    changes->made = false;
}

void changes_free(struct changes *changes)
{
    if (!changes || --changes->holders > 0)
        return;
    changes_give_up(changes);
    keyset_reader_free(changes->before);
    for (size_t i = 0; i < changes->file_count; i++)
        rowset_free(changes->files[i].rows);
    rowset_free(changes->rows);
    free(changes->files);
    free((char *)(uintptr_t)changes->options.before);
    free((char *)(uintptr_t)changes->options.staged);
    free((char *)(uintptr_t)changes->options.directory);
    free(changes);
}

const struct keyhash *changes_hash(const struct changes *changes)
{
    return &changes->hash;
}

/* ---- the first file ---- */

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

bool changes_tell_staged(const struct changes *changes, bool done, struct err *err)
{
    return done || err_at(err, changes->options.staged, 0, 0, NULL);
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
        return changes_tell_staged(changes, false, err);
    }
    changes->made = true;
    changes->writer = keyset_writer_new(changes->fd, &changes->hash, before, (int64_t)time(NULL), name, err);
    return changes->writer;
}

static bool begin(struct changes *changes, const char *name, struct err *err)
{
    const struct keysort_options sort = {.memory = MEMORY, .directory = changes->options.directory};
    return open_before(changes, err) && make_staged(changes, name, err) && (changes->sort = keysort_new(&sort, err));
}

/* ---- a file ---- */

/* So many lines, rounded up so that a file has words of its own in the set of rows. */
static uint64_t room_of(const struct changes_file *file)
{
    return rowset_words(file->lines) * 64;
}

static bool takes_a_file(const struct changes *changes, struct err *err)
{
    if (changes->in_file)
        return err_set(err, ERR_USAGE, "another file is being compared");
    if (changes_is_last(changes))
        return err_set(err, ERR_USAGE, "all files were compared already");
    return !changes->given_up ||
           err_set(err, ERR_USAGE, "what has changed is not known: a file before this one was not read to its end");
}

bool changes_begin_file(struct changes *changes, const char *name, struct err *err)
{
    size_t at = changes->file_count;
    if (!takes_a_file(changes, err))
        return false;
    changes->files[at].base = at > 0 ? changes->files[at - 1].base + room_of(&changes->files[at - 1]) : 0;
    changes->file_count++;
    changes->in_file = true;
    return at > 0 || begin(changes, name, err);
}

bool changes_is_last(const struct changes *changes)
{
    return changes->file_count == changes->options.files;
}

void changes_row_without_key(struct changes *changes)
{
    changes->counts.keyless++;
}

bool changes_row(struct changes *changes, const void *key, size_t len, bool sent, uint64_t line, uint64_t row, struct err *err)
{
    struct keysort_record record = {.line = changes->files[changes->file_count - 1].base + line, .row = row};
    uint64_t place = 0;
    if (!key) {
        keyhash_of(&changes->hash, &record.line, sizeof record.line, record.key);
        record.offset = CHANGES_KEYLESS | CHANGES_SENT;
        return keysort_add(changes->sort, &record, err);
    }
    keyhash_of(&changes->hash, key, len, record.key);
    if (changes->writer && !changes_tell_staged(changes, keyset_writer_text(changes->writer, key, len, &place, err), err))
        return false;
    record.offset = place << CHANGES_TEXT_FROM | (sent ? CHANGES_SENT : 0);
    return keysort_add(changes->sort, &record, err);
}

bool changes_end_file(struct changes *changes, uint64_t lines, const struct file_identity *identity, struct err *err)
{
    struct changes_file *file = &changes->files[changes->file_count - 1];
    file->lines = lines;
    file->identity = *identity;
    changes->in_file = false;
    if (!changes_is_last(changes))
        return true;
    changes->last_base = file->base;
    keysort_end(changes->sort);
    changes->rows = rowset_new(file->base + lines, changes->options.directory, err);
    return changes->rows;
}

/* ---- the end ---- */

static bool give_rows(struct changes *changes, struct err *err)
{
    for (size_t i = 0; i < changes->file_count; i++) {
        struct changes_file *file = &changes->files[i];
        file->rows = rowset_part(changes->rows, file->base, file->lines, err);
        if (!file->rows)
            return false;
        file->rows->identity = file->identity;
    }
    return true;
}

static bool finish_staged(struct changes *changes, struct err *err)
{
    int fd = changes->fd;
    if (!changes_tell_staged(changes, keyset_writer_finish(changes->writer, err), err))
        return false;
    changes->fd = -1;
    /* close(2) may be the first to tell that the disk is full. */
    if (close(fd) != 0) {
        err_errno(err, ERR_SYSTEM, errno, "the fingerprints of the rows cannot be written; make room in the directory of the state");
        return changes_tell_staged(changes, false, err);
    }
    keyset_writer_free(changes->writer);
    changes->writer = NULL;
    return true;
}

bool changes_finish(struct changes *changes, struct err *err)
{
    changes->finished = give_rows(changes, err) && (!changes->writer || finish_staged(changes, err));
    return changes->finished;
}

const struct changes_counts *changes_counts(const struct changes *changes)
{
    return changes->finished ? &changes->counts : NULL;
}

size_t changes_files(const struct changes *changes)
{
    return changes->file_count;
}

struct rowset *changes_take_rows(struct changes *changes, size_t file)
{
    struct rowset *rows = changes->finished && file < changes->file_count ? changes->files[file].rows : NULL;
    if (rows)
        changes->files[file].rows = NULL;
    return rows;
}
