/* The batches of profiles.h: rows collected in memory, sorted by key, committed in parts. */
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "core/utf8.h"
#include "local/clock.h"
#include "local/profiles_private.h"

#define ARENA_MAX ((size_t)256 << 20)
#define MOST_OF_VALUE 1000 /* characters of a failed record's value that are kept */
#define MOST_OLD_TERMS 512 /* of a profile that has more, some are written again */

struct row {
    uint64_t hash; /* of the key */
    size_t key, key_len;
    size_t doc, doc_len;
    size_t sequence;  /* keeps the order of the file within a key */
};

struct failure {
    long line, column;
    size_t name, value, value_len, reason; /* offsets in the arena */
};

struct profile_batch {
    struct profiles *profiles;
    struct buf arena;
    struct row *rows;
    size_t row_count, row_size;
    bool sorted;
    struct failure *failures;
    size_t failure_count, failure_size;
    struct buf merged, previous;
    unsigned char random[256]; /* for profile ids; the most that getrandom gives at once */
    size_t random_left;
    /* The profile whose terms are being written, the hashes it had before, and what went wrong. */
    sqlite3_int64 term_id;
    uint64_t had[MOST_OLD_TERMS];
    size_t had_count;
    bool term_failed;
    struct err *term_err;
};

struct profile_batch *profile_batch_new(struct profiles *p, struct err *err)
{
    struct profile_batch *batch = calloc(1, sizeof *batch);
    if (!batch) {
        err_set(err, ERR_MEMORY, "out of memory");
        return NULL;
    }
    batch->profiles = p;
    buf_init(&batch->arena, ARENA_MAX);
    buf_init(&batch->merged, (size_t)64 << 20);
    buf_init(&batch->previous, (size_t)64 << 20);
    return batch;
}

void profile_batch_release(struct profile_batch *batch)
{
    buf_free(&batch->arena);
    buf_free(&batch->merged);
    buf_free(&batch->previous);
    free(batch->rows);
    free(batch->failures);
    batch->rows = NULL;
    batch->failures = NULL;
    batch->row_size = batch->failure_size = 0;
}

void profile_batch_free(struct profile_batch *batch)
{
    if (!batch)
        return;
    profile_batch_release(batch);
    free(batch);
}

size_t profile_batch_rows(const struct profile_batch *batch)
{
    return batch->row_count + batch->failure_count;
}

size_t profile_batch_bytes(const struct profile_batch *batch)
{
    return batch->arena.len;
}

/* Room for one more in an array that grows by doubling. */
static bool make_room(void **array, size_t count, size_t *size, size_t item, struct err *err)
{
    if (count < *size)
        return true;
    size_t grown_size = *size ? *size * 2 : 1024;
    void *grown = realloc(*array, grown_size * item);
    if (!grown)
        return err_set(err, ERR_MEMORY, "out of memory");
    *array = grown;
    *size = grown_size;
    return true;
}

bool profile_batch_add(struct profile_batch *batch, int key_target, struct csv_slice key,
                       const struct profile_value *values, size_t count, struct err *err)
{
    if (!make_room((void **)&batch->rows, batch->row_count, &batch->row_size, sizeof *batch->rows, err))
        return false;
    struct row *row = &batch->rows[batch->row_count];
    unsigned char head[4] = {(unsigned char)(key_target >> 24), (unsigned char)(key_target >> 16),
                             (unsigned char)(key_target >> 8), (unsigned char)key_target};
    row->key = batch->arena.len;
    buf_add(&batch->arena, head, sizeof head);
    buf_add(&batch->arena, key.data, key.len);
    row->key_len = batch->arena.len - row->key;
    row->doc = batch->arena.len;
    for (size_t i = 0; i < count; i++)
        document_add(&batch->arena, values[i].target, values[i].value.data, values[i].value.len);
    row->doc_len = batch->arena.len - row->doc;
    if (batch->arena.failed)
        return err_set(err, ERR_MEMORY, "a batch is too large for memory");
    row->sequence = batch->row_count;
    row->hash = profile_key_hash(batch->arena.data + row->key, row->key_len);
    batch->row_count++;
    batch->sorted = false;
    return true;
}

bool profile_batch_fail(struct profile_batch *batch, long line, long column, const char *column_name,
                        struct csv_slice value, const char *reason, struct err *err)
{
    if (!make_room((void **)&batch->failures, batch->failure_count, &batch->failure_size, sizeof *batch->failures, err))
        return false;
    struct failure *failure = &batch->failures[batch->failure_count];
    failure->line = line;
    failure->column = column;
    failure->name = batch->arena.len;
    buf_add(&batch->arena, column_name, strlen(column_name) + 1);
    failure->value = batch->arena.len;
    failure->value_len = value.data ? utf8_prefix(value.data, value.len, MOST_OF_VALUE) : 0;
    buf_add(&batch->arena, value.data ? value.data : "", failure->value_len);
    failure->reason = batch->arena.len;
    buf_add(&batch->arena, reason, strlen(reason) + 1);
    if (batch->arena.failed)
        return err_set(err, ERR_MEMORY, "a batch is too large for memory");
    batch->failure_count++;
    return true;
}

/* ---- sorting ---- */

static int by_key(const void *a, const void *b, void *arena)
{
    const struct row *x = a, *y = b;
    const char *bytes = arena;
    if (x->hash != y->hash)
        return x->hash < y->hash ? -1 : 1;
    size_t len = x->key_len < y->key_len ? x->key_len : y->key_len;
    int order = memcmp(bytes + x->key, bytes + y->key, len);
    if (order == 0 && x->key_len != y->key_len)
        order = x->key_len < y->key_len ? -1 : 1;
    if (order == 0)
        order = x->sequence < y->sequence ? -1 : 1;
    return order;
}

static bool same_key(const struct profile_batch *batch, const struct row *a, const struct row *b)
{
    return a->hash == b->hash && a->key_len == b->key_len && memcmp(batch->arena.data + a->key, batch->arena.data + b->key, a->key_len) == 0;
}

/* ---- committing ---- */

struct stored {
    sqlite3_int64 id;  /* 0: there is none */
    int64_t slot;      /* the hash under which it stands, or is to stand */
    bool live;         /* not expired: an expired one counts as absent, and gives its place to the new one */
    bool same;         /* it says what the rows say, and was not read */
    unsigned char uid[16];
    int64_t expires;
};

/* The rows of one key as one document, the later over the earlier: in batch->merged. */
static bool merge_rows(struct profile_batch *batch, const struct row *rows, size_t count, struct err *err)
{
    struct buf *to = &batch->merged, *other = &batch->previous;
    bool ok;
    buf_reset(to);
    ok = buf_add(to, batch->arena.data + rows[0].doc, rows[0].doc_len);
    for (size_t i = 1; ok && i < count; i++) {
        struct csv_slice older = {to->data, to->len};
        struct csv_slice newer = {batch->arena.data + rows[i].doc, rows[i].doc_len};
        buf_reset(other);
        ok = document_merge(&older, &newer, other);
        struct buf swapped = *to;
        *to = *other;
        *other = swapped;
    }
    return ok || err_set(err, ERR_MEMORY, "out of memory");
}

/* Reads the profile if it has the row's key; *found. Its document goes into batch->previous while it is live. */
static bool read_profile(struct profile_batch *batch, const struct row *row, struct stored *stored, bool *found, struct err *err)
{
    sqlite3_stmt *q = batch->profiles->get_profile;
    sqlite3_bind_int64(q, 1, stored->id);
    int status = sqlite3_step(q);
    bool ok = status == SQLITE_ROW || status == SQLITE_DONE || sql_fail(batch->profiles->db, err);
    *found = status == SQLITE_ROW && (size_t)sqlite3_column_bytes(q, 1) == row->key_len &&
             memcmp(sqlite3_column_blob(q, 1), batch->arena.data + row->key, row->key_len) == 0;
    stored->live = stored->live && sqlite3_column_bytes(q, 0) == 16;
    if (*found && stored->live) {
        memcpy(stored->uid, sqlite3_column_blob(q, 0), 16);
        ok = buf_add(&batch->previous, sqlite3_column_blob(q, 2), (size_t)sqlite3_column_bytes(q, 2)) ||
             err_set(err, ERR_MEMORY, "out of memory");
    }
    sqlite3_reset(q);
    return ok;
}

/* The profile of a key; `digest` is that of the rows' own document. */
static bool find_profile(struct profile_batch *batch, const struct row *row, int64_t digest, double now, struct stored *stored,
                         struct err *err)
{
    sqlite3_stmt *q = batch->profiles->find_key;
    bool found = false;
    memset(stored, 0, sizeof *stored);
    buf_reset(&batch->previous);
    for (stored->slot = (int64_t)row->hash;; stored->slot++) {
        sqlite3_bind_int64(q, 1, stored->slot);
        int status = sqlite3_step(q);
        stored->id = status == SQLITE_ROW ? sqlite3_column_int64(q, 0) : 0;
        stored->expires = sqlite3_column_int64(q, 1);
        stored->live = stored->id && (double)stored->expires > now;
        stored->same = stored->live && sqlite3_column_int64(q, 2) == digest;
        sqlite3_reset(q);
        if (status != SQLITE_ROW)
            return status == SQLITE_DONE || sql_fail(batch->profiles->db, err);
        if (stored->same)
            return true;
        if (!read_profile(batch, row, stored, &found, err))
            return false;
        if (found)
            return true;
    }
}

static void remember_term(void *arg, const char *key, const char *value, size_t len)
{
    struct profile_batch *batch = arg;
    if (batch->had_count < MOST_OLD_TERMS)
        batch->had[batch->had_count++] = term_hash(key, value, len);
}

static void put_term(void *arg, const char *key, const char *value, size_t len)
{
    struct profile_batch *batch = arg;
    uint64_t hash = term_hash(key, value, len);
    for (size_t i = 0; i < batch->had_count; i++)
        if (batch->had[i] == hash)
            return;
    batch->term_failed = batch->term_failed || !terms_add(batch->profiles->terms, hash, batch->term_id, batch->term_err);
}

static bool new_uid(struct profile_batch *batch, unsigned char uid[16], struct err *err)
{
    if (batch->random_left == 0) {
        if (getrandom(batch->random, sizeof batch->random, 0) != (ssize_t)sizeof batch->random)
            return err_set(err, ERR_INTERNAL, "no random bytes are to be had");
        batch->random_left = sizeof batch->random;
    }
    batch->random_left -= 16;
    memcpy(uid, batch->random + batch->random_left, 16);
    return true;
}

static bool put_key(struct profiles *p, const struct stored *stored, int64_t digest, struct err *err)
{
    sqlite3_bind_int64(p->put_key, 1, stored->slot);
    sqlite3_bind_int64(p->put_key, 2, stored->id);
    sqlite3_bind_int64(p->put_key, 3, stored->expires);
    sqlite3_bind_int64(p->put_key, 4, digest);
    return sql_run(p->put_key, err);
}

static bool put_profile(struct profile_batch *batch, const struct row *row, const struct csv_slice *doc,
                        struct stored *stored, struct err *err)
{
    struct profiles *p = batch->profiles;
    sqlite3_stmt *q = stored->id ? p->change_profile : p->put_profile;
    int at = 1;
    sqlite3_bind_blob(q, at++, stored->uid, 16, SQLITE_STATIC);
    if (!stored->id)
        sqlite3_bind_blob(q, at++, batch->arena.data + row->key, (int)row->key_len, SQLITE_STATIC);
    sqlite3_bind_blob(q, at++, doc->data, (int)doc->len, SQLITE_STATIC);
    if (stored->id)
        sqlite3_bind_int64(q, at, stored->id);
    if (!sql_run(q, err))
        return false;
    if (!stored->id)
        stored->id = sqlite3_last_insert_rowid(p->db);
    return true;
}

/* batch->merged over the profile as it is (batch->previous), or as a new one; and the terms that it has not had. */
static bool change_profile(struct profile_batch *batch, const struct row *row, struct stored *stored, int64_t *digest,
                           struct err *err)
{
    struct csv_slice doc = {batch->merged.data, batch->merged.len}, before = {batch->previous.data, batch->previous.len};
    struct buf both;
    bool ok = true;
    buf_init(&both, (size_t)64 << 20);
    batch->had_count = 0;
    if (stored->live) {
        document_terms(&before, &batch->profiles->targets, stored->uid, remember_term, batch);
        ok = document_merge(&before, &doc, &both) || err_set(err, ERR_MEMORY, "out of memory");
        doc = (struct csv_slice){both.data, both.len};
        *digest = document_digest(&doc);
    } else {
        ok = new_uid(batch, stored->uid, err);
    }
    ok = ok && put_profile(batch, row, &doc, stored, err);
    batch->term_id = stored->id;
    batch->term_failed = false;
    batch->term_err = err;
    if (ok)
        document_terms(&doc, &batch->profiles->targets, stored->uid, put_term, batch);
    buf_free(&both);
    return ok && !batch->term_failed;
}

static bool write_key(struct profile_batch *batch, const struct row *rows, size_t count, double now, int64_t expires,
                      struct job_counts *counts, struct err *err)
{
    struct stored stored;
    if (!merge_rows(batch, rows, count, err))
        return false;
    struct csv_slice doc = {batch->merged.data, batch->merged.len};
    int64_t digest = document_digest(&doc);
    if (!find_profile(batch, rows, digest, now, &stored, err))
        return false;
    counts->created += !stored.live;
    counts->updated += (int64_t)count - !stored.live;
    if (stored.same && stored.expires >= expires)
        return true;
    stored.expires = stored.live && stored.expires > expires ? stored.expires : expires;
    return (stored.same || change_profile(batch, rows, &stored, &digest, err)) && put_key(batch->profiles, &stored, digest, err);
}

/* The first row that is not there yet. */
static size_t first_row(const struct profile_batch *batch, const struct ingest_position *position)
{
    size_t first = 0;
    while (position->part_end && first < batch->row_count && batch->rows[first].hash <= position->part_hash)
        first++;
    return first;
}

/* Keys of one hash stay together: the hash is what says how far it came. */
static bool write_rows(struct profile_batch *batch, const struct batch_commit *what, struct ingest_position *position, bool *more,
                       struct err *err)
{
    int64_t expires = (int64_t)ceil(what->expires);
    double until = clock_steady() + what->seconds;
    *more = false;
    for (size_t first = first_row(batch, position), next; first < batch->row_count && !*more; first = next) {
        const struct row *row = &batch->rows[first];
        for (next = first + 1; next < batch->row_count && same_key(batch, row, &batch->rows[next]);)
            next++;
        if (!write_key(batch, row, next - first, what->now, expires, &position->counts, err))
            return false;
        position->part_hash = row->hash;
        *more = next < batch->row_count && batch->rows[next].hash != row->hash && clock_steady() > until;
    }
    if (expires < batch->profiles->purge_oldest)
        batch->profiles->purge_oldest = expires;
    if (expires < batch->profiles->oldest && batch->row_count && !profiles_put_oldest(batch->profiles, expires, err))
        return false;
    return terms_flush(batch->profiles->terms, err);
}

static bool write_failures(struct profile_batch *batch, const char *job_id, struct err *err)
{
    sqlite3_stmt *q = batch->profiles->put_failure;
    for (size_t i = 0; i < batch->failure_count; i++) {
        const struct failure *failure = &batch->failures[i];
        const char *arena = batch->arena.data;
        sqlite3_bind_text(q, 1, job_id, -1, SQLITE_STATIC);
        sqlite3_bind_int64(q, 2, failure->line);
        sqlite3_bind_int64(q, 3, failure->column);
        sqlite3_bind_text(q, 4, arena + failure->name, -1, SQLITE_STATIC);
        sqlite3_bind_text(q, 5, arena + failure->value, (int)failure->value_len, SQLITE_STATIC);
        sqlite3_bind_text(q, 6, arena + failure->reason, -1, SQLITE_STATIC);
        if (!sql_run(q, err))
            return false;
    }
    return true;
}

static bool write_position(struct profile_batch *batch, const char *job_id, const struct ingest_position *position,
                           struct err *err)
{
    sqlite3_stmt *q = batch->profiles->put_position;
    sqlite3_bind_text(q, 1, job_id, -1, SQLITE_STATIC);
    sqlite3_bind_int64(q, 2, (int64_t)position->offset);
    sqlite3_bind_int64(q, 3, position->line);
    sqlite3_bind_int64(q, 4, position->counts.created);
    sqlite3_bind_int64(q, 5, position->counts.updated);
    sqlite3_bind_int64(q, 6, position->counts.failed);
    sqlite3_bind_int64(q, 7, (int64_t)position->part_end);
    sqlite3_bind_int64(q, 8, (int64_t)position->part_hash);
    return sql_run(q, err);
}

/* What goes with the last part. */
static bool end_batch(struct profile_batch *batch, const struct batch_commit *what, struct ingest_position *position, struct err *err)
{
    position->offset = what->end;
    position->line = what->end_line;
    position->part_end = position->part_hash = 0;
    position->counts.failed += (int64_t)batch->failure_count;
    return write_failures(batch, what->job_id, err);
}

bool profile_batch_commit(struct profile_batch *batch, const struct batch_commit *what, struct ingest_position *position,
                          bool *more, struct err *err)
{
    sqlite3 *db = batch->profiles->db;
    struct ingest_position after = *position;
    struct err ignored;
    err_clear(&ignored);
    if (!batch->sorted && batch->row_count > 1)
        qsort_r(batch->rows, batch->row_count, sizeof *batch->rows, by_key, batch->arena.data);
    batch->sorted = true;
    bool ok = sql_exec(db, "BEGIN IMMEDIATE", err) && write_rows(batch, what, &after, more, err);
    after.part_end = what->end;
    ok = ok && (*more || end_batch(batch, what, &after, err)) && write_position(batch, what->job_id, &after, err) &&
         sql_exec(db, "COMMIT", err);
    if (!ok) {
        terms_discard(batch->profiles->terms);
        (void)!sql_exec(db, "ROLLBACK", &ignored);
        (void)!profiles_load_oldest(batch->profiles, &ignored);
        return false;
    }
    *position = after;
    if (!*more) {
        buf_reset(&batch->arena);
        batch->row_count = batch->failure_count = 0;
    }
    return true;
}
