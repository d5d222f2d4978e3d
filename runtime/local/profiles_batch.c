/* The batches of profiles.h: rows collected in memory, sorted by key, committed together. */
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "local/profiles_private.h"

#define ARENA_MAX ((size_t)256 << 20)

struct row {
    uint64_t prefix;  /* first bytes of the key, for a quick comparison */
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
    struct failure *failures;
    size_t failure_count, failure_size;
    struct buf merged, previous;
    sqlite3_int64 term_id; /* the profile whose terms are being written */
    bool term_failed;
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

void profile_batch_free(struct profile_batch *batch)
{
    if (!batch)
        return;
    buf_free(&batch->arena);
    buf_free(&batch->merged);
    buf_free(&batch->previous);
    free(batch->rows);
    free(batch->failures);
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
    row->prefix = 0;
    for (size_t i = 0; i < 8; i++)
        row->prefix = row->prefix << 8 | (i + 4 < row->key_len ? (unsigned char)batch->arena.data[row->key + 4 + i] : 0);
    batch->row_count++;
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
    failure->value_len = value.len < 1000 ? value.len : 1000;
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
    if (x->prefix != y->prefix)
        return x->prefix < y->prefix ? -1 : 1;
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
    return a->key_len == b->key_len && memcmp(batch->arena.data + a->key, batch->arena.data + b->key, a->key_len) == 0;
}

/* ---- committing ---- */

struct stored {
    sqlite3_int64 id; /* 0: there is none */
    unsigned char uid[16];
    double expires;
};

/* The profile of a key, its document in batch->previous; an expired one counts as absent. */
static bool find_profile(struct profile_batch *batch, const struct row *row, double now, struct stored *stored,
                         struct err *err)
{
    struct profiles *p = batch->profiles;
    bool ok = true;
    memset(stored, 0, sizeof *stored);
    buf_reset(&batch->previous);
    sqlite3_bind_blob(p->find_key, 1, batch->arena.data + row->key, (int)row->key_len, SQLITE_STATIC);
    int status = sqlite3_step(p->find_key);
    sqlite3_int64 id = status == SQLITE_ROW ? sqlite3_column_int64(p->find_key, 0) : 0;
    sqlite3_reset(p->find_key);
    if (status != SQLITE_ROW)
        return status == SQLITE_DONE || sql_fail(p->db, err);
    sqlite3_bind_int64(p->get_profile, 1, id);
    status = sqlite3_step(p->get_profile);
    if (status == SQLITE_ROW && sqlite3_column_bytes(p->get_profile, 0) == 16 &&
        sqlite3_column_double(p->get_profile, 1) > now) {
        stored->id = id;
        memcpy(stored->uid, sqlite3_column_blob(p->get_profile, 0), 16);
        stored->expires = sqlite3_column_double(p->get_profile, 1);
        ok = buf_add(&batch->previous, sqlite3_column_blob(p->get_profile, 2), (size_t)sqlite3_column_bytes(p->get_profile, 2)) ||
             err_set(err, ERR_MEMORY, "out of memory");
    } else if (status != SQLITE_ROW && status != SQLITE_DONE) {
        ok = sql_fail(p->db, err);
    }
    sqlite3_reset(p->get_profile);
    return ok;
}

/* Each row of the key over what is stored, in the file's order; the result in batch->previous. */
static bool merge_rows(struct profile_batch *batch, const struct row *rows, size_t count, struct err *err)
{
    for (size_t i = 0; i < count; i++) {
        struct csv_slice older = {batch->previous.data, batch->previous.len};
        struct csv_slice newer = {batch->arena.data + rows[i].doc, rows[i].doc_len};
        buf_reset(&batch->merged);
        if (!document_merge(&older, &newer, &batch->merged))
            return err_set(err, ERR_MEMORY, "out of memory");
        struct buf swapped = batch->previous;
        batch->previous = batch->merged;
        batch->merged = swapped;
    }
    return true;
}

static void put_term(void *arg, const char *key, const char *value, size_t len)
{
    struct profile_batch *batch = arg;
    struct profiles *p = batch->profiles;
    sqlite3_bind_int64(p->put_term, 1, term_hash(key, value, len));
    sqlite3_bind_int64(p->put_term, 2, batch->term_id);
    batch->term_failed = sqlite3_step(p->put_term) != SQLITE_DONE || batch->term_failed;
    sqlite3_reset(p->put_term);
}

static bool write_profile(struct profile_batch *batch, const struct row *row, struct stored *stored, double expires,
                          struct err *err)
{
    struct profiles *p = batch->profiles;
    struct csv_slice doc = {batch->previous.data, batch->previous.len};
    bool is_new = stored->id == 0;
    if (is_new) {
        if (getrandom(stored->uid, sizeof stored->uid, 0) != (ssize_t)sizeof stored->uid)
            return err_set(err, ERR_INTERNAL, "no random bytes are to be had");
        sqlite3_bind_blob(p->put_profile, 1, stored->uid, 16, SQLITE_STATIC);
        sqlite3_bind_double(p->put_profile, 2, expires);
        sqlite3_bind_blob(p->put_profile, 3, batch->arena.data + row->key, (int)row->key_len, SQLITE_STATIC);
        sqlite3_bind_blob(p->put_profile, 4, doc.data ? doc.data : "", (int)doc.len, SQLITE_STATIC);
        if (!sql_run(p->put_profile, err))
            return false;
        stored->id = sqlite3_last_insert_rowid(p->db);
        sqlite3_bind_blob(p->put_key, 1, batch->arena.data + row->key, (int)row->key_len, SQLITE_STATIC);
        sqlite3_bind_int64(p->put_key, 2, stored->id);
        if (!sql_run(p->put_key, err))
            return false;
    } else {
        sqlite3_bind_double(p->change_profile, 1, stored->expires > expires ? stored->expires : expires);
        sqlite3_bind_blob(p->change_profile, 2, doc.data ? doc.data : "", (int)doc.len, SQLITE_STATIC);
        sqlite3_bind_int64(p->change_profile, 3, stored->id);
        if (!sql_run(p->change_profile, err))
            return false;
    }
    batch->term_id = stored->id;
    batch->term_failed = false;
    document_terms(&doc, &p->targets, stored->uid, put_term, batch);
    return !batch->term_failed || sql_fail(p->db, err);
}

static bool write_rows(struct profile_batch *batch, double now, double expires, struct job_counts *counts, struct err *err)
{
    struct stored stored;
    for (size_t first = 0, next; first < batch->row_count; first = next) {
        const struct row *row = &batch->rows[first];
        for (next = first + 1; next < batch->row_count && same_key(batch, row, &batch->rows[next]);)
            next++;
        if (!find_profile(batch, row, now, &stored, err))
            return false;
        counts->created += stored.id == 0;
        counts->updated += (int64_t)(next - first) - (stored.id == 0);
        if (!merge_rows(batch, row, next - first, err) || !write_profile(batch, row, &stored, expires, err))
            return false;
    }
    return true;
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
    return sql_run(q, err);
}

bool profile_batch_commit(struct profile_batch *batch, const char *job_id, struct ingest_position *position, double now,
                          double expires, struct err *err)
{
    sqlite3 *db = batch->profiles->db;
    struct ingest_position after = *position;
    struct err ignored;
    err_clear(&ignored);
    if (batch->row_count > 1)
        qsort_r(batch->rows, batch->row_count, sizeof *batch->rows, by_key, batch->arena.data);
    bool ok = sql_exec(db, "BEGIN IMMEDIATE", err);
    ok = ok && write_rows(batch, now, expires, &after.counts, err);
    after.counts.failed += (int64_t)batch->failure_count;
    ok = ok && write_failures(batch, job_id, err) && write_position(batch, job_id, &after, err) && sql_exec(db, "COMMIT", err);
    if (!ok) {
        (void)!sql_exec(db, "ROLLBACK", &ignored);
        return false;
    }
    *position = after;
    buf_reset(&batch->arena);
    batch->row_count = batch->failure_count = 0;
    return true;
}
