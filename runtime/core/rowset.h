/* rowset: some of the rows of a file, by the lines on which they begin.
 *
 * A bit a line in a nameless temporary file (core/tempfile.h) that is mapped: 1.2 MB for ten million lines. Its room is taken
 * when it is made, so that a full disk is an error there and nothing later.
 */
#ifndef UPJOB_CORE_ROWSET_H
#define UPJOB_CORE_ROWSET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/err.h"
#include "core/file_identity.h"

struct rowset {
    uint64_t lines; /* of the file: each row is on one from 1 to this */
    uint64_t rows;  /* in the set */
    struct file_identity identity; /* of the file, for who makes the set and who uses it */
    uint64_t *words; /* NULL: no lines */
    size_t size;     /* bytes of them */
    unsigned holders;
    struct rowset *whole; /* of which this is a part, and whose words it has; NULL: it has its own */
};

/* In `directory` (NULL: as tempfile_open says). */
struct rowset *rowset_new(uint64_t lines, const char *directory, struct err *err) MUST_CHECK;
/* Words for the rows of so many lines. */
static inline uint64_t rowset_words(uint64_t lines)
{
    return lines / 64 + 1;
}
/* The rows on so many lines behind `base`, a multiple of 64, as a set of their own. Those that come to be in it are in the whole;
 * `whole` stays as long as its parts. */
struct rowset *rowset_part(struct rowset *whole, uint64_t base, uint64_t lines, struct err *err) MUST_CHECK;
/* One more who frees it, on the same thread. Returns the set. */
struct rowset *rowset_hold(struct rowset *set);
void rowset_free(struct rowset *set); /* NULL is allowed */

/* A line that the file does not have is nothing. */
static inline void rowset_add(struct rowset *set, uint64_t line)
{
    if (line > set->lines)
        return;
    uint64_t bit = (uint64_t)1 << (line % 64);
    set->rows += !(set->words[line / 64] & bit);
    set->words[line / 64] |= bit;
}

static inline bool rowset_has(const struct rowset *set, uint64_t line)
{
    return line <= set->lines && set->words[line / 64] >> (line % 64) & 1;
}

#endif
