/* csv_generate: CSV texts in which something can go wrong, and options to read them with. */
#ifndef UPJOB_TESTS_CSV_GENERATE_H
#define UPJOB_TESTS_CSV_GENERATE_H

#include "core/buf.h"
#include "core/csv.h"
#include "tests/reference/dice.h"

#define CSV_PIECE_MOST 8

/* A few bytes that mean something: quotes, delimiters, line ends, spaces, in the company in which they matter. Returns how
 * many; at most CSV_PIECE_MOST. */
size_t csv_generate_piece(struct dice *dice, const struct csv_options *options, char *into);
/* A place at or around a multiple of `block`, below `len`; len > 0. */
size_t csv_generate_place(struct dice *dice, size_t len, size_t block);
/* Options that csv_options_check allows, mostly plain ones. */
struct csv_options csv_generate_options(struct dice *dice);
/* A text of up to about `most` bytes. */
void csv_generate_text(struct dice *dice, const struct csv_options *options, size_t most, struct buf *into);

#endif
