#include "core/keysort.h"

#include <stdlib.h>
#include <string.h>

#include "core/keysort_merge.h"
#include "core/scratch.h"

#define LEAST_MEMORY ((size_t)1 << 10)
/* A buffer of a run is to be at least as large, so that a disk reads more than it seeks; a merge is of few runs else. */
#define BUFFER_BYTES ((size_t)64 << 10)
#define LEAST_FAN_IN ((size_t)4)
#define MOST_FAN_IN  ((size_t)512)

enum state {
    ADDING,
    SORTING, /* the memory */
    WRITING, /* it to the file, as a run */
    OPENING, /* runs, to be merged into one */
    MERGING, /* them */
    READYING, /* all the runs that are left, to be read */
    READY,
    FAILED,
};

struct keysort {
    enum state state;
    bool ended;
    char *directory;
    struct keysort_record *records; /* all the memory: records, later buffers */
    size_t capacity, count, at;     /* of it, in it, done with */
    size_t fan_in;
    struct keysort_radix radix;
    struct scratch file, merged; /* runs, and those of the pass that is under way */
    struct keysort_run *runs;
    size_t run_count, run_size;
    size_t pass_at, pass_made; /* runs that the pass has merged, and made of them */
    struct keysort_merge merge;
    struct keysort_record ahead; /* the record after the entry that was given */
    bool has_ahead, begun, next_is_first;
    uint64_t first_line;
    struct keysort_counts counts;
    struct err failure;
};

struct keysort *keysort_new(const struct keysort_options *options, struct err *err)
{
    size_t memory = options && options->memory ? options->memory : KEYSORT_MEMORY;
    const char *directory = options ? options->directory : NULL;
    struct keysort *sort = calloc(1, sizeof *sort);
    memory = memory < LEAST_MEMORY ? LEAST_MEMORY : memory;
    if (sort) {
        sort->file.fd = sort->merged.fd = -1;
        sort->capacity = memory / sizeof *sort->records;
        sort->fan_in = memory / BUFFER_BYTES;
        sort->fan_in = sort->fan_in < LEAST_FAN_IN ? LEAST_FAN_IN : sort->fan_in > MOST_FAN_IN ? MOST_FAN_IN : sort->fan_in;
        sort->records = malloc(sort->capacity * sizeof *sort->records);
        sort->directory = directory ? strdup(directory) : NULL;
    }
    if (sort && sort->records && (sort->directory || !directory))
        return sort;
    keysort_free(sort);
    err_set(err, ERR_MEMORY, "no memory to sort keys");
    return NULL;
}

void keysort_free(struct keysort *sort)
{
    if (!sort)
        return;
    merge_free(&sort->merge);
    scratch_close(&sort->file);
    scratch_close(&sort->merged);
    free(sort->runs);
    free(sort->records);
    free(sort->directory);
    free(sort);
}

/* Gives up, once and for all: the files' room is free again. */
static bool fail(struct keysort *sort, const struct err *err)
{
    sort->failure = *err;
    sort->state = FAILED;
    scratch_close(&sort->file);
    scratch_close(&sort->merged);
    return false;
}

static bool told_before(const struct keysort *sort, struct err *err)
{
    if (sort->state == FAILED)
        *err = sort->failure;
    return sort->state == FAILED;
}

static void begin_sorting(struct keysort *sort)
{
    keysort_radix_begin(&sort->radix, sort->records, sort->count);
    sort->state = SORTING;
}

bool keysort_add(struct keysort *sort, const struct keysort_record *record, struct err *err)
{
    while (sort->state != ADDING) {
        if (sort->ended && sort->state != FAILED)
            return err_set(err, ERR_INTERNAL, "a key is added after the last");
        if (!keysort_step(sort, KEYSORT_STEP, err))
            return false;
    }
    sort->records[sort->count++] = *record;
    if (sort->count == sort->capacity)
        begin_sorting(sort);
    return true;
}

/* ---- runs ---- */

static bool add_run(struct keysort *sort, uint64_t begin, uint64_t count, struct err *err)
{
    if (sort->run_count == sort->run_size) {
        size_t size = sort->run_size ? sort->run_size * 2 : 64;
        struct keysort_run *runs = realloc(sort->runs, size * sizeof *runs);
        if (!runs)
            return err_set(err, ERR_MEMORY, "no memory to sort keys");
        sort->runs = runs;
        sort->run_size = size;
    }
    sort->runs[sort->run_count++] = (struct keysort_run){begin, count};
    return true;
}

/* The runs that the next merge of the pass is of. */
static size_t merge_size(const struct keysort *sort)
{
    size_t left = sort->run_count - sort->pass_at;
    return left < sort->fan_in ? left : sort->fan_in;
}

/* A merge into a run needs the buffer of one more, to write from. */
static bool begin_merge(struct keysort *sort, struct err *err)
{
    size_t runs = merge_size(sort), out = sort->capacity / (runs + 1);
    out = out < MERGE_BUFFER ? out : MERGE_BUFFER;
    sort->count = sort->at = 0;
    sort->state = OPENING;
    return merge_begin(&sort->merge, &sort->file, sort->runs + sort->pass_at, runs, sort->records + out,
                       sort->capacity - out, err);
}

static bool begin_reading(struct keysort *sort, struct err *err)
{
    sort->state = READYING;
    return merge_begin(&sort->merge, &sort->file, sort->runs, sort->run_count, sort->records, sort->capacity, err);
}

/* After the last run: another pass, as long as there are more than can be read at once. */
static bool begin_pass(struct keysort *sort, struct err *err)
{
    sort->pass_at = sort->pass_made = 0;
    if (sort->run_count <= sort->fan_in)
        return begin_reading(sort, err);
    return scratch_open(&sort->merged, sort->directory, err) && begin_merge(sort, err);
}

/* ---- steps ---- */

static bool end_sorting(struct keysort *sort, struct err *err)
{
    sort->at = 0;
    if (sort->ended && sort->run_count == 0) {
        sort->state = READY;
        return true;
    }
    sort->state = WRITING;
    return sort->file.fd >= 0 || scratch_open(&sort->file, sort->directory, err);
}

static bool step_writing(struct keysort *sort, size_t *work, struct err *err)
{
    size_t left = sort->count - sort->at, n = left < *work ? left : *work;
    uint64_t begin = sort->file.size / sizeof *sort->records - sort->at;
    if (!scratch_append(&sort->file, sort->records + sort->at, n * sizeof *sort->records, err))
        return false;
    sort->at += n;
    *work -= n;
    if (sort->at < sort->count)
        return true;
    if (sort->count > 0 && !add_run(sort, begin, sort->count, err))
        return false;
    sort->count = sort->at = 0;
    sort->state = ADDING;
    return !sort->ended || begin_pass(sort, err);
}

static bool step_opening(struct keysort *sort, size_t *work, struct err *err)
{
    bool more;
    if (!merge_open_step(&sort->merge, work, &more, err))
        return false;
    if (!more)
        sort->state = sort->state == OPENING ? MERGING : READY;
    return true;
}

static bool flush_merged(struct keysort *sort, struct err *err)
{
    bool done = scratch_append(&sort->merged, sort->records, sort->count * sizeof *sort->records, err);
    sort->count = 0;
    return done;
}

/* The run that was made takes the place of one of those that it was made of, which are behind. */
static bool end_merge(struct keysort *sort, struct err *err)
{
    size_t end = sort->pass_at + merge_size(sort);
    const struct keysort_run *last = &sort->runs[end - 1], *first = &sort->runs[sort->pass_at];
    struct keysort_run made = {first->begin, last->begin + last->count - first->begin};
    merge_free(&sort->merge);
    if (!flush_merged(sort, err))
        return false;
    sort->runs[sort->pass_made++] = made;
    sort->pass_at = end;
    if (end < sort->run_count)
        return begin_merge(sort, err);
    sort->run_count = sort->pass_made;
    scratch_close(&sort->file);
    sort->file = sort->merged;
    sort->merged.fd = -1;
    return begin_pass(sort, err);
}

static bool step_merging(struct keysort *sort, size_t *work, struct err *err)
{
    size_t room = (size_t)(sort->merge.sources[0].buffer - sort->records);
    for (bool end; *work > 0; --*work) {
        if (!merge_next(&sort->merge, &sort->records[sort->count], &end, err))
            return false;
        if (end)
            return end_merge(sort, err);
        if (++sort->count == room && !flush_merged(sort, err))
            return false;
    }
    return true;
}

static bool step_once(struct keysort *sort, size_t *work, struct err *err)
{
    switch (sort->state) {
    case SORTING:
        return keysort_radix_step(&sort->radix, work) || end_sorting(sort, err);
    case WRITING:
        return step_writing(sort, work, err);
    case OPENING:
    case READYING:
        return step_opening(sort, work, err);
    case MERGING:
        return step_merging(sort, work, err);
    default:
        *work = 0;
        return true;
    }
}

bool keysort_step(struct keysort *sort, size_t work, struct err *err)
{
    if (told_before(sort, err))
        return false;
    for (work += work == 0; work > 0 && keysort_busy(sort);)
        if (!step_once(sort, &work, err))
            return fail(sort, err);
    return true;
}

void keysort_end(struct keysort *sort)
{
    sort->ended = true;
    if (sort->state == ADDING)
        begin_sorting(sort);
}

bool keysort_busy(const struct keysort *sort)
{
    return sort->state != ADDING && sort->state != READY;
}

/* ---- entries ---- */

static bool take(struct keysort *sort, struct keysort_record *out, bool *end, struct err *err)
{
    if (sort->run_count > 0)
        return merge_next(&sort->merge, out, end, err);
    *end = sort->at == sort->count;
    if (!*end)
        *out = sort->records[sort->at++];
    return true;
}

static bool take_ahead(struct keysort *sort, struct err *err)
{
    bool end;
    if (!take(sort, &sort->ahead, &end, err))
        return fail(sort, err);
    sort->has_ahead = !end;
    return true;
}

static void count_entry(struct keysort_counts *counts, const struct keysort_entry *entry)
{
    counts->rows++;
    counts->keys += entry->first;
    counts->repeated_keys += entry->first && !entry->last;
    counts->repeated_rows += !(entry->first && entry->last);
}

static bool begin_entries(struct keysort *sort, struct err *err)
{
    if (sort->state != READY)
        return err_set(err, ERR_INTERNAL, "keys are read before they are sorted");
    if (!take_ahead(sort, err))
        return false;
    sort->begun = sort->next_is_first = true;
    return true;
}

enum keysort_answer keysort_next(struct keysort *sort, struct keysort_entry *entry, struct err *err)
{
    if (told_before(sort, err) || (!sort->begun && !begin_entries(sort, err)))
        return KEYSORT_FAILED;
    if (!sort->has_ahead)
        return KEYSORT_END;
    entry->record = sort->ahead;
    entry->first = sort->next_is_first;
    if (entry->first)
        sort->first_line = entry->record.line;
    entry->first_line = sort->first_line;
    if (!take_ahead(sort, err))
        return KEYSORT_FAILED;
    entry->last = !sort->has_ahead || keysort_compare_keys(&sort->ahead, &entry->record) != 0;
    sort->next_is_first = entry->last;
    count_entry(&sort->counts, entry);
    return KEYSORT_ENTRY;
}

enum keysort_answer keysort_next_repeated(struct keysort *sort, size_t *work, struct keysort_entry *entry,
                                          struct err *err)
{
    while (*work > 0) {
        enum keysort_answer answer = keysort_next(sort, entry, err);
        --*work;
        if (answer != KEYSORT_ENTRY || !entry->first || !entry->last)
            return answer;
    }
    return KEYSORT_MORE;
}

const struct keysort_counts *keysort_counts(const struct keysort *sort)
{
    return &sort->counts;
}

bool keysort_rewind(struct keysort *sort, struct err *err)
{
    if (told_before(sort, err))
        return false;
    if (sort->state != READY)
        return err_set(err, ERR_INTERNAL, "keys are read again before they are sorted");
    memset(&sort->counts, 0, sizeof sort->counts);
    sort->begun = false;
    sort->at = 0;
    if (sort->run_count == 0)
        return true;
    merge_free(&sort->merge);
    return begin_reading(sort, err) || fail(sort, err);
}
