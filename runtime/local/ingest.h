/* ingest: turns uploaded files into profiles, on a thread of its own with a queue.
 *
 * Jobs take turns of under half a second, whatever the file and the size of the store, so that none waits for another to end,
 * nor a stop, nor the end of the service. A job goes: checks that make it FAILED with VALIDATION_FAILURE (nothing uploaded,
 * empty, not UTF-8, a mapped header or the key missing) → batches from the encrypted object through the CSV reader, each
 * committed in parts → search index → end status. Its position is committed with every part; after a kill it goes on from there.
 * However many jobs are open, they share the memory of a few.
 */
#ifndef UPJOB_LOCAL_INGEST_H
#define UPJOB_LOCAL_INGEST_H

#include <stdbool.h>

#include "local/clock.h"
#include "local/objects.h"
#include "local/state.h"

struct ingest;

/* Called on the ingestion thread: what became of a job. `status` NULL: counts so far; else the end. */
struct ingest_events {
    void (*report)(void *arg, const char *job_id, const struct job_counts *counts, const char *status,
                   const char *reason);
    void *arg;
};

struct ingest *ingest_new(const char *data_dir, struct objects *objects, bool ephemeral, const struct clock *clock,
                          const struct ingest_events *events, struct err *err) MUST_CHECK;
/* Takes a job on (the plan is moved: the caller's is emptied). Any thread. */
bool ingest_start(struct ingest *ingest, struct job_plan *plan, struct err *err) MUST_CHECK;
/* Tells a job to end with its running turn; what is not committed then is not done. Its report follows with the counts and
 * status "STOPPED". Any thread. */
void ingest_stop_job(struct ingest *ingest, const char *job_id);
/* Ends all jobs of a domain and closes its database; returns when no more file of it is open. Not the loop's thread. */
void ingest_close_domain(struct ingest *ingest, int64_t domain_id);
/* Lets the running turn end, leaves jobs IN_PROGRESS for the next start, joins the thread: no event comes after it. What is
 * started then waits for the next start of the service. NULL is allowed. */
void ingest_halt(struct ingest *ingest);
/* Frees; halted or not. NULL is allowed. */
void ingest_free(struct ingest *ingest);

#endif
