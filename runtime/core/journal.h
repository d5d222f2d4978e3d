/* journal: what runs have done, what schedules have fired, and who holds which run: the one door to the store of both.
 *
 * No caller assumes that it is alone: a run is held under a lease with a fencing number, every write of a run names the number
 * that its holder was given, and a tick of a schedule is a unique row that makes its run in the same transaction. Times are the
 * store's own (epoch seconds). What stands behind this header is SQLite in a directory of one machine (journal*.c).
 *
 * Every function blocks (disk, other processes) and belongs on one thread, the journal's. An operation takes its parameters as a
 * JSON object and gives its answer as a JSON value that the caller owns; each is one transaction, on disk when it returns true.
 * Nothing in a journal is a secret: no data key, no pre-signed URL, no credentials. Callers see to that.
 *
 * Errors: ERR_USAGE for parameters, ERR_CONFIG for a directory that is none for a journal or a store of another version,
 * ERR_SYSTEM for the disk (retryable where it is full) and for what others hold too long, ERR_DAMAGED (core/sql.h) for a file
 * that was damaged or moved away while it was used: a new one is in its place then, which knows nothing of what was before; and
 * ERR_LEASE_*, ERR_RUN_ENDED, ERR_NOT_FOUND.
 */
#ifndef UPJOB_CORE_JOURNAL_H
#define UPJOB_CORE_JOURNAL_H

#include <cjson/cJSON.h>
#include <stdbool.h>

#include "core/err.h"

#define ERR_LEASE_HELD "LeaseHeld" /* another living process works on the run */
#define ERR_LEASE_LOST "LeaseLost" /* the run was taken over: this holder must not go on with it */
#define ERR_RUN_ENDED "RunEnded"   /* there is nothing to go on with */
#define ERR_NOT_FOUND "NotFound"

#define JOURNAL_LEASE 30.0 /* seconds, unless told otherwise */

struct journal;

/* Opens or makes <directory>/journal.db; the directory is made when missing, mode 0700. `lease`: seconds for which a run stays
 * this process's without a sign of life. A database that is damaged is moved aside and a new one made; one of an older version is
 * copied and brought to this one. NULL with *err. */
struct journal *journal_open(const char *directory, double lease, struct err *err) MUST_CHECK;
/* What a person is to be told of the last openings, the caller's to free; NULL when nothing. */
char *journal_take_notice(struct journal *journal);
/* Leases end with their process or their time, not here. NULL is allowed. */
void journal_close(struct journal *journal);

typedef bool journal_operation(struct journal *journal, const cJSON *params, cJSON **reply, struct err *err);

/* The operation of this name, NULL when there is none.
 *
 *   now {} → seconds
 *   begin_run { kind, parent_fence?, … } → run    it is "running", held by this process; `try` counts those of one parent and
 *                                         ordinal. ERR_LEASE_HELD while another of its run_key and domain goes on
 *   claim_run { id, ended?, to_end?, parent_fence? } → run    takes over one that is queued, lost or interrupted (with ended:
 *                                         failed, too); it is another attempt, unless it is only taken to be ended
 *       parent_fence: the number under which the caller works on the parent: ERR_LEASE_LOST when that is another's by now
 *   step { id, fence, step, state, detail?, set?, first? } → true
 *       first: another step, { step, state, detail? }, that came before and is written with it
 *   end_run { id, fence, state, result?, error?, exit_status?, output?, job_status?, job_id?, first? } → true
 *   requeue_run { id, fence, not_before?, error? } → true    of one that runs, or has failed
 *   run { id } → run with steps · find_run { parent, ordinal } or { run_key, domain? } → run
 *   runs { schedule?, kind?, state? (one or a list), parent?, before_id?, limit? } → [ run ], newest first; those of
 *                                         kind "part" only where a kind or a parent is asked for
 *   prune { before?, keep? } → { gone: [ { id } ], more, letters }   of runs that have ended, the oldest with all that they had
 *                                         begun, and when there are no more of them, of ticks and of dead letters (how many); to
 *                                         be called again while there are
 *   sync_schedules { dir, list: [ { id, file, timing, definition } ] } → { id: schedule }
 *   schedules {} → [ schedule ] · pause { schedule, paused } → true
 *   tick { list: [ { schedule, key, due, run? | skipped? } ], outcome?: { schedule, ok, run?, streak? } }
 *                                         → [ { schedule, key, run | taken | skipped } ]   outcome: of a run that has ended
 *   ticked { list: [ { schedule, key } ] } → [ run, true where it made none, or false ] · unsettled {} → [ id ] of ended runs without a tick "ended|ID"
 *   add_dead_letter { kind, target?, payload, error?, attempts? } → id · dead_letters {} → [ … ] · drop_dead_letter { id } → true
 *
 * A run has the columns of journal_columns.c that are not NULL, and state "lost" where it is running and its lease is over. */
journal_operation *journal_find_operation(const char *name);

/* Runs an operation of journal_find_operation. *reply is the caller's, NULL unless it returns true. */
bool journal_run(struct journal *journal, journal_operation *operation, const cJSON *params, cJSON **reply,
                 struct err *err) MUST_CHECK;

/* Renews the leases of this process that a third of their time has passed for; to be called that often. False where the disk
 * refuses: the next call may succeed, and who lost a lease is told when it writes. */
bool journal_renew(struct journal *journal, struct err *err);

#endif
