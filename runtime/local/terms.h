/* terms: the search index of a domain: pairs of a term (the hash of a key and a value) and the number of a profile.
 *
 * Pairs are kept in runs, each sorted, in blocks of some 4 KB. A batch appends runs in its own transaction, at the
 * cost of sorting them; runs are merged, some tens at a time, in slices that fit between batches. A search looks into every
 * run, so a profile is found as soon as its batch has committed. (Indexed row by row the same terms made ingestion five
 * times as long, and with SQLite's FTS5 about three times.)
 *
 * Pairs are hints: hashes may be equal by chance, values may have been overwritten and profiles removed since. Whoever
 * searches looks at the profile.
 */
#ifndef UPJOB_LOCAL_TERMS_H
#define UPJOB_LOCAL_TERMS_H

#include <sqlite3.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/err.h"

#define TERMS_SCHEMA \
    "CREATE TABLE term_block (id INTEGER PRIMARY KEY, data BLOB NOT NULL);" \
    "CREATE TABLE term_run (first INTEGER PRIMARY KEY, blocks INTEGER NOT NULL, level INTEGER NOT NULL);"

struct terms; /* the writer's side */

/* The connection is the caller's and outlives the index. */
struct terms *terms_open(sqlite3 *db, struct err *err) MUST_CHECK;
void terms_close(struct terms *terms);
/* `hash` has 48 bits, `id` is positive and below 2^48. Inside the caller's transaction. Writes a run when its memory (4 MiB) is full. */
bool terms_add(struct terms *terms, uint64_t hash, int64_t id, struct err *err) MUST_CHECK;
/* Writes what is left: before the transaction's COMMIT. */
bool terms_flush(struct terms *terms, struct err *err) MUST_CHECK;
/* Forgets what was added and not written: after a ROLLBACK. */
void terms_discard(struct terms *terms);
/* True when so many runs stand that merging is due; `pressing` asks whether it can wait no longer. */
bool terms_merge_due(struct terms *terms, bool pressing);
/* Merges for about `seconds`, in a transaction of its own. What is unfinished goes on at the next call, or begins anew
 * after the index was opened again. */
bool terms_merge(struct terms *terms, double seconds, struct err *err) MUST_CHECK;

/* The lowest numbers above `after` that any of the hashes may stand for, in their order and once each; on entry *count
 * says how many `ids` has room for. Fewer than that: there are no others. Any connection, in a transaction of its own. */
bool terms_find(sqlite3 *db, const uint64_t *hashes, size_t hash_count, int64_t after, int64_t *ids, size_t *count,
                struct err *err) MUST_CHECK;

#endif
