/* One job of ingest.h: opening it, its batches, its end. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/log.h"
#include "core/sql.h"
#include "local/ingest_private.h"

/* A batch ends at the first of these. */
#define BATCH_ROWS 80000
#define BATCH_BYTES ((size_t)10 << 20)
#define WHOLE_BATCHES 8 /* jobs that may have batches so large; where more are open, they share that much memory */
#define COLLECT_SECONDS 0.3
/* A turn stays under half a second: one that has spent this much on collecting leaves the commit to the next, and a part of a
 * batch is committed after so much of writing: the COMMIT itself takes about as long again. */
#define COMMIT_AFTER_SECONDS 0.1
#define WRITE_SECONDS 0.15
#define LOOK_BYTES ((size_t)64 << 10) /* between two looks at the clock */
#define LATER_SECONDS 1.0 /* until a job that found the disk full is tried again */

/* ---- opening ---- */

/* Of what open_job opened: all but the domain. */
static void close_file(struct ingest *ingest, struct active *a)
{
    ingest->batches -= a->batch != NULL;
    profile_batch_free(a->batch);
    csv_reader_free(a->csv);
    object_reader_free(a->object);
    ingest_plan_free(a->plan);
    a->batch = NULL;
    a->csv = NULL;
    a->object = NULL;
    a->plan = NULL;
}

/* Undoes open_job. */
static void close_parts(struct ingest *ingest, struct active *a)
{
    close_file(ingest, a);
    if (a->domain && --a->domain->jobs == 0)
        ingest_close_store(ingest, a->domain);
    a->domain = NULL;
}

void ingest_free_job(struct ingest *ingest, struct active *a)
{
    close_parts(ingest, a);
    job_plan_free(&a->job);
    free(a);
}

static long read_object(void *arg, char *into, size_t size, struct err *err)
{
    return object_reader_read(((struct active *)arg)->object, into, size, err);
}

/* The header is read like a row, because blank lines may stand before it, and others wait for their turns. */
static bool open_reader(struct ingest *ingest, struct active *a, uint64_t offset, long line, struct err *err)
{
    struct csv_options options = {.no_header = true, .pauses = true, .keep_bom = true, .start_offset = offset, .start_line = line};
    csv_reader_free(a->csv);
    object_reader_free(a->object);
    a->csv = NULL;
    a->object = object_reader_open(ingest->objects, a->job.object, offset, err);
    a->csv = a->object ? csv_reader_new(read_object, a, "the uploaded file", &options, err) : NULL;
    return a->csv != NULL;
}

static void tell(struct ingest *ingest, struct active *a, const char *status, const char *reason)
{
    ingest->events.report(ingest->events.arg, a->job.job_id, &a->position.counts, status, reason);
}

/* What is wrong is the file or the mapping, not the service that reads them. */
static bool is_fault_of_input(const struct err *e)
{
    return !err_is(e, ERR_SYSTEM) && !err_is(e, ERR_DAMAGED) && !err_is(e, ERR_MEMORY) && !err_is(e, ERR_INTERNAL) &&
           !err_is(e, ERR_CONFIG);
}

#define VALIDATION_FAILURE "VALIDATION_FAILURE"
#define ERR_MISSING_FILE "MissingFile"
#define ERR_EMPTY_FILE "EmptyFile"
#define ERR_NOT_UTF8 "NotUtf8"

/* Whether it is rehearsed that a job succeeds all the same. */
static bool is_forgiven(const struct facts *inferred, const struct err *e)
{
    return (!inferred->missing_file_fails && err_is(e, ERR_MISSING_FILE)) ||
           (!inferred->empty_file_fails && err_is(e, ERR_EMPTY_FILE)) ||
           (!inferred->not_utf8_fails && err_is(e, ERR_NOT_UTF8)) ||
           (!inferred->missing_column_fails && err_is(e, ERR_MISSING_COLUMN)) ||
           (!inferred->missing_key_column_fails && err_is(e, ERR_MISSING_KEY));
}

/* What makes the real service fail a job with VALIDATION_FAILURE, before any record is looked at. */
static bool check_object(const struct job_plan *job, struct err *err)
{
    if (!job->object)
        return err_set(err, ERR_MISSING_FILE, "no file was uploaded");
    if (job->facts.size == 0)
        return err_set(err, ERR_EMPTY_FILE, "the file is empty");
    if (!job->facts.utf8)
        return err_set(err, ERR_NOT_UTF8, "the file is not UTF-8");
    return (double)job->facts.size < job->inferred->max_file_bytes || err_set(err, VALIDATION_FAILURE, "the file is too large");
}

static bool open_job(struct ingest *ingest, struct active *a, struct err *err)
{
    a->expires = a->job.started + a->job.expiry_days * 86400.0;
    memset(&a->position, 0, sizeof a->position);
    a->domain = ingest_open_domain(ingest, a->job.domain_id, err);
    if (!a->domain)
        return false;
    a->domain->jobs++;
    /* First of all: whatever becomes of the job then, its counts are those that were committed. */
    if (!profiles_position(a->domain->profiles, a->job.job_id, &a->position, &a->found, err))
        return false;
    if (a->stop)
        return true;
    if (!check_object(&a->job, err) || !(a->plan = ingest_plan_new(a->job.fields, a->job.unique_key, a->job.inferred, err)) ||
        !open_reader(ingest, a, 0, 1, err))
        return false;
    a->batch = profile_batch_new(a->domain->profiles, err);
    ingest->batches += a->batch != NULL;
    return a->batch != NULL;
}

/* ---- the header ---- */

/* Where the first record begins is the position of a job that has none yet. One that was under way goes on behind its last
 * commit. */
static bool go_to_position(struct ingest *ingest, struct active *a, struct err *err)
{
    if (!a->found) {
        a->position.offset = csv_reader_offset(a->csv);
        a->position.line = csv_reader_line(a->csv) + 1;
    } else if (!open_reader(ingest, a, a->position.offset, a->position.line, err)) {
        return false;
    }
    a->purged = a->found;
    a->batch_end = a->position.offset;
    a->batch_end_line = a->position.line;
    return true;
}

/* Looks for the header until then; a->bound when it has come. */
static bool bind_header(struct ingest *ingest, struct active *a, double until, struct err *err)
{
    const struct csv_row *header;
    enum csv_status status;
    do
        status = csv_reader_next(a->csv, &header, err);
    while (status == CSV_NOTHING_YET && !a->stop && clock_steady() < until);
    if (status == CSV_NOTHING_YET)
        return true;
    if (status == CSV_END)
        return err_set(err, VALIDATION_FAILURE, "the file has no header");
    if (status != CSV_ROW || !ingest_plan_bind(a->plan, header, a->domain->profiles, err))
        return false;
    a->header_count = header->count;
    a->bound = go_to_position(ingest, a, err);
    return a->bound;
}

/* ---- a batch ---- */

#define MOST_OF_KEY 4200 /* bytes: 1000 characters, and a suffix */

/* What makes a record's profile the same as another's: its key, unless it is rehearsed that it is not. `room` has MOST_OF_KEY. */
static struct csv_slice identity_of(const struct active *a, const struct csv_row *row, struct csv_slice key, char *room)
{
    const struct facts *inferred = a->job.inferred;
    char suffix[64];
    if (inferred->key_is_one_in_file && inferred->key_is_one_across_jobs)
        return key;
    int len = snprintf(suffix, sizeof suffix, "%c%s%c%ld", 0, inferred->key_is_one_across_jobs ? "" : a->job.job_id, 0,
                       inferred->key_is_one_in_file ? 0 : row->line);
    if (key.len + (size_t)len > MOST_OF_KEY)
        return key;
    memcpy(room, key.data, key.len);
    memcpy(room + key.len, suffix, (size_t)len);
    return (struct csv_slice){room, key.len + (size_t)len};
}

static bool take_row(struct active *a, const struct csv_row *row, struct err *err)
{
    struct csv_slice key = {"", 0};
    struct plan_fault fault;
    size_t count;
    if (!ingest_plan_apply(a->plan, row, a->header_count, &count, &key, &fault))
        return (fault.no_key && !a->job.inferred->no_key_fails) ||
               profile_batch_fail(a->batch, row->line, fault.column, fault.column_name, fault.value, fault.reason, err);
    char distinct[MOST_OF_KEY];
    key = identity_of(a, row, key, distinct);
    return profile_batch_add(a->batch, a->plan->fields[a->plan->key].target, key, a->plan->values, count, err);
}

/* What cannot be read as CSV at all (a line without an end) ends the file there: a failed record says so. */
static bool give_up_reading(struct active *a, const struct err *bad, struct err *err)
{
    struct csv_slice nothing = {"", 0};
    if (!is_fault_of_input(bad)) {
        *err = *bad;
        return false;
    }
    a->batch_end = a->job.facts.size;
    return profile_batch_fail(a->batch, bad->line ? bad->line : csv_reader_line(a->csv) + 1, 0, "", nothing, bad->message, err);
}

/* A batch that is there in part is to be collected as it was. */
static bool is_full(const struct ingest *ingest, const struct active *a)
{
    size_t sharing = ingest->batches > WHOLE_BATCHES ? ingest->batches : WHOLE_BATCHES;
    if (a->position.part_end)
        return a->batch_end >= a->position.part_end;
    return profile_batch_rows(a->batch) >= BATCH_ROWS * WHOLE_BATCHES / sharing ||
           profile_batch_bytes(a->batch) >= BATCH_BYTES * WHOLE_BATCHES / sharing;
}

static void move_end(struct active *a)
{
    a->batch_end = csv_reader_offset(a->csv);
    a->batch_end_line = csv_reader_line(a->csv) + 1;
}

/* Collects a batch, or some of it; a->at_end when the file has no more. */
static bool collect(const struct ingest *ingest, struct active *a, double until, struct err *err)
{
    struct csv_slice nothing = {"", 0};
    uint64_t look_at = 0;
    bool in_time = true;
    while (!is_full(ingest, a) && in_time && !a->stop) {
        const struct csv_row *row = NULL;
        struct err bad;
        err_clear(&bad);
        enum csv_status status = csv_reader_next(a->csv, &row, &bad);
        a->at_end = status == CSV_END || status == CSV_FAILED;
        bool ok = status == CSV_ROW      ? take_row(a, row, err)
                  : status == CSV_BAD    ? profile_batch_fail(a->batch, row->line, 0, "", nothing, bad.message, err)
                  : status == CSV_FAILED ? give_up_reading(a, &bad, err)
                                         : true;
        if (!ok)
            return false;
        if (a->at_end)
            break;
        /* Behind the last record, so that the batch can be collected again; else blank lines would all be passed over again. */
        if (status != CSV_NOTHING_YET || profile_batch_rows(a->batch) == 0)
            move_end(a);
        if (csv_reader_offset(a->csv) >= look_at) {
            look_at = csv_reader_offset(a->csv) + LOOK_BYTES;
            in_time = clock_steady() < until;
        }
    }
    a->collected = a->at_end || !a->position.part_end || is_full(ingest, a);
    return true;
}

static void end_status(const struct job_counts *counts, const struct facts *inferred, const char **status, const char **reason)
{
    *reason = NULL;
    if (counts->failed == 0 && counts->created + counts->updated > 0) {
        *status = "SUCCEEDED";
    } else if (counts->created + counts->updated > 0) {
        *status = inferred->some_failed_is_partial ? "PARTIALLY_SUCCEEDED" : "SUCCEEDED";
    } else if (counts->failed == 0 && !inferred->no_records_fails) {
        *status = "SUCCEEDED";
    } else if (counts->failed > 0 && !inferred->all_failed_is_failed) {
        *status = "PARTIALLY_SUCCEEDED";
    } else {
        *status = "FAILED";
        *reason = VALIDATION_FAILURE;
    }
}

static bool commit(struct ingest *ingest, struct active *a, struct err *err)
{
    bool more = false;
    struct batch_commit what = {.job_id = a->job.job_id, .end = a->batch_end, .end_line = a->batch_end_line,
                                .now = clock_now(ingest->clock), .expires = a->expires, .seconds = WRITE_SECONDS};
    if (!profile_batch_commit(a->batch, &what, &a->position, &more, err))
        return false;
    a->collected = more;
    if (!more && ingest->batches > WHOLE_BATCHES)
        profile_batch_release(a->batch);
    return true;
}

/* Some of what is to be done for a job: rows of it, or what is in their way: expired profiles, or too many runs of the search
 * index. What was collected and could not be committed is committed before anything else. */
static bool go_on(struct ingest *ingest, struct active *a, struct err *err)
{
    double began = clock_steady();
    bool more = false;
    if (a->stop)
        return true;
    if (!a->bound && !bind_header(ingest, a, began + COLLECT_SECONDS, err))
        return false;
    if (!a->bound)
        return true;
    if (!a->purged) {
        if (!profiles_purge(a->domain->profiles, clock_now(ingest->clock), &more, err))
            return false;
        a->purged = !more;
        if (more)
            return true;
    }
    if (profiles_merge_due(a->domain->profiles, true))
        return profiles_merge(a->domain->profiles, err);
    if (!a->collected) {
        if (!collect(ingest, a, began + COLLECT_SECONDS, err))
            return false;
        if (!a->collected || a->stop || clock_steady() > began + COMMIT_AFTER_SECONDS)
            return true;
    }
    return commit(ingest, a, err);
}

/* After a job's end: a slice of what is due on the search index. */
static bool tidy(struct active *a)
{
    struct err e;
    err_clear(&e);
    if (!a->domain || a->stop || !profiles_merge_due(a->domain->profiles, false))
        return false;
    if (profiles_merge(a->domain->profiles, &e))
        return true;
    log_write(LOG_WARN, "the search index of domain %s was not tidied: %s", a->job.domain, e.message);
    return false;
}

static void tell_end(struct ingest *ingest, struct active *a)
{
    const char *status = "STOPPED", *reason = NULL;
    if (!a->stop)
        end_status(&a->position.counts, a->job.inferred, &status, &reason);
    tell(ingest, a, status, reason);
}

/* A full disk ends no job: it is tried again until there is room, or the job is stopped. */
static bool wait_for_room(struct ingest *ingest, struct active *a, const struct err *e)
{
    if (!e->retryable || a->stop)
        return false;
    if (!a->bound) {
        close_parts(ingest, a);
        a->opened = false;
    }
    if (!a->waits)
        log_write(LOG_ERROR, "upload job %s waits: %s (tried again every second)", a->job.job_id, e->message);
    a->waits = true;
    a->not_before = clock_steady() + LATER_SECONDS;
    return true;
}

/* A turn of a job: false when nothing is left to be done for it. */
bool ingest_turn(struct ingest *ingest, struct active *a)
{
    struct err e;
    err_clear(&e);
    if (a->ended)
        return tidy(a);
    bool ok = a->opened || open_job(ingest, a, &e);
    a->opened = ok;
    ok = ok && go_on(ingest, a, &e);
    if (!ok && wait_for_room(ingest, a, &e))
        return true;
    a->waits = false;
    if (ok && (!a->at_end || a->collected) && !a->stop) {
        tell(ingest, a, NULL, NULL);
        return true;
    }
    if (ok || a->stop) {
        tell_end(ingest, a);
    } else if (is_forgiven(a->job.inferred, &e)) {
        tell(ingest, a, "SUCCEEDED", NULL);
    } else {
        bool is_invalid = is_fault_of_input(&e);
        log_write(is_invalid ? LOG_DEBUG : LOG_ERROR, "upload job %s: %s", a->job.job_id, e.message);
        tell(ingest, a, "FAILED", is_invalid ? VALIDATION_FAILURE : "INTERNAL_FAILURE");
    }
    a->ended = true;
    close_file(ingest, a);
    return tidy(a);
}
