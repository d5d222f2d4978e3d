/* text_count: what a text consists of, counted in one fast pass: line ends by kind, NUL bytes, where it is not UTF-8. */
#ifndef UPJOB_CORE_TEXT_COUNT_H
#define UPJOB_CORE_TEXT_COUNT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Starts all zero. */
struct text_count {
    uint64_t lf, cr;        /* bytes */
    uint64_t crlf;          /* CR LF pairs, each of which is in both */
    uint64_t nuls;
    uint64_t multibyte;     /* characters of several bytes */
    uint64_t invalid;       /* places that are not UTF-8: as many as a decoder would replace */
    uint64_t in_invalid[256]; /* the bytes of those places, all above 0x7F */
    bool after_cr;          /* private */
};

enum text_stop { TEXT_STOP_NEVER, TEXT_STOP_INVALID, TEXT_STOP_NOT_ASCII };

/* Counts `bytes` on and returns how many it has taken. It stops behind the first invalid place, or behind the first character
 * that is not ASCII, when told so; and, unless `last`, before a character that the end cuts. */
size_t text_count_feed(struct text_count *count, const char *bytes, size_t len, bool last, enum text_stop stop);

/* Line ends so far: CR LF, LF and a lone CR each are one. */
static inline uint64_t text_count_lines(const struct text_count *count)
{
    return count->lf + count->cr - count->crlf;
}

#endif
