/* outgoing: the file that is sent instead of the input, when rows are left out or changed.
 *
 * A nameless temporary file of mode 0600, begun lazily: as long as every row is kept there is none, and the
 * input itself can be sent. With the first change what stands before it is copied as it is, byte by byte;
 * copying is done in steps, because the first change may stand at the end of a gigabyte. An input whose bytes
 * are not what is to be sent (another character set, compression, another delimiter, other columns) is
 * written anew from its header on.
 */
#ifndef UPJOB_CORE_OUTGOING_H
#define UPJOB_CORE_OUTGOING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/csv.h"
#include "core/digest.h"
#include "core/err.h"

struct outgoing_options {
    int input; /* the file, at 0, whose bytes rows are copied from; borrowed; -1: it is written anew */
    bool raw;  /* written anew: a row that is kept may be written as it stands; otherwise as the service reads
                  it */
    uint64_t max_bytes; /* it must have less */
    bool nothing;       /* is to be sent: there will be no outgoing file */
    bool no_digest;     /* nobody asks for its MD5 */
    const char *temporary; /* the directory of its file, borrowed; NULL: see tempfile_open */
};

struct outgoing;

struct outgoing *outgoing_new(const struct outgoing_options *options, struct err *err) MUST_CHECK;
/* Every row of the input, in its order, is kept, dropped or replaced, each while outgoing_pending is false.
 */
bool outgoing_keep(struct outgoing *outgoing, const struct csv_row *row, struct err *err) MUST_CHECK;
bool outgoing_drop(struct outgoing *outgoing, const struct csv_row *row, struct err *err) MUST_CHECK;
bool outgoing_replace(struct outgoing *outgoing, const struct csv_row *row, const struct csv_slice *cells,
                      size_t count, struct err *err) MUST_CHECK;
/* True when there is something to copy before the next row. */
bool outgoing_pending(const struct outgoing *outgoing);
/* Copies some of it: about a megabyte. */
bool outgoing_copy(struct outgoing *outgoing, struct err *err) MUST_CHECK;
/* Bytes of the outgoing file so far; 0 while there is none. */
uint64_t outgoing_bytes(const struct outgoing *outgoing);
/* True once there is an outgoing file. */
bool outgoing_begun(const struct outgoing *outgoing);
/* The input ends at `size`: what is left is to be copied, then outgoing_finish to be called. */
void outgoing_end(struct outgoing *outgoing, uint64_t size);
bool outgoing_finish(struct outgoing *outgoing, struct err *err) MUST_CHECK;
/* After outgoing_finish: the file at its start, now the caller's, with its size and MD5 ("" with no_digest); -1 when the input
 * can be sent. */
int outgoing_take(struct outgoing *outgoing, uint64_t *bytes, char md5[DIGEST_TEXT]);
/* NULL is allowed. */
void outgoing_free(struct outgoing *outgoing);

#endif
