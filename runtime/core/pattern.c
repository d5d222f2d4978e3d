#include "core/pattern.h"

#include <ctype.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

/* What is to be matched after the piece at hand: a linked list that lives on the C stack. A
 * NULL pattern asks for the end of the text. */
struct rest {
    const char *pattern, *end;
    const struct rest *next;
};

static bool match(const char *pattern, const char *end, const char *text, const struct rest *rest);
static bool match_any(const char *pattern, const char *end, const char *text, const struct rest *rest);

/* After a bracket expression that begins at `p`. */
static const char *after_class(const char *p)
{
    p++;
    if (*p == '^')
        p++;
    while (*p && *p != ']')
        p += *p == '\\' && p[1] ? 2 : 1;
    return *p ? p + 1 : p;
}

/* After the single character, class or group that begins at `p`. */
static const char *after_piece(const char *p)
{
    int depth = 0;
    do {
        if (*p == '[') {
            p = after_class(p);
            continue;
        }
        if (*p == '(')
            depth++;
        else if (*p == ')')
            depth--;
        p += *p == '\\' && p[1] ? 2 : 1;
    } while (depth > 0 && *p);
    return p;
}

static bool in_escape(char escape, unsigned char c)
{
    switch (escape) {
    case 'd':
        return isdigit(c);
    case 'w':
        return isalnum(c) || c == '_';
    case 's':
        return isspace(c);
    case 'D':
    case 'W':
    case 'S':
        return !in_escape((char)tolower(escape), c);
    default:
        return (unsigned char)escape == c;
    }
}

static bool is_set(const char *p)
{
    return *p == '\\' && p[1] && strchr("dwsDWS", p[1]);
}

/* A hyphen makes a range only between two characters: in [0-9-\s] the second stands for itself. */
static bool in_class(const char *p, unsigned char c)
{
    const char *end = after_class(p) - 1;
    bool negated = p[1] == '^', found = false;
    for (p += negated ? 2 : 1; p < end && !found;) {
        if (is_set(p)) {
            found = in_escape(p[1], c);
            p += 2;
            continue;
        }
        unsigned char low = (unsigned char)(*p == '\\' ? *++p : *p), high = low;
        p++;
        if (p + 1 < end && *p == '-' && !is_set(p + 1)) {
            p++;
            high = (unsigned char)(*p == '\\' ? *++p : *p);
            p++;
        }
        found = c >= low && c <= high;
    }
    return found != negated;
}

/* Reads *, +, ?, {n}, {m,} or {m,n} at `p`; returns what follows. */
static const char *read_quantifier(const char *p, long *least, long *most)
{
    char *after;
    *least = *p == '*' || *p == '?' ? 0 : 1;
    *most = *p == '*' || *p == '+' ? LONG_MAX : 1;
    if (*p == '*' || *p == '+' || *p == '?')
        return p + 1;
    if (*p != '{' || !isdigit((unsigned char)p[1]))
        return p;
    *least = *most = strtol(p + 1, &after, 10);
    if (*after == ',') {
        *most = after[1] == '}' ? LONG_MAX : strtol(after + 1, &after, 10);
        after += *after == ',';
    }
    return after + (*after == '}');
}

static bool match_rest(const char *text, const struct rest *rest)
{
    if (!rest)
        return true;
    if (!rest->pattern)
        return *text == '\0';
    return match(rest->pattern, rest->end, text, rest->next);
}

static bool matches_one(const char *piece, char c)
{
    if (*piece == '.')
        return true;
    if (*piece == '[')
        return in_class(piece, (unsigned char)c);
    return *piece == '\\' ? in_escape(piece[1], (unsigned char)c) : *piece == c;
}

/* As many as there are, then fewer and fewer. */
static bool match_repeated(const char *piece, long least, long most, const char *pattern, const char *end,
                           const char *text, const struct rest *rest)
{
    long n = 0;
    while (n < most && text[n] && matches_one(piece, text[n]))
        n++;
    for (; n >= least; n--)
        if (match(pattern, end, text + n, rest))
            return true;
    return false;
}

/* A group once, or not at all when the quantifier allows: the model repeats no groups. */
static bool match_group(const char *piece, const char *piece_end, long least, const char *pattern, const char *end,
                        const char *text, const struct rest *rest)
{
    struct rest after = {pattern, end, rest};
    if (piece[1] == '?' && piece[2] == '!')
        return !match_any(piece + 3, piece_end - 1, text, NULL) && match(pattern, end, text, rest);
    if (piece[1] == '?' && piece[2] == ':')
        piece += 2;
    return match_any(piece + 1, piece_end - 1, text, &after) || (least == 0 && match(pattern, end, text, rest));
}

static bool match(const char *pattern, const char *end, const char *text, const struct rest *rest)
{
    long least, most;
    if (pattern >= end)
        return match_rest(text, rest);
    if (*pattern == '^')
        return match(pattern + 1, end, text, rest);
    if (*pattern == '$')
        return *text == '\0' && match(pattern + 1, end, text, rest);
    const char *piece_end = after_piece(pattern);
    const char *next = read_quantifier(piece_end, &least, &most);
    if (*pattern == '(')
        return match_group(pattern, piece_end, least, next, end, text, rest);
    return match_repeated(pattern, least, most, next, end, text, rest);
}

/* Tries the alternatives from `pattern` to `end`. */
static bool match_any(const char *pattern, const char *end, const char *text, const struct rest *rest)
{
    for (const char *p = pattern; p < end; p = after_piece(p)) {
        if (*p != '|')
            continue;
        if (match(pattern, p, text, rest))
            return true;
        pattern = p + 1;
    }
    return match(pattern, end, text, rest);
}

bool pattern_matches(const char *pattern, const char *text)
{
    static const struct rest whole = {NULL, NULL, NULL};
    size_t len = strlen(pattern);
    bool anchored = pattern[0] == '^' || (len > 0 && pattern[len - 1] == '$');
    return match_any(pattern, pattern + len, text, anchored ? NULL : &whole);
}
