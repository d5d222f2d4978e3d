#include "core/keysort_radix.h"

#include <string.h>

/* As many are sorted by insertion. */
#define SMALL ((size_t)24)

static inline uint64_t word_of(const struct keysort_record *record, unsigned index)
{
    return index < 2 ? record->key[index] : record->line;
}

static inline unsigned digit_of(const struct keysort_record *record, unsigned digit)
{
    return (unsigned)(word_of(record, digit / 8) >> (56 - 8 * (digit % 8))) & 255;
}

bool keysort_before(const struct keysort_record *a, const struct keysort_record *b)
{
    if (a->key[0] != b->key[0])
        return a->key[0] < b->key[0];
    if (a->key[1] != b->key[1])
        return a->key[1] < b->key[1];
    return a->line < b->line;
}

void keysort_radix_begin(struct keysort_radix *radix, struct keysort_record *records, size_t count)
{
    radix->records = records;
    radix->phase = RADIX_NEXT;
    radix->ranges[0] = (struct keysort_range){0, count, 0};
    radix->depth = 1;
}

static void spend(size_t *work, size_t records)
{
    *work -= records < *work ? records : *work;
}

static void insertion_sort(struct keysort_record *records, size_t count)
{
    for (size_t i = 1; i < count; i++) {
        struct keysort_record moved = records[i];
        size_t to = i;
        for (; to > 0 && keysort_before(&moved, &records[to - 1]); to--)
            records[to] = records[to - 1];
        records[to] = moved;
    }
}

/* Begins with what follows in the innermost range that is not sorted. False when there is none. */
static bool begin_part(struct keysort_radix *radix)
{
    while (radix->depth > 0 && radix->ranges[radix->depth - 1].at == radix->ranges[radix->depth - 1].end)
        radix->depth--;
    if (radix->depth == 0)
        return false;
    radix->begin = radix->at = radix->ranges[radix->depth - 1].at;
    memset(radix->differing, 0, sizeof radix->differing);
    radix->ordered = true;
    radix->phase = RADIX_LOOK;
    return true;
}

/* The first digit in which the records of the part differ. They do, for they are not in order. */
static unsigned first_difference(const struct keysort_radix *radix)
{
    unsigned word = radix->differing[0] ? 0 : radix->differing[1] ? 1 : 2;
    return word * 8 + (unsigned)__builtin_clzll(radix->differing[word]) / 8;
}

/* The part is known: its end, its order. */
static void end_look(struct keysort_radix *radix, size_t *work)
{
    struct keysort_range *range = &radix->ranges[radix->depth - 1];
    size_t count = radix->at - radix->begin;
    range->at = radix->end = radix->at;
    radix->phase = RADIX_NEXT;
    if (radix->ordered)
        return;
    if (count <= SMALL) {
        insertion_sort(radix->records + radix->begin, count);
        spend(work, count);
        return;
    }
    radix->digit = first_difference(radix);
    radix->at = radix->begin;
    memset(radix->tails, 0, sizeof radix->tails);
    radix->phase = RADIX_COUNT;
}

/* A part of the outermost range is all of it, a part of another one the records that share its digit too. */
static void look(struct keysort_radix *radix, size_t *work)
{
    const struct keysort_range *range = &radix->ranges[radix->depth - 1];
    const struct keysort_record *records = radix->records, *first = records + radix->begin;
    bool whole = radix->depth == 1, ordered = radix->ordered;
    unsigned digit = digit_of(first, range->digit);
    size_t at = radix->at, stop = range->end - at > *work ? at + *work : range->end, begun = at;
    uint64_t differing[3] = {0};
    for (; at < stop && (whole || digit_of(&records[at], range->digit) == digit); at++) {
        for (unsigned i = 0; i < 3; i++)
            differing[i] |= word_of(&records[at], i) ^ word_of(first, i);
        if (at > radix->begin && ordered)
            ordered = !keysort_before(&records[at], &records[at - 1]);
    }
    for (unsigned i = 0; i < 3; i++)
        radix->differing[i] |= differing[i];
    radix->ordered = ordered;
    radix->at = at;
    spend(work, at - begun);
    if (at < stop || at == range->end)
        end_look(radix, work);
}

static void count_digits(struct keysort_radix *radix, size_t *work)
{
    size_t at = radix->at, stop = radix->end - at > *work ? at + *work : radix->end;
    spend(work, stop - at);
    for (; at < stop; at++)
        radix->tails[digit_of(&radix->records[at], radix->digit)]++;
    radix->at = at;
    if (at < radix->end)
        return;
    size_t place = radix->begin;
    for (unsigned i = 0; i < 256; i++) {
        radix->heads[i] = place;
        place += radix->tails[i];
        radix->tails[i] = place;
    }
    radix->bucket = 0;
    radix->phase = RADIX_MOVE;
}

/* What stands at the head of a bucket is exchanged with the head of the bucket that it belongs to, until the right one has come.
 * After each exchange the records are all there, so that it can stop after any. */
static void move_records(struct keysort_radix *radix, size_t *work)
{
    struct keysort_record *records = radix->records;
    unsigned bucket = radix->bucket;
    size_t left = *work;
    for (; bucket < 256 && left > 0; bucket += radix->heads[bucket] == radix->tails[bucket]) {
        size_t head = radix->heads[bucket];
        struct keysort_record held;
        if (head == radix->tails[bucket])
            continue;
        held = records[head];
        for (unsigned digit; left > 0 && (digit = digit_of(&held, radix->digit)) != bucket; left--) {
            struct keysort_record *place = &records[radix->heads[digit]++], other = *place;
            __builtin_prefetch(place + 2, 1); /* the bucket's next but one: its turn comes when it is there */
            *place = held;
            held = other;
        }
        records[head] = held;
        if (left > 0) {
            radix->heads[bucket]++;
            left--;
        }
    }
    radix->bucket = bucket;
    *work = left;
    if (bucket < 256)
        return;
    radix->ranges[radix->depth++] = (struct keysort_range){radix->begin, radix->end, radix->digit};
    radix->phase = RADIX_NEXT;
}

bool keysort_radix_step(struct keysort_radix *radix, size_t *work)
{
    while (*work > 0) {
        switch (radix->phase) {
        case RADIX_NEXT:
            if (!begin_part(radix))
                return false;
            break;
        case RADIX_LOOK:
            look(radix, work);
            break;
        case RADIX_COUNT:
            count_digits(radix, work);
            break;
        case RADIX_MOVE:
            move_records(radix, work);
            break;
        }
    }
    return true;
}
