#include "local/terms.h"

#include <stdlib.h>
#include <string.h>

#include "local/clock.h"
#include "core/sql.h"
#include "local/terms_block.h"

#define PENDING 131072  /* pairs that are sorted at once */
#define FAN_IN 64       /* runs that are merged at once, and that make merging due */
#define MOST_RUNS 256   /* of one level, before ingestion waits for a merge */
#define CLEARED_AT_ONCE 512

enum { LEVEL_BUILT = -2, LEVEL_DROPPED = -1 }; /* a run that a merge is writing; one whose blocks are to be deleted */

struct cursor {
    int64_t next, end; /* blocks to come */
    struct block block;
    size_t at;
    struct pair pair;  /* the current one */
};

struct merge {
    struct cursor *inputs;
    int64_t firsts[FAN_IN]; /* the runs that are merged */
    struct cursor *heap[FAN_IN];
    size_t count, left;
    int64_t first, next; /* blocks of the output */
    int level;
    struct block out;
    bool any;
};

struct terms {
    sqlite3 *db;
    struct pair *pending, *sorted; /* `sorted` is room to sort in */
    size_t count;
    int64_t next_block;
    struct merge *merge;
    sqlite3_stmt *put_block, *get_block, *put_run, *set_level;
};

/* ---- writing ---- */

/* Writes the block, if it holds anything, under *id, which goes up; the block is empty then. */
static bool write_block(struct terms *terms, int64_t *id, struct block *block, struct err *err)
{
    if (block->len == 0)
        return true;
    sqlite3_bind_int64(terms->put_block, 1, *id);
    sqlite3_bind_blob(terms->put_block, 2, block->bytes, (int)block->len, SQLITE_STATIC);
    if (!sql_run(terms->put_block, err))
        return false;
    ++*id;
    block->len = 0;
    return true;
}

static bool write_pair(struct terms *terms, int64_t *id, struct block *block, struct pair pair, struct err *err)
{
    return block_put(block, pair) || (write_block(terms, id, block, err) && block_put(block, pair));
}

static bool write_run(struct terms *terms, int64_t first, int64_t blocks, int level, struct err *err)
{
    sqlite3_bind_int64(terms->put_run, 1, first);
    sqlite3_bind_int64(terms->put_run, 2, blocks);
    sqlite3_bind_int(terms->put_run, 3, level);
    return sql_run(terms->put_run, err);
}

/* ---- opening ---- */

static int64_t number(sqlite3 *db, const char *text)
{
    sqlite3_stmt *q = NULL;
    int64_t n = 0;
    if (sqlite3_prepare_v2(db, text, -1, &q, NULL) == SQLITE_OK && sqlite3_step(q) == SQLITE_ROW)
        n = sqlite3_column_int64(q, 0);
    sqlite3_finalize(q);
    return n;
}

struct terms *terms_open(sqlite3 *db, struct err *err)
{
    struct terms *terms = calloc(1, sizeof *terms);
    if (!terms || !(terms->pending = malloc(PENDING * sizeof *terms->pending)) ||
        !(terms->sorted = malloc(PENDING * sizeof *terms->sorted))) {
        err_set(err, ERR_MEMORY, "out of memory");
        goto failed;
    }
    terms->db = db;
    if (!(terms->put_block = sql_prepare(db, "INSERT INTO term_block(id, data) VALUES(?, ?)", err)) ||
        !(terms->get_block = sql_prepare(db, "SELECT data FROM term_block WHERE id = ?", err)) ||
        !(terms->put_run = sql_prepare(db, "INSERT OR REPLACE INTO term_run(first, blocks, level) VALUES(?, ?, ?)", err)) ||
        !(terms->set_level = sql_prepare(db, "UPDATE term_run SET level = ? WHERE first = ?", err)))
        goto failed;
    /* A merge that was broken off left a part of its output. */
    if (number(db, "SELECT count(*) FROM term_run WHERE level = -2") > 0 &&
        !sql_exec(db, "UPDATE term_run SET level = -1 WHERE level = -2", err))
        goto failed;
    terms->next_block = number(db, "SELECT max(first + blocks) FROM term_run") + 1;
    return terms;
failed:
    terms_close(terms);
    return NULL;
}

static void drop_merge(struct terms *terms)
{
    if (terms->merge)
        free(terms->merge->inputs);
    free(terms->merge);
    terms->merge = NULL;
}

void terms_close(struct terms *terms)
{
    if (!terms)
        return;
    drop_merge(terms);
    sqlite3_finalize(terms->put_block);
    sqlite3_finalize(terms->get_block);
    sqlite3_finalize(terms->put_run);
    sqlite3_finalize(terms->set_level);
    free(terms->pending);
    free(terms->sorted);
    free(terms);
}

/* ---- adding ---- */

bool terms_add(struct terms *terms, uint64_t hash, int64_t id, struct err *err)
{
    if (terms->count == PENDING && !terms_flush(terms, err))
        return false;
    terms->pending[terms->count++] = (struct pair){hash, id};
    return true;
}

/* Sorts the pending pairs: by id first and then, keeping that order, by the hash's 48 bits. Ids come in nearly sorted, so
 * only the digits in which they differ are worth a pass. */
static void sort_pending(struct terms *terms)
{
    struct pair *from = terms->pending, *to = terms->sorted;
    uint64_t id_bits = 0;
    for (size_t i = 0; i < terms->count; i++)
        id_bits |= (uint64_t)(from[i].id ^ from[0].id);
    for (int pass = 0; pass < 8; pass++) {
        bool by_hash = pass >= 4;
        int shift = (pass % 4) * 12;
        size_t starts[4097] = {0};
        if (!by_hash && !(id_bits >> shift & 4095))
            continue;
        for (size_t i = 0; i < terms->count; i++)
            starts[1 + ((by_hash ? from[i].hash : (uint64_t)from[i].id) >> shift & 4095)]++;
        for (size_t i = 1; i < 4097; i++)
            starts[i] += starts[i - 1];
        for (size_t i = 0; i < terms->count; i++)
            to[starts[(by_hash ? from[i].hash : (uint64_t)from[i].id) >> shift & 4095]++] = from[i];
        struct pair *swapped = from;
        from = to;
        to = swapped;
    }
    terms->pending = from;
    terms->sorted = to;
}

bool terms_flush(struct terms *terms, struct err *err)
{
    int64_t first = terms->next_block;
    struct block block;
    block.len = 0;
    if (terms->count == 0)
        return true;
    sort_pending(terms);
    for (size_t i = 0; i < terms->count; i++)
        if (!write_pair(terms, &terms->next_block, &block, terms->pending[i], err))
            return false;
    terms->count = 0;
    return write_block(terms, &terms->next_block, &block, err) && write_run(terms, first, terms->next_block - first, 0, err);
}

void terms_discard(struct terms *terms)
{
    terms->count = 0;
}

/* ---- merging ---- */

/* The lowest level that has `least` runs, or -1. */
static int full_level(struct terms *terms, int least)
{
    char text[160];
    sqlite3_snprintf(sizeof text, text, "SELECT level + 1 FROM term_run WHERE level >= 0 GROUP BY level HAVING count(*) >= %d"
                                        " ORDER BY level LIMIT 1", least);
    return (int)number(terms->db, text) - 1;
}

static bool any_dropped(struct terms *terms)
{
    return number(terms->db, "SELECT count(*) FROM term_run WHERE level = -1") > 0;
}

bool terms_merge_due(struct terms *terms, bool pressing)
{
    if (pressing)
        return full_level(terms, MOST_RUNS) >= 0;
    return terms->merge || full_level(terms, FAN_IN) >= 0 || any_dropped(terms);
}

/* The cursor's next pair; *more is false at its end. */
static bool advance(struct terms *terms, struct cursor *cursor, bool *more, struct err *err)
{
    while (!(*more = block_next(&cursor->block, &cursor->at, &cursor->pair))) {
        if (cursor->next == cursor->end)
            return true;
        if (!block_read(terms->get_block, cursor->next++, &cursor->block, err))
            return false;
        cursor->at = 0;
    }
    return true;
}

static void sift_down(struct merge *merge)
{
    size_t at = 0;
    for (;;) {
        size_t least = at, left = 2 * at + 1;
        for (size_t child = left; child < left + 2 && child < merge->left; child++)
            if (pair_compare(&merge->heap[child]->pair, &merge->heap[least]->pair) < 0)
                least = child;
        if (least == at)
            return;
        struct cursor *moved = merge->heap[at];
        merge->heap[at] = merge->heap[least];
        merge->heap[least] = moved;
        at = least;
    }
}

static int by_cursor(const void *a, const void *b)
{
    return pair_compare(&(*(struct cursor *const *)a)->pair, &(*(struct cursor *const *)b)->pair);
}

/* Takes the runs of a level on and reserves the numbers of the output's blocks: it cannot be longer than its inputs. */
static bool begin_merge(struct terms *terms, int level, struct err *err)
{
    struct merge *merge = terms->merge = calloc(1, sizeof *merge);
    sqlite3_stmt *q = NULL;
    int64_t total = 1;
    bool more;
    if (!merge || !(merge->inputs = calloc(FAN_IN, sizeof *merge->inputs)))
        return err_set(err, ERR_MEMORY, "out of memory");
    merge->level = level + 1;
    if (!(q = sql_prepare(terms->db, "SELECT first, blocks FROM term_run WHERE level = ? ORDER BY first LIMIT ?", err)))
        return false;
    sqlite3_bind_int(q, 1, level);
    sqlite3_bind_int(q, 2, FAN_IN);
    while (merge->count < FAN_IN && sqlite3_step(q) == SQLITE_ROW) {
        struct cursor *cursor = &merge->inputs[merge->count];
        cursor->next = merge->firsts[merge->count++] = sqlite3_column_int64(q, 0);
        cursor->end = cursor->next + sqlite3_column_int64(q, 1);
        total += sqlite3_column_int64(q, 1);
    }
    sqlite3_finalize(q);
    for (size_t i = 0; i < merge->count; i++) {
        if (!advance(terms, &merge->inputs[i], &more, err))
            return false;
        if (more)
            merge->heap[merge->left++] = &merge->inputs[i];
    }
    qsort(merge->heap, merge->left, sizeof merge->heap[0], by_cursor);
    merge->first = merge->next = terms->next_block;
    terms->next_block += total;
    return write_run(terms, merge->first, total, LEVEL_BUILT, err);
}

static bool end_merge(struct terms *terms, struct err *err)
{
    struct merge *merge = terms->merge;
    if (!write_block(terms, &merge->next, &merge->out, err) ||
        !write_run(terms, merge->first, merge->next - merge->first, merge->level, err))
        return false;
    for (size_t i = 0; i < merge->count; i++) {
        sqlite3_bind_int(terms->set_level, 1, LEVEL_DROPPED);
        sqlite3_bind_int64(terms->set_level, 2, merge->firsts[i]);
        if (!sql_run(terms->set_level, err))
            return false;
    }
    drop_merge(terms);
    return true;
}

static bool go_on(struct terms *terms, double until, struct err *err)
{
    struct merge *merge = terms->merge;
    bool more;
    for (unsigned n = 1; merge->left > 0; n++) {
        struct cursor *least = merge->heap[0];
        if (!write_pair(terms, &merge->next, &merge->out, least->pair, err) || !advance(terms, least, &more, err))
            return false;
        if (!more)
            merge->heap[0] = merge->heap[--merge->left];
        sift_down(merge);
        if (n % 4096 == 0 && clock_steady() > until)
            return true;
    }
    return end_merge(terms, err);
}

/* Deletes blocks of merged runs. */
static bool clear_dropped(struct terms *terms, double until, struct err *err)
{
    char text[200];
    while (clock_steady() < until && any_dropped(terms)) {
        int64_t first = number(terms->db, "SELECT first FROM term_run WHERE level = -1");
        int64_t blocks = number(terms->db, "SELECT blocks FROM term_run WHERE level = -1");
        int64_t some = blocks < CLEARED_AT_ONCE ? blocks : CLEARED_AT_ONCE;
        /* From its end, so that the run's number stays. */
        sqlite3_snprintf(sizeof text, text, "DELETE FROM term_block WHERE id >= %lld AND id < %lld; %s WHERE first = %lld",
                         first + blocks - some, first + blocks,
                         some == blocks ? "DELETE FROM term_run" : "UPDATE term_run SET blocks = blocks - 512", first);
        if (!sql_exec(terms->db, text, err))
            return false;
    }
    return true;
}

static bool merge_some(struct terms *terms, double until, struct err *err)
{
    if (!clear_dropped(terms, until, err))
        return false;
    int level = terms->merge ? -1 : full_level(terms, FAN_IN);
    if (!terms->merge && level < 0)
        return true;
    return (terms->merge || begin_merge(terms, level, err)) && go_on(terms, until, err);
}

bool terms_merge(struct terms *terms, double seconds, struct err *err)
{
    struct err ignored;
    err_clear(&ignored);
    if (sql_exec(terms->db, "BEGIN IMMEDIATE", err) && merge_some(terms, clock_steady() + seconds, err) &&
        sql_exec(terms->db, "COMMIT", err))
        return true;
    drop_merge(terms);
    (void)!sql_exec(terms->db, "ROLLBACK; UPDATE term_run SET level = -1 WHERE level = -2", &ignored);
    return false;
}

/* ---- finding ---- */

/* The lowest ids found so far: sorted and cut down to `room` whenever twice as many have come together. */
struct lowest {
    int64_t *ids;
    size_t count, room;
    int64_t bound; /* ids above it are not wanted any more */
};

static int by_id(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return (x > y) - (x < y);
}

static void cut_down(struct lowest *lowest)
{
    size_t kept = 0;
    qsort(lowest->ids, lowest->count, sizeof *lowest->ids, by_id);
    for (size_t i = 0; i < lowest->count && kept < lowest->room; i++)
        if (kept == 0 || lowest->ids[i] != lowest->ids[kept - 1])
            lowest->ids[kept++] = lowest->ids[i];
    lowest->count = kept;
    if (kept == lowest->room)
        lowest->bound = lowest->ids[kept - 1];
}

/* The last block of the run that begins at or before the pair: where it stands if it is there. */
static bool seek(sqlite3_stmt *get, struct cursor *cursor, int64_t first, int64_t blocks, struct pair pair, struct err *err)
{
    int64_t low = first, high = first + blocks; /* the block is in [low, high) */
    struct pair start;
    while (high - low > 1) {
        int64_t middle = low + (high - low) / 2;
        size_t at = 0;
        if (!block_read(get, middle, &cursor->block, err))
            return false;
        if (!block_next(&cursor->block, &at, &start) || pair_compare(&start, &pair) > 0)
            high = middle;
        else
            low = middle;
    }
    cursor->next = low;
    cursor->end = first + blocks;
    cursor->block.len = cursor->at = 0;
    return true;
}

static bool find_in_run(sqlite3_stmt *get, int64_t first, int64_t blocks, struct pair from, struct lowest *lowest,
                        struct err *err)
{
    struct cursor cursor;
    struct terms reader = {.get_block = get};
    bool more;
    if (!seek(get, &cursor, first, blocks, from, err) || !advance(&reader, &cursor, &more, err))
        return false;
    for (; more && cursor.pair.hash <= from.hash && !(cursor.pair.hash == from.hash && cursor.pair.id > lowest->bound);) {
        if (pair_compare(&cursor.pair, &from) >= 0) {
            lowest->ids[lowest->count++] = cursor.pair.id;
            if (lowest->count == 2 * lowest->room)
                cut_down(lowest);
        }
        if (!advance(&reader, &cursor, &more, err))
            return false;
    }
    return true;
}

bool terms_find(sqlite3 *db, const uint64_t *hashes, size_t hash_count, int64_t after, int64_t *ids, size_t *count,
                struct err *err)
{
    struct lowest lowest = {malloc(2 * *count * sizeof *ids), 0, *count, INT64_MAX};
    sqlite3_stmt *get = sql_prepare(db, "SELECT data FROM term_block WHERE id = ?", err);
    sqlite3_stmt *runs = sql_prepare(db, "SELECT first, blocks FROM term_run WHERE level >= 0", err);
    bool ok = get && runs;
    if (!lowest.ids)
        ok = err_set(err, ERR_MEMORY, "out of memory");
    while (ok && sqlite3_step(runs) == SQLITE_ROW)
        for (size_t i = 0; ok && i < hash_count; i++)
            ok = find_in_run(get, sqlite3_column_int64(runs, 0), sqlite3_column_int64(runs, 1),
                             (struct pair){hashes[i], after + 1}, &lowest, err);
    sqlite3_finalize(get);
    sqlite3_finalize(runs);
    if (ok) {
        cut_down(&lowest);
        memcpy(ids, lowest.ids, lowest.count * sizeof *ids);
        *count = lowest.count;
    }
    free(lowest.ids);
    return ok;
}
