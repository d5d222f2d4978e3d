#include "core/csv_sniff.h"

#include <ctype.h>
#include <string.h>
#include <strings.h>

#define RECORDS 100

/* The line end at `text`: its length, 0 when there is none. */
static size_t line_end(const char *text, size_t len)
{
    if (len == 0 || (*text != '\n' && *text != '\r'))
        return 0;
    return *text == '\r' && len > 1 && text[1] == '\n' ? 2 : 1;
}

/* One record: its bytes with the line end, its cells. 0 when it goes on behind the text. */
static size_t read_record(const char *text, size_t len, bool whole, char delimiter, unsigned *cells)
{
    bool quoted = false, begins = true;
    *cells = 1;
    for (size_t at = 0; at < len; at++) {
        char c = text[at];
        if (c == '"' && (begins || quoted))
            quoted = !quoted; /* a doubled one ends and begins again */
        begins = false;
        if (quoted)
            continue;
        if (c == '"' && at + 1 < len && text[at + 1] == '"')
            begins = true;
        if (c == delimiter) {
            ++*cells;
            begins = true;
        }
        size_t end = line_end(text + at, len - at);
        if (end > 0 && (whole || at + end < len))
            return at + end;
    }
    return whole ? len : 0;
}

/* Of 1000 of the first records, how many have the cells of the first. */
static unsigned agreement(const char *text, size_t len, bool whole, char delimiter, unsigned *columns)
{
    unsigned records = 0, alike = 0, cells;
    *columns = 0;
    while (len > 0 && records < RECORDS) {
        size_t n = read_record(text, len, whole, delimiter, &cells);
        if (n == 0 && records > 0)
            break;
        if (n == 0) /* the first one alone is larger than what is looked at */
            n = len;
        bool blank = n == line_end(text, len);
        text += n;
        len -= n;
        if (blank)
            continue;
        if (records++ == 0)
            *columns = cells;
        alike += cells == *columns;
    }
    return records > 0 ? alike * 1000 / records : 0;
}

static bool is_sep_line(const char *text, size_t len, struct csv_shape *out)
{
    size_t quoted = len > 0 && *text == '"';
    const char *at = text + quoted;
    size_t left = len - quoted;
    if (left < 5 || strncasecmp(at, "sep=", 4) != 0 || isalnum((unsigned char)at[4]) || at[4] == '\r' || at[4] == '\n')
        return false;
    size_t n = 5 + quoted;
    if (quoted && (left < 6 || at[5] != '"'))
        return false;
    size_t end = line_end(at + n, left - n);
    if (end == 0 && left > n)
        return false;
    out->delimiter = (unsigned char)at[4];
    out->sep_line = quoted + n + end;
    return true;
}

void csv_sniff(const char *text, size_t len, bool whole, struct csv_shape *out)
{
    static const char candidates[] = {',', ';', '\t', '|'};
    unsigned best = 0;
    *out = (struct csv_shape){.delimiter = ','};
    if (is_sep_line(text, len, out)) {
        out->known = true;
        (void)agreement(text + out->sep_line, len - out->sep_line, whole, (char)out->delimiter, &out->columns);
        return;
    }
    for (size_t i = 0; i < sizeof candidates; i++) {
        unsigned columns, alike = agreement(text, len, whole, candidates[i], &columns);
        if (i == 0)
            out->columns = columns;
        if (columns < 2 || alike < best || (alike == best && columns <= out->columns))
            continue;
        best = alike;
        out->delimiter = (unsigned char)candidates[i];
        out->columns = columns;
        out->known = true;
    }
}
