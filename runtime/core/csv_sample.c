#include "core/csv_sample.h"

#include <stdlib.h>
#include <string.h>

struct csv_sample {
    size_t most, count, room;
    uint64_t seen;
    uint64_t random;
    struct csv_sampled **records; /* each in one piece of memory with its cells and their bytes */
};

struct csv_sample *csv_sample_new(size_t most, uint64_t seed, struct err *err)
{
    struct csv_sample *sample = calloc(1, sizeof *sample);
    if (!sample) {
        err_set(err, ERR_MEMORY, "no memory for a sample");
        return NULL;
    }
    sample->most = most;
    sample->random = seed;
    return sample;
}

void csv_sample_free(struct csv_sample *sample)
{
    if (!sample)
        return;
    for (size_t i = 0; i < sample->count; i++)
        free(sample->records[i]);
    free(sample->records);
    free(sample);
}

/* SplitMix64. */
static uint64_t next_random(struct csv_sample *sample)
{
    uint64_t z = sample->random += 0x9E3779B97F4A7C15u;
    z = (z ^ z >> 30) * 0xBF58476D1CE4E5B9u;
    z = (z ^ z >> 27) * 0x94D049BB133111EBu;
    return z ^ z >> 31;
}

/* From 0 to below `limit`. A product of 128 bits has a bias of less than limit / 2^64. */
static uint64_t random_below(struct csv_sample *sample, uint64_t limit)
{
    return (uint64_t)((unsigned __int128)next_random(sample) * limit >> 64);
}

static struct csv_sampled *copy_record(const struct csv_row *row, uint64_t index)
{
    size_t bytes = 0;
    for (size_t i = 0; i < row->count; i++)
        bytes += csv_cell(row, i).len;
    struct csv_sampled *copy = malloc(sizeof *copy + row->count * sizeof *copy->cells + bytes);
    if (!copy)
        return NULL;
    struct csv_slice *cells = (struct csv_slice *)(copy + 1);
    char *at = (char *)(cells + row->count);
    for (size_t i = 0; i < row->count; i++) {
        struct csv_slice cell = csv_cell(row, i);
        cells[i] = (struct csv_slice){at, cell.len};
        if (cell.len > 0)
            memcpy(at, cell.data, cell.len);
        at += cell.len;
    }
    *copy = (struct csv_sampled){index, row->line, row->count, cells};
    return copy;
}

static bool make_room(struct csv_sample *sample)
{
    if (sample->count < sample->room)
        return true;
    size_t room = sample->room ? sample->room * 2 : 64;
    struct csv_sampled **grown = realloc(sample->records, room * sizeof *grown);
    if (!grown)
        return false;
    sample->records = grown;
    sample->room = room;
    return true;
}

/* False: out of memory. */
static bool take(struct csv_sample *sample, const struct csv_row *row)
{
    uint64_t index = sample->seen++;
    size_t place = sample->count;
    if (index >= sample->most) {
        uint64_t chosen = random_below(sample, index + 1);
        if (chosen >= sample->most)
            return true;
        place = (size_t)chosen;
    } else if (!make_room(sample)) {
        return false;
    }
    struct csv_sampled *copy = copy_record(row, index);
    if (!copy)
        return false;
    if (place == sample->count)
        sample->count++;
    else
        free(sample->records[place]);
    sample->records[place] = copy;
    return true;
}

enum csv_status csv_sample_read(struct csv_sample *sample, struct csv_reader *reader, uint64_t bytes, struct err *err)
{
    const struct csv_row *row;
    uint64_t until = csv_reader_offset(reader) + bytes;
    enum csv_status status;
    while ((status = csv_reader_next(reader, &row, err)) == CSV_ROW) {
        if (!take(sample, row)) {
            err_set(err, ERR_MEMORY, "no memory for a sample of %zu records", sample->most);
            return CSV_FAILED;
        }
        if (csv_reader_offset(reader) >= until)
            return CSV_NOTHING_YET;
    }
    return status;
}

uint64_t csv_sample_seen(const struct csv_sample *sample)
{
    return sample->seen;
}

static int by_index(const void *a, const void *b)
{
    const struct csv_sampled *x = *(struct csv_sampled *const *)a, *y = *(struct csv_sampled *const *)b;
    return (x->index > y->index) - (x->index < y->index);
}

size_t csv_sample_finish(struct csv_sample *sample)
{
    if (sample->count > 0)
        qsort(sample->records, sample->count, sizeof *sample->records, by_index);
    return sample->count;
}

const struct csv_sampled *csv_sample_at(const struct csv_sample *sample, size_t i)
{
    return sample->records[i];
}
