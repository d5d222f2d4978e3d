/* journal_private: what the units of the journal share. For these only. */
#ifndef UPJOB_CORE_JOURNAL_PRIVATE_H
#define UPJOB_CORE_JOURNAL_PRIVATE_H

#include <sqlite3.h>
#include <stdint.h>

#include "core/buf.h"
#include "core/journal.h"
#include "core/sql.h"

#define HOLDER_SIZE 256

struct journal {
    sqlite3 *db;
    double lease;
    char holder[HOLDER_SIZE]; /* this process: journal_lease.c */
};

/* ---- journal.c ---- */

double journal_time(void);
/* A transaction that writes: journal_begin, then journal_end with whether all went well. The reply of one that did not is freed. */
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
/* Inserts a run with these columns; its id in *id. */
bool run_insert(struct journal *j, const cJSON *values, const char *state, int64_t *id, struct err *err) MUST_CHECK;
/* The run, without steps; ERR_NOT_FOUND. */
bool run_read(struct journal *j, int64_t id, cJSON **run, struct err *err) MUST_CHECK;

/* ---- journal_lease.c ---- */

/* Fills j->holder, and registers the SQL function lease_over(holder, lease_until). */
bool lease_prepare(struct journal *j, struct err *err) MUST_CHECK;
/* Seconds of the clock that leases are measured in: it goes on while the machine sleeps, and nobody sets it. */
double lease_clock(void);
/* "process 4711 on host" of a holder. */
void lease_holder_text(const char *holder, char *out, size_t size);

/* ---- the operations ---- */

/* journal.c */
journal_operation journal_op_now;
/* journal_runs.c */
journal_operation journal_op_begin_run, journal_op_claim_run, journal_op_step, journal_op_end_run, journal_op_requeue_run;
/* journal_list.c */
journal_operation journal_op_run, journal_op_find_run, journal_op_runs, journal_op_prune;
/* journal_ticks.c */
journal_operation journal_op_sync_schedules, journal_op_schedules, journal_op_pause, journal_op_outcome, journal_op_tick,
    journal_op_ticked;
/* journal_letters.c */
journal_operation journal_op_add_dead_letter, journal_op_dead_letters, journal_op_drop_dead_letter;

#endif
