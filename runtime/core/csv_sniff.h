/* csv_sniff: which character separates the cells of a text, by its first records. */
#ifndef UPJOB_CORE_CSV_SNIFF_H
#define UPJOB_CORE_CSV_SNIFF_H

#include <stdbool.h>
#include <stddef.h>

/* Text that is enough to tell. */
#define CSV_SNIFF_BYTES ((size_t)64 << 10)

struct csv_shape {
    unsigned char delimiter; /* one of , ; tab | or what a first line "sep=X" says; ',' when it cannot be told */
    bool known;              /* the text says so; false for a single column and for an empty text */
    size_t sep_line;         /* bytes of a first line "sep=X" with its line end, which is no record; 0: there is none */
    unsigned columns;        /* of the first record, under that delimiter */
};

/* `text` is the input's beginning without a byte-order mark, all of it when `whole`. The delimiter is the one under which most of
 * the first records have as many cells as the first of all, which has at least two; quotes are respected. */
void csv_sniff(const char *text, size_t len, bool whole, struct csv_shape *out);

#endif
