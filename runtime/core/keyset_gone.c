/* The keys that were there last time and are not now. */
#include <string.h>

#include "core/csv.h"
#include "core/keyset.h"
#include "core/newfile.h"

#define MEMORY ((size_t)20 << 20) /* of the sort */

/* They come by hash, and are wanted in the order of their texts: sorted by place, with the hash in the other fields. */
struct gone {
    struct keyset_reader *before, *staged;
    struct keysort *places;
    struct newfile *file;
    struct csv_writer *writer;
    struct buf text;
};

static void free_gone(struct gone *gone)
{
    csv_writer_free(gone->writer);
    newfile_free(gone->file);
    keysort_free(gone->places);
    keyset_reader_free(gone->before);
    keyset_reader_free(gone->staged);
    buf_free(&gone->text);
}

/* The one that it was compared with, or the same. */
static bool can_be_compared(const struct gone *gone)
{
    const struct keyset_facts *before = keyset_facts(gone->before), *staged = keyset_facts(gone->staged);
    return keyset_same_hash(gone->staged, gone->before) &&
           (staged->base == before->generation || staged->generation == before->generation);
}

static bool open_sets(struct gone *gone, const char *before, const char *staged, struct err *err)
{
    if (!(gone->before = keyset_reader_open(before, err)) || !(gone->staged = keyset_reader_open(staged, err)))
        return false;
    if (can_be_compared(gone))
        return true;
    err_set(err, ERR_FILE, "the fingerprints of the rows are not those that these were compared with");
    return err_at(err, before, 0, 0, NULL);
}

static bool add_place(struct gone *gone, const struct keyset_record *record, struct err *err)
{
    const struct keysort_record place = {{record->text, 0}, 0, record->key[0], record->key[1]};
    return keysort_add(gone->places, &place, err);
}

static bool find_gone(struct gone *gone, struct err *err)
{
    struct keyset_record old, new;
    enum keysort_answer now = keyset_next(gone->staged, &new, err), was = KEYSORT_END;
    while (now != KEYSORT_FAILED && (was = keyset_next(gone->before, &old, err)) == KEYSORT_ENTRY) {
        while (now == KEYSORT_ENTRY && keyset_compare(new.key, old.key) < 0)
            now = keyset_next(gone->staged, &new, err);
        bool there = now == KEYSORT_ENTRY && keyset_compare(new.key, old.key) == 0;
        if (now != KEYSORT_FAILED && !there && !add_place(gone, &old, err))
            return false;
    }
    /* What stands behind is looked at too: it may be damaged. */
    while (now == KEYSORT_ENTRY)
        now = keyset_next(gone->staged, &new, err);
    return now == KEYSORT_END && was == KEYSORT_END;
}

static bool write_cell(struct gone *gone, const char *text, size_t len, struct err *err)
{
    const struct csv_slice cell = {text, len};
    return csv_writer_row(gone->writer, &cell, 1, err);
}

static bool write_keys(struct gone *gone, uint64_t *count, struct err *err)
{
    struct keysort_entry entry;
    enum keysort_answer answer;
    keysort_end(gone->places);
    while (keysort_busy(gone->places))
        if (!keysort_step(gone->places, KEYSORT_STEP, err))
            return false;
    while ((answer = keysort_next(gone->places, &entry, err)) == KEYSORT_ENTRY) {
        const struct keysort_record *place = &entry.record;
        const struct keyset_record record = {.key = {place->offset, place->row}, .text = place->key[0]};
        if (!keyset_text(gone->before, &record, &gone->text, err) || !write_cell(gone, gone->text.data, gone->text.len, err))
            return false;
        ++*count;
    }
    return answer == KEYSORT_END;
}

static bool write_file(struct gone *gone, const char *path, uint64_t *count, struct err *err)
{
    const char *name = keyset_name(gone->before);
    return (gone->file = newfile_open(path, "the keys that are gone", err)) &&
           (gone->writer = csv_writer_new(newfile_write, gone->file, &(struct csv_options){0}, err)) &&
           write_cell(gone, name, strlen(name), err) && write_keys(gone, count, err) && csv_writer_close(gone->writer, err) &&
           newfile_finish(gone->file, true, err);
}

bool keyset_write_gone(const char *before, const char *staged, const char *path, const char *directory, uint64_t *count,
                       struct err *err)
{
    const struct keysort_options sort = {.memory = MEMORY, .directory = directory};
    struct gone gone = {0};
    buf_init(&gone.text, KEYSET_MAX_TEXT);
    *count = 0;
    bool done = open_sets(&gone, before, staged, err) && (gone.places = keysort_new(&sort, err)) && find_gone(&gone, err) &&
                write_file(&gone, path, count, err);
    free_gone(&gone);
    return done;
}
