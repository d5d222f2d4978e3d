/* csv_blocks: cells copied in wide pieces, and looked at on the way. For the CSV writer.
 *
 * A block is a vector of the compiler's: SSE2 on x86-64, NEON on AArch64, whatever there is elsewhere. No byte outside
 * of a cell is read, and none behind the room that a copy may need is written.
 */
#ifndef UPJOB_CORE_CSV_BLOCKS_H
#define UPJOB_CORE_CSV_BLOCKS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define CSV_BLOCK ((size_t)16)

typedef unsigned char csv_block __attribute__((vector_size(16)));

/* What a cell is quoted for, beside line ends: each in all places of a block. */
struct csv_special {
    csv_block delimiter, quote;
};

static inline csv_block csv_block_of(unsigned char c)
{
    return (csv_block){0} + c;
}

static inline csv_block csv_block_load(const char *from)
{
    csv_block block;
    memcpy(&block, from, sizeof block);
    return block;
}

static inline void csv_block_store(char *to, csv_block block)
{
    memcpy(to, &block, sizeof block);
}

static inline bool csv_block_any(csv_block found)
{
    uint64_t halves[2];
    memcpy(halves, &found, sizeof halves);
    return (halves[0] | halves[1]) != 0;
}

static inline csv_block csv_block_equal(csv_block a, csv_block b)
{
    return (csv_block)(a == b);
}

/* The places of a block that a cell is quoted for. */
static inline csv_block csv_block_special(csv_block block, const struct csv_special *special)
{
    return csv_block_equal(block, special->delimiter) | csv_block_equal(block, special->quote) |
           csv_block_equal(block, csv_block_of('\n')) | csv_block_equal(block, csv_block_of('\r'));
}

/* Copies up to 16 bytes; the pieces of a copy overlap in the middle. Returns them, in any order, with zeros. */
static inline csv_block csv_copy_short(char *to, const char *from, size_t len)
{
    uint64_t words[2] = {0, 0};
    if (len >= 8) {
        memcpy(&words[0], from, 8);
        memcpy(&words[1], from + len - 8, 8);
        memcpy(to, &words[0], 8);
        memcpy(to + len - 8, &words[1], 8);
    } else if (len >= 4) {
        uint32_t first, last;
        memcpy(&first, from, 4);
        memcpy(&last, from + len - 4, 4);
        memcpy(to, &first, 4);
        memcpy(to + len - 4, &last, 4);
        words[0] = first | (uint64_t)last << 32;
    } else if (len > 0) {
        unsigned char first = (unsigned char)from[0], middle = (unsigned char)from[len / 2], last = (unsigned char)from[len - 1];
        to[0] = (char)first;
        to[len / 2] = (char)middle;
        to[len - 1] = (char)last;
        words[0] = first | (uint64_t)middle << 8 | (uint64_t)last << 16;
    }
    typedef uint64_t csv_words __attribute__((vector_size(16)));
    return (csv_block)(csv_words){words[0], words[1]};
}

/* Copies a cell of any length. True when it has something that it is quoted for. */
static inline bool csv_copy_plain(char *to, const char *from, size_t len, const struct csv_special *special)
{
    if (len <= CSV_BLOCK)
        return csv_block_any(csv_block_special(csv_copy_short(to, from, len), special));
    csv_block last = csv_block_load(from + len - CSV_BLOCK);
    csv_block found = csv_block_special(last, special);
    char *last_to = to + len - CSV_BLOCK;
    for (size_t at = 0; at + CSV_BLOCK < len; at += CSV_BLOCK) {
        csv_block block = csv_block_load(from + at);
        csv_block_store(to + at, block);
        found |= csv_block_special(block, special);
    }
    csv_block_store(last_to, last);
    return csv_block_any(found);
}

/* True when a cell has something that it is quoted for. */
static inline bool csv_has_special(const char *cell, size_t len, const struct csv_special *special)
{
    char ignored[CSV_BLOCK];
    size_t at = 0;
    for (; len - at > CSV_BLOCK; at += CSV_BLOCK)
        if (csv_block_any(csv_block_special(csv_block_load(cell + at), special)))
            return true;
    return csv_block_any(csv_block_special(csv_copy_short(ignored, cell + at, len - at), special));
}

/* Copies bytes with each quote doubled, into room for 2 * len; no branch hangs on where quotes stand. Returns the copy's end. */
static inline char *csv_copy_doubled_bytes(char *to, const char *from, size_t len, unsigned char quote)
{
    for (size_t i = 0; i < len; i++) {
        unsigned char c = (unsigned char)from[i];
        uint16_t twice = (uint16_t)(c | c << 8);
        memcpy(to, &twice, sizeof twice);
        to += 1 + (c == quote);
    }
    return to;
}

/* As csv_copy_doubled_bytes, a block at once where there is no quote in it. */
static inline char *csv_copy_doubled(char *to, const char *from, size_t len, const struct csv_special *special)
{
    unsigned char quote = special->quote[0];
    for (; len >= CSV_BLOCK; from += CSV_BLOCK, len -= CSV_BLOCK) {
        csv_block block = csv_block_load(from);
        csv_block_store(to, block);
        if (csv_block_any(csv_block_equal(block, special->quote)))
            to = csv_copy_doubled_bytes(to, from, CSV_BLOCK, quote);
        else
            to += CSV_BLOCK;
    }
    return csv_copy_doubled_bytes(to, from, len, quote);
}

#endif
