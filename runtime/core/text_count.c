#include "core/text_count.h"

#include <string.h>

#include "core/utf8.h"

/* Sixteen bytes side by side, in whatever registers the machine has. */
typedef unsigned char wide __attribute__((vector_size(16)));
#define WIDE sizeof(wide)
/* Counters of one byte each, which are emptied before they could pass 255. */
#define TURNS 255

struct tally {
    wide lf, cr, crlf, nul;
};

static wide load(const char *at)
{
    wide v;
    memcpy(&v, at, sizeof v);
    return v;
}

static bool has_high(wide v)
{
    uint64_t halves[2];
    memcpy(halves, &v, sizeof halves);
    return ((halves[0] | halves[1]) & 0x8080808080808080u) != 0;
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

/* Whole blocks of ASCII at the beginning: the bytes counted. A pair whose LF is the byte behind them is counted too. */
static size_t count_ascii(struct text_count *count, const char *bytes, size_t len)
{
    size_t at = 0;
    bool more = true;
    if (len <= WIDE)
        return 0;
    if (count->after_cr && bytes[0] == '\n')
        count->crlf++;
    while (more) {
        struct tally tally = {0};
        for (int turn = 0; turn < TURNS; turn++) {
            more = at + WIDE < len;
            wide v = load(more ? bytes + at : bytes);
            more = more && !has_high(v);
            if (!more)
                break;
            wide cr = (wide)(v == '\r');
            tally.cr -= cr;
            tally.lf -= (wide)(v == '\n');
            tally.nul -= (wide)(v == '\0');
            tally.crlf -= cr & (wide)(load(bytes + at + 1) == '\n');
            at += WIDE;
        }
        settle(count, &tally);
    }
    if (at > 0)
        count->after_cr = false;
    else if (count->after_cr && bytes[0] == '\n')
        count->crlf--; /* nothing was counted after all */
    return at;
}

static void count_byte(struct text_count *count, char byte)
{
    count->lf += byte == '\n';
    count->crlf += byte == '\n' && count->after_cr;
    count->cr += byte == '\r';
    count->nuls += byte == '\0';
    count->after_cr = byte == '\r';
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
    count->after_cr = false;
    if (found == UTF8_WHOLE)
        count->multibyte++;
    else
        count_invalid(count, bytes, length);
    return length;
}

size_t text_count_feed(struct text_count *count, const char *bytes, size_t len, bool last, enum text_stop stop)
{
    size_t at = 0;
    while (at < len) {
        at += count_ascii(count, bytes + at, len - at);
        /* The rest of the block in which something else stands, and the bytes up to the end. */
        for (size_t until = len - at < WIDE ? len : at + WIDE; at < until;) {
            if ((unsigned char)bytes[at] < 0x80) {
                count_byte(count, bytes[at++]);
                continue;
            }
            uint64_t invalid = count->invalid;
            size_t n = count_high(count, bytes + at, len - at, last);
            at += n;
            if (n == 0 || stop == TEXT_STOP_NOT_ASCII || (stop == TEXT_STOP_INVALID && count->invalid > invalid))
                return at;
        }
    }
    return at;
}
