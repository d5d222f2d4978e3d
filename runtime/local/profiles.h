/* profiles: the profile store, one SQLite database per domain (<data>/profiles/<domain id>.db, WAL).
 *
 * A profile is its unique key and a document: a compact list of (target, value). Batches are sorted by the hash of the key,
 * stably, and committed in parts, each together with the job's counts and position and with the search terms (terms.h). One writer (the ingestion thread); searches open readers of their own.
 */
#ifndef UPJOB_LOCAL_PROFILES_H
#define UPJOB_LOCAL_PROFILES_H

#include <cjson/cJSON.h>
#include <stdbool.h>
#include <stdint.h>

#include "core/csv.h"
#include "core/err.h"
#include "local/state.h"

struct profiles; /* the writer's connection to one domain */

struct profiles *profiles_open(const char *data_dir, int64_t domain_id, bool ephemeral, struct err *err) MUST_CHECK;
void profiles_close(struct profiles *p);
/* Removes the domain's files; no connection may be open. */
bool profiles_remove(const char *data_dir, int64_t domain_id, struct err *err) MUST_CHECK;
/* Before any is opened: removes the stores of domains that are not there, which a killed process left. ERR_CONFIG when one that
 * is needed is of another version. */
bool profiles_sweep(const char *data_dir, bool (*needed)(void *arg, int64_t domain_id), void *arg, struct err *err) MUST_CHECK;

/* A value for a target ("FirstName", "Address.City", "Attributes.tier"), as an ingestion makes it. */
struct profile_value {
    int target;               /* from profiles_target */
    struct csv_slice value;
};
/* The number of a target name, made when new. -1 with *err. */
int profiles_target(struct profiles *p, const char *name, struct err *err);

/* Where an ingestion is: committed with each part of a batch. */
struct ingest_position {
    uint64_t offset; /* byte of the object at which the next batch begins */
    long line;       /* its line */
    struct job_counts counts;
    uint64_t part_end; /* the next batch is there in part, and ends at this byte; 0: it is not */
    uint64_t part_hash; /* its keys up to this hash are there */
};
/* found = false when the job has never committed. */
bool profiles_position(struct profiles *p, const char *job_id, struct ingest_position *position, bool *found, struct err *err) MUST_CHECK;

/* A batch collects rows in memory (its arena is reused), then commits. */
struct profile_batch;
struct profile_batch *profile_batch_new(struct profiles *p, struct err *err) MUST_CHECK;
void profile_batch_free(struct profile_batch *batch);
/* Copies the row. `key` is the unique key's value; empty values must have been left out. `key_target` is the target
 * of the unique key's field: rows of other jobs with the same target and value are the same profile.
 * [I] identity is the pair (target of the unique key's field, value). */
bool profile_batch_add(struct profile_batch *batch, int key_target, struct csv_slice key,
                       const struct profile_value *values, size_t count, struct err *err) MUST_CHECK;
/* A failed record; `value` may be empty. Column is 1-based, 0 for the whole row. */
bool profile_batch_fail(struct profile_batch *batch, long line, long column, const char *column_name,
                        struct csv_slice value, const char *reason, struct err *err) MUST_CHECK;
/* Gives back the memory that an empty batch keeps for its next rows. */
void profile_batch_release(struct profile_batch *batch);
size_t profile_batch_rows(const struct profile_batch *batch);
size_t profile_batch_bytes(const struct profile_batch *batch);

struct batch_commit {
    const char *job_id;
    uint64_t end;   /* where the batch ends: the position's offset and line when all of it is committed */
    long end_line;
    double now, expires; /* epoch seconds */
    double seconds;      /* of writing, after which it comes to an end between two keys */
};
/* One transaction with a part of the batch, behind the parts that the position says are there: profiles created and updated
 * (the last row of a key wins; an empty cell leaves the stored value; of two expiries the later holds; an expired profile
 * counts as absent), with the last part the failed records, and the position, whose counts it raises by what it did. *more
 * says that parts are left; else the batch is empty. (A batch goes through all of profile_key: one transaction for it took
 * longer the larger the store was, and smaller batches would go through it more often.) */
bool profile_batch_commit(struct profile_batch *batch, const struct batch_commit *what, struct ingest_position *position,
                          bool *more, struct err *err) MUST_CHECK;

/* Work on the search index that is due some time (`pressing`: now), and a slice of it, of some 0.15 s. */
bool profiles_merge_due(struct profiles *p, bool pressing);
bool profiles_merge(struct profiles *p, struct err *err) MUST_CHECK;
/* Removes profiles that have expired, some thousand at a time; *more says to call again. */
bool profiles_purge(struct profiles *p, double now, bool *more, struct err *err) MUST_CHECK;

/* Search, on a thread of its own, with a connection of its own. `params` is a validated SearchProfiles input; the reply
 * is in the API's shape (Items of Profile, with FoundByItems when several keys were given; NextToken).
 * Predefined keys: _profileId _account _fullName _phone _email; any other key is a custom attribute's name. */
bool profiles_search(const char *data_dir, int64_t domain_id, const struct objects *objects, const cJSON *params,
                     double now, cJSON **reply, struct err *err) MUST_CHECK;
/* ProfileCount and the like for GetDomain. */
bool profiles_stats(const char *data_dir, int64_t domain_id, double now, cJSON **stats, struct err *err) MUST_CHECK;
/* A page of failed records: {Items: [{Line, Column, ColumnName, Value, Reason}], NextToken}. */
bool profiles_failures(const char *data_dir, int64_t domain_id, const struct objects *objects, const char *job_id,
                       long max_results, const char *next_token, cJSON **reply, struct err *err) MUST_CHECK;

#endif
