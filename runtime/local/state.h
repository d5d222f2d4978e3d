/* state: domains, upload jobs and upload paths, in SQLite (<data>/jobs.db, WAL).
 *
 * Every function blocks and belongs on the state worker's thread, except where said.
 * Strings in results are owned by the result and freed with it. Errors carry the API's codes
 * (BadRequestException, ResourceNotFoundException) with their HTTP status.
 */
#ifndef UPJOB_LOCAL_STATE_H
#define UPJOB_LOCAL_STATE_H

#include <cjson/cJSON.h>
#include <stdbool.h>
#include <stdint.h>

#include "core/err.h"
#include "local/facts.h"
#include "local/objects.h"

struct state;

/* Opens or makes the database; ERR_CONFIG for another version. `objects` seals page tokens; it and `inferred` must outlive the
 * state. */
struct state *state_open(const char *data_dir, const struct objects *objects, bool ephemeral, const struct facts *inferred,
                         struct err *err) MUST_CHECK;
void state_close(struct state *state);

/* Domains. The reply objects are cJSON in the API's shape, owned by the caller. */
bool state_create_domain(struct state *s, const cJSON *params, double now, cJSON **reply, struct err *err) MUST_CHECK;
bool state_get_domain(struct state *s, const char *name, int64_t *id, cJSON **reply, struct err *err) MUST_CHECK;
bool state_list_domains(struct state *s, long max_results, const char *next_token, cJSON **reply, struct err *err) MUST_CHECK;
/* Removes the domain, its jobs and paths; the names of the objects to remove, a cJSON array, in *objects. */
bool state_delete_domain(struct state *s, const char *name, int64_t *id, cJSON **objects, cJSON **reply, struct err *err) MUST_CHECK;

/* Jobs, for the API. */
bool state_create_job(struct state *s, const cJSON *params, double now, cJSON **reply, struct err *err) MUST_CHECK;
bool state_list_jobs(struct state *s, const char *domain, long max_results, const char *next_token, cJSON **reply, struct err *err) MUST_CHECK;
bool state_get_job(struct state *s, const char *domain, const char *job_id, cJSON **reply, struct err *err) MUST_CHECK;
/* CREATED → IN_PROGRESS, and *is_new; 400 otherwise, or nothing happens where a second start is taken (facts.inc). */
bool state_start_job(struct state *s, const char *domain, const char *job_id, double now, bool *is_new, struct err *err) MUST_CHECK;
/* CREATED → STOPPED: the name of its object, to be removed, goes to *object (owned by the caller, NULL when none). IN_PROGRESS: it
 * becomes STOPPED with state_end_job, and *was_running says that the ingestion must be told. 400 otherwise. */
bool state_stop_job(struct state *s, const char *domain, const char *job_id, double now, bool *was_running, char **object,
                    struct err *err) MUST_CHECK;

/* Upload paths: a URL and a data key that were given out for a job that is still CREATED. */
struct upload_path {
    char id[33];       /* 32 hex digits, the last part of the object's key */
    char job_id[33];
    char domain[65];
    unsigned char wrapped_key[WRAPPED_KEY_SIZE]; /* bound to `id` */
    double expires;
};
bool state_add_path(struct state *s, const struct upload_path *path, struct err *err) MUST_CHECK;
/* The one that was given out last for a job: false, with *err untouched, when none was. */
bool state_last_path(struct state *s, const char *job_id, struct upload_path *path) MUST_CHECK;
/* ResourceNotFoundException when it is not known; 400 when its job has left CREATED. */
bool state_get_path(struct state *s, const char *path_id, struct upload_path *path, struct err *err) MUST_CHECK;
/* A confirmed PUT to the path: the job's object is now `object`; the name of the one it replaces goes to
 * *replaced (owned by the caller, NULL when none). */
bool state_set_object(struct state *s, const char *path_id, const char *object, const struct object_facts *facts, char **replaced,
                      struct err *err) MUST_CHECK;
/* Whether a job, a domain, is there that needs the files of this name or number. */
bool state_has_object(struct state *s, const char *object) MUST_CHECK;
bool state_has_domain(struct state *s, int64_t id) MUST_CHECK;

/* What an ingestion needs of a job. Freed by job_plan_free. */
struct job_plan {
    char job_id[33];
    char domain[65];
    int64_t domain_id;
    cJSON *fields;       /* as created */
    char *unique_key;
    int expiry_days;
    double started;
    bool stop;           /* it was told to stop before its ingestion had ended */
    char *object;        /* NULL when nothing was uploaded */
    struct object_facts facts;
    const struct facts *inferred; /* borrowed */
};
void job_plan_free(struct job_plan *plan);
bool state_job_plan(struct state *s, const char *job_id, struct job_plan *plan, struct err *err) MUST_CHECK;
/* Ids of all jobs whose ingestion has not ended, oldest start first: what a restarted service goes on with. */
bool state_running_jobs(struct state *s, cJSON **ids, struct err *err) MUST_CHECK;

struct job_counts {
    int64_t created, updated, failed;
};
/* Counts so far of a running job; they never go down, whatever order they come in. */
bool state_set_counts(struct state *s, const char *job_id, const struct job_counts *counts, struct err *err) MUST_CHECK;
/* The end of an ingestion: `status` is SUCCEEDED, PARTIALLY_SUCCEEDED or FAILED (with `reason`, else NULL).
 * A job that was told to stop meanwhile becomes STOPPED, whatever `status` says. The job lets its uploaded file go: its name in
 * *object (NULL when there is none, owned by the caller), to be removed now that nothing needs it. */
bool state_end_job(struct state *s, const char *job_id, const char *status, const char *reason,
                   const struct job_counts *counts, double now, char **object, struct err *err) MUST_CHECK;

/* Page tokens: opaque, authenticated by the key file, and good after a restart. Used by the lists of profiles
 * and failures too. token_open is false with BadRequestException for one that this service did not make
 * for `scope` (operation and domain). Thread-safe. `out` is to be freed. */
bool token_seal(const struct objects *objects, const char *scope, const char *position, char **out, struct err *err) MUST_CHECK;
bool token_open(const struct objects *objects, const char *scope, const char *token, char **position, struct err *err) MUST_CHECK;

#endif
