/* journal_private: what the units of the journal share. For these only. */
#ifndef UPJOB_CORE_JOURNAL_PRIVATE_H
#define UPJOB_CORE_JOURNAL_PRIVATE_H

#include <limits.h>
#include <sqlite3.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/types.h>

#include "core/buf.h"
#include "core/journal.h"
#include "core/sql.h"
#include "core/sql_version.h"

#define HOLDER_SIZE 256
#define STAMP_SIZE 32

#define JOURNAL_APPLICATION "1970302818" /* "upjb", in the header of the file */

/* Of the runs that have not ended for good. There is an index of these: it is used where a query says this in these words. */
#define RUN_IS_OPEN "state IN ('queued', 'running', 'interrupted')"

struct journal {
    sqlite3 *db; /* NULL when it could not be opened again: the next operation tries to */
    double lease;
    char holder[HOLDER_SIZE]; /* this process: journal_lease.c */
    char directory[PATH_MAX - 64], path[PATH_MAX], lock_path[PATH_MAX];
    dev_t device; /* the file that is open */
    ino_t inode;
    int lock; /* journal.lock; -1: not open */
    bool was_open;
    bool was_replaced; /* and nobody was told yet */
    char *notice; /* for a person: what was found while it was opened; NULL when nothing was */
};

/* ---- journal_lock.c ---- */

#define LOCK_WAIT_MS 30000

/* Opens the lock's file: -1 with *err. */
int journal_lock_file(const char *directory, struct err *err) MUST_CHECK;
/* Waits while another process opens the store. */
bool journal_lock_opening(int fd, const char *directory, struct err *err) MUST_CHECK;
void journal_unlock_opening(int fd);
/* While the store is opened: whether nobody else uses it. It is then nobody else's until journal_lock_in_use, which shares it. */
bool journal_lock_alone(int fd) MUST_CHECK;
bool journal_lock_in_use(int fd, struct err *err) MUST_CHECK;
void journal_unlock_in_use(int fd);

/* ---- journal_damage.c ---- */

/* Whether its last user did not come to close it. */
bool journal_was_left_open(const char *path);
/* Whether what is there is no database, or seen to be damaged: at a glance, or after a look at every page. */
bool journal_is_damaged(const char *path, bool thoroughly);
/* The highest number of a run that the directory knows of; where `had_runs` and nothing tells, one that is high enough. */
int64_t journal_highest_id(const char *path, bool had_runs);
/* Moves the database and what belongs to it: `to` is where to. */
bool journal_move_aside(const char *path, char to[PATH_MAX + 64], struct err *err) MUST_CHECK;
/* The last database that was moved; "" when none was. */
void journal_last_aside(const char *path, char *out, size_t size);
/* The time, for names of files: 20261123T060000Z. */
void journal_stamp(char out[STAMP_SIZE]);

/* ---- journal_version.c ---- */

extern const struct sql_store journal_store;
/* Makes a new store, with runs numbered above `highest_id`. */
bool journal_make(const char *path, int64_t highest_id, struct err *err) MUST_CHECK;

/* Whether it has all tables and columns of this version. */
bool journal_has_all(sqlite3 *db);

struct version {
    int number;
    const struct migration *migrations; /* in order */
};
extern const struct migration journal_migrations[];
/* Brings a store of an older version to this one, in one transaction, when nobody else uses it; a copy of what was is made
 * before, its name in `copy`, which is "" otherwise. ERR_CONFIG for a newer version and for what is no journal. */
bool journal_check_version(const char *path, const struct version *to, bool alone, char *copy, size_t size,
                           struct err *err) MUST_CHECK;

/* ---- journal.c ---- */

double journal_time(void);
/* A transaction that writes: journal_begin, then journal_end with whether all went well. Where it did not, the reply is freed. */
bool journal_begin(struct journal *j, struct err *err) MUST_CHECK;
bool journal_end(struct journal *j, bool ok, cJSON **reply, struct err *err) MUST_CHECK;
/* Makes `value` the reply; NULL is memory that is out. */
bool reply_with(cJSON *value, cJSON **reply, struct err *err) MUST_CHECK;

/* Parameters. The needed ones fill *err (ERR_USAGE) when they are missing or of another type. */
bool need_integer(const cJSON *params, const char *name, int64_t *value, struct err *err) MUST_CHECK;
bool need_text(const cJSON *params, const char *name, const char **value, struct err *err) MUST_CHECK;
const char *text_of(const cJSON *params, const char *name); /* NULL when absent */
double number_of(const cJSON *params, const char *name, double fallback);
bool is_true(const cJSON *params, const char *name);

/* ---- journal_columns.c ---- */

enum column_kind { COLUMN_TEXT, COLUMN_JSON, COLUMN_INTEGER, COLUMN_REAL, COLUMN_BOOLEAN };
struct column {
    const char *name;
    enum column_kind kind;
    bool settable; /* by callers */
};
extern const struct column run_columns[];
extern const size_t run_column_count;

/* "a, b, c" of run_columns, as they are read. Where they are read, the state is told as it is now. */
extern const char run_selection[];
/* The columns of the row from `first` on as an object; what is NULL is left out. NULL when memory is out. */
cJSON *row_to_json(sqlite3_stmt *statement, int first, const struct column *columns, size_t count) MUST_CHECK;
/* Binds a value to the parameter `index` (from 1); absent or null is NULL. */
bool bind_value(sqlite3_stmt *statement, int index, const struct column *column, const cJSON *value, struct err *err) MUST_CHECK;
/* Sets the settable columns that `values` has in the run: false with *err for a name that there is none of. */
bool run_update(struct journal *j, int64_t id, const cJSON *values, struct err *err) MUST_CHECK;
/* Inserts a run with these columns, the next try of its parent and ordinal; its id in *id. The statement is left in *kept for the
 * next one, NULL at first; the caller finalizes it. */
bool run_insert(struct journal *j, sqlite3_stmt **kept, const cJSON *values, const char *state, int64_t *id,
                struct err *err) MUST_CHECK;
/* The run, without steps; ERR_NOT_FOUND. */
bool run_read(struct journal *j, int64_t id, cJSON **run, struct err *err) MUST_CHECK;

/* ---- journal_list.c ---- */

/* A list with an object for each row that is left; the caller's, also when it is false. */
bool rows_to_list(struct journal *j, sqlite3_stmt *statement, const struct column *columns, size_t count, cJSON **list,
                  struct err *err) MUST_CHECK;

/* ---- journal_lease.c ---- */

/* Renews the leases of this process that a third of their time has passed for. */
bool lease_renew(struct journal *j, struct err *err) MUST_CHECK;
/* Fills j->holder, and registers the SQL function lease_over(holder, lease_until). */
bool lease_prepare(struct journal *j, struct err *err) MUST_CHECK;
/* Seconds of the clock that leases are measured in: nobody sets it, and it stands still while the machine sleeps. */
double lease_clock(void);
/* "process 4711 on host" of a holder. */
void lease_holder_text(const char *holder, char *out, size_t size);

/* ---- the operations ---- */

/* journal.c */
journal_operation journal_op_now;
/* journal_runs.c */
journal_operation journal_op_begin_run, journal_op_claim_run, journal_op_step, journal_op_end_run, journal_op_requeue_run;
/* journal_list.c */
journal_operation journal_op_run, journal_op_find_run, journal_op_runs;
/* journal_prune.c */
journal_operation journal_op_prune;
/* journal_ticks.c */
journal_operation journal_op_sync_schedules, journal_op_schedules, journal_op_pause, journal_op_tick,
    journal_op_ticked, journal_op_unsettled, journal_op_drop_heartbeat;
/* journal_letters.c */
journal_operation journal_op_add_dead_letter, journal_op_dead_letters, journal_op_drop_dead_letter;

#endif
