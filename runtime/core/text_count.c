#include "core/text_count.h"

#include <string.h>

#include "core/utf8.h"

/* What is checked and then counted at a time: it stays near. */
#define CHUNK ((size_t)16 << 10)

/* Sixteen bytes side by side, in whatever registers the machine has. */
typedef unsigned char wide __attribute__((vector_size(16)));
#define WIDE sizeof(wide)
/* Counters of one byte each, which are emptied before they could pass 255. */
#define TURNS 255

struct tally {
    wide lf, cr, crlf, nul;
};

/* ---- line ends and NULs, whatever stands between them ---- */

static wide load(const char *at)
{
    wide v;
    memcpy(&v, at, sizeof v);
    return v;
}

static uint64_t sum(wide v)
{
    uint64_t n = 0;
    for (size_t i = 0; i < WIDE; i++)
        n += v[i];
    return n;
}

static void settle(struct text_count *count, const struct tally *tally)
{
    count->lf += sum(tally->lf);
    count->cr += sum(tally->cr);
    count->crlf += sum(tally->crlf);
    count->nuls += sum(tally->nul);
}

static void count_byte(struct text_count *count, char byte)
{
    count->lf += byte == '\n';
    count->crlf += byte == '\n' && count->after_cr;
    count->cr += byte == '\r';
    count->nuls += byte == '\0';
    count->after_cr = byte == '\r';
}

static void count_marks(struct text_count *count, const char *bytes, size_t len)
{
    size_t at = 0;
    if (len > WIDE) /* the first byte may be the second of a pair; the blocks see to all others */
        count->crlf += count->after_cr && bytes[0] == '\n';
    while (at + WIDE < len) {
        struct tally tally = {0};
        for (int turn = 0; turn < TURNS && at + WIDE < len; turn++, at += WIDE) {
            wide v = load(bytes + at), next = load(bytes + at + 1);
            wide cr = (wide)(v == '\r');
            tally.cr -= cr;
            tally.lf -= (wide)(v == '\n');
            tally.nul -= (wide)(v == '\0');
            tally.crlf -= cr & (wide)(next == '\n');
        }
        settle(count, &tally);
        count->after_cr = false; /* a pair whose LF is the next byte is counted */
    }
    for (; at < len; at++)
        count_byte(count, bytes[at]);
}

/* ---- UTF-8 ---- */

/* Index of the first byte above 0x7F from `at` on; `len` when there is none. */
static size_t next_high(const char *bytes, size_t at, size_t len)
{
    const uint64_t high = 0x8080808080808080u;
    for (; len - at >= 16; at += 16) {
        uint64_t words[2];
        memcpy(words, bytes + at, sizeof words);
        if ((words[0] | words[1]) & high)
            break;
    }
    while (at < len && (unsigned char)bytes[at] < 0x80)
        at++;
    return at;
}

static void count_invalid(struct text_count *count, const char *bytes, size_t len)
{
    count->invalid++;
    for (size_t i = 0; i < len; i++)
        count->in_invalid[(unsigned char)bytes[i]]++;
}

/* The character or the invalid place at the beginning, where a byte above 0x7F is: its bytes; 0 when more are needed. */
static size_t count_high(struct text_count *count, const char *bytes, size_t len, bool last)
{
    size_t length;
    enum utf8_found found = utf8_next(bytes, len, &length);
    if (found == UTF8_CUT && !last)
        return 0;
    if (found == UTF8_WHOLE)
        count->multibyte++;
    else
        count_invalid(count, bytes, length);
    return length;
}

/* Checks the bytes, up to and with a stop: how many. */
static size_t count_characters(struct text_count *count, const char *bytes, size_t len, bool last, enum text_stop stop)
{
    for (size_t at = next_high(bytes, 0, len); at < len; at = next_high(bytes, at, len)) {
        if (stop != TEXT_STOP_NOT_ASCII)
            at += utf8_run(bytes + at, len - at, &count->multibyte);
        if (at == len || (unsigned char)bytes[at] < 0x80)
            continue;
        uint64_t invalid = count->invalid;
        size_t n = count_high(count, bytes + at, len - at, last);
        at += n;
        if (n == 0 || stop == TEXT_STOP_NOT_ASCII || (stop == TEXT_STOP_INVALID && count->invalid > invalid))
            return at;
    }
    return len;
}

size_t text_count_feed(struct text_count *count, const char *bytes, size_t len, bool last, enum text_stop stop)
{
    size_t at = 0;
    while (at < len) {
        size_t chunk = len - at < CHUNK ? len - at : CHUNK;
        bool ends = last && at + chunk == len;
        uint64_t seen = count->invalid + (stop == TEXT_STOP_NOT_ASCII ? count->multibyte : 0);
        size_t n = count_characters(count, bytes + at, chunk, ends, stop);
        count_marks(count, bytes + at, n);
        at += n;
        if (n == 0 || (stop != TEXT_STOP_NEVER && count->invalid + (stop == TEXT_STOP_NOT_ASCII ? count->multibyte : 0) > seen))
            break;
    }
    return at;
}
