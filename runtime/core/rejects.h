/* rejects: the file of the rows of an input that are kept back.
 *
 * Rejected rows go there as they stood, with the reason as one more cell, under its own column: the cells
 * that a short row lacks are added. The reason of an input that is itself a rejects file gives way to the new
 * one. The file, mode 0600, is written beside its place and renamed at the end; there is none before the
 * first row is rejected.
 */
#ifndef UPJOB_CORE_REJECTS_H
#define UPJOB_CORE_REJECTS_H

#include <stdbool.h>

#include "core/csv.h"
#include "core/err.h"

/* The column that a rejects file has beside the input's. */
#define REJECTS_REASON_COLUMN "upjob_reason"

struct rejects;

/* `path` and the options, the input's, are copied. */
struct rejects *rejects_new(const char *path, const struct csv_options *csv, struct err *err) MUST_CHECK;
bool rejects_add(struct rejects *rejects, const struct csv_row *header, const struct csv_row *row,
                 const char *reason, struct err *err) MUST_CHECK;
/* Puts the file in its place, if there is one: *written. */
bool rejects_finish(struct rejects *rejects, bool *written, struct err *err) MUST_CHECK;
/* Removes what is not finished. NULL is allowed. */
void rejects_free(struct rejects *rejects);

#endif
