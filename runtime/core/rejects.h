/* rejects: parts the rows of a file that is being checked in two.
 *
 * Rejected rows go to the rejects file as they stood, with the reason as one more cell, under its own column: the cells that
 * a short row lacks are added. The reason of an input that is itself a rejects file gives way to the new one. The file is
 * written beside its place and renamed at the end. What is left of the input goes to a
 * nameless outgoing file. Neither exists before the first row is rejected. Copying is done
 * in steps, because the first rejected row may stand at the end of a gigabyte.
 */
#ifndef UPJOB_CORE_REJECTS_H
#define UPJOB_CORE_REJECTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/csv.h"
#include "core/digest.h"
#include "core/err.h"

struct rejects;

/* `input` is the file, borrowed; `path` is copied, NULL: rejected rows are only left out. */
struct rejects *rejects_new(int input, const char *path, const struct csv_options *csv,
                            struct err *err) MUST_CHECK;
/* Rejects a row. Rows come in the order of the input, each after rejects_pending is false. */
bool rejects_add(struct rejects *rejects, const struct csv_row *header, const struct csv_row *row,
                 const char *reason, struct err *err) MUST_CHECK;
/* True when there is something to copy before the next row. */
bool rejects_pending(const struct rejects *rejects);
/* Copies some of it: about a megabyte. */
bool rejects_copy(struct rejects *rejects, struct err *err) MUST_CHECK;
/* The input ends at `size`: what is left is to be copied, then rejects_finish to be called. */
void rejects_end(struct rejects *rejects, uint64_t size);
/* Puts the rejects file in its place. */
bool rejects_finish(struct rejects *rejects, struct err *err) MUST_CHECK;
/* The outgoing file at its start, now the caller's, with its size and MD5; -1 when no row was rejected, and then nothing is
 * written to the others. */
int rejects_take(struct rejects *rejects, uint64_t *bytes, char md5[DIGEST_TEXT]);
/* Removes what is not finished. NULL is allowed. */
void rejects_free(struct rejects *rejects);

#endif
