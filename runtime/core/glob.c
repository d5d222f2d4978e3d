#include "core/glob.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "core/utf8.h"

/* A character, or a byte that is none as a number that no character has. */
static size_t next_character(const char *text, uint32_t *character)
{
    size_t len = utf8_decode(text, strnlen(text, 4), character);
    if (*character == UTF8_NONE)
        *character = 0x80000000U | (unsigned char)*text;
    return len;
}

/* In a class, at a character that may be escaped; behind it. */
static const char *class_character(const char *pattern, uint32_t *character)
{
    if (*pattern == '\\' && pattern[1])
        pattern++;
    return pattern + next_character(pattern, character);
}

/* Behind the "]" that closes the class whose "[" stands before `pattern`, or NULL. A "]" that comes first is one of the class. */
static const char *class_end(const char *pattern)
{
    if (*pattern == '!' || *pattern == '^')
        pattern++;
    if (*pattern == ']')
        pattern++;
    for (; *pattern; pattern++) {
        if (*pattern == ']')
            return pattern + 1;
        if (*pattern == '\\' && pattern[1])
            pattern++;
    }
    return NULL;
}

static bool class_has(const char *pattern, const char *end, uint32_t wanted)
{
    bool inverted = *pattern == '!' || *pattern == '^', has = false;
    pattern += inverted;
    while (pattern < end - 1) {
        uint32_t first, last;
        pattern = class_character(pattern, &first);
        last = first;
        if (*pattern == '-' && pattern + 1 < end - 1)
            pattern = class_character(pattern + 1, &last);
        has = has || (first <= wanted && wanted <= last);
    }
    return has != inverted;
}

/* One character of the name against what stands in the pattern, which is no "*": behind both, or false. */
static bool match_one(const char **pattern, const char **name)
{
    const char *p = *pattern, *end = *p == '[' ? class_end(p + 1) : NULL;
    uint32_t character, wanted;
    *name += next_character(*name, &character);
    if (end) {
        *pattern = end;
        return class_has(p + 1, end, character);
    }
    if (*p == '?') {
        *pattern = p + 1;
        return true;
    }
    *pattern = class_character(p, &wanted);
    return wanted == character;
}

bool glob_matches(const char *pattern, const char *name)
{
    /* What follows the last "*", and where in the name it was tried. */
    const char *after = NULL, *tried = NULL;
    while (*name) {
        if (*pattern == '*') {
            after = ++pattern;
            tried = name;
            continue;
        }
        if (*pattern && match_one(&pattern, &name))
            continue;
        if (!after)
            return false;
        uint32_t passed;
        pattern = after;
        tried += next_character(tried, &passed);
        name = tried;
    }
    while (*pattern == '*')
        pattern++;
    return !*pattern;
}

/* NULL when the pattern of a name is well formed, else what is wrong with it. */
static const char *fault_of_name(const char *name)
{
    if (!*name)
        return "has no name of a file at its end";
    for (; *name; name++) {
        if (name[0] == '*' && name[1] == '*')
            return "has \"**\", which would look into directories: name one directory";
        if (*name == '[') {
            const char *end = class_end(name + 1);
            if (!end)
                return "has a \"[\" that is not closed (\"\\[\" stands for itself)";
            name = end - 1;
        } else if (*name == '\\' && name[1]) {
            name++;
        }
    }
    return NULL;
}

static bool has_wildcard(const char *text, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        if (text[i] == '\\' && i + 1 < len)
            i++;
        else if (text[i] == '*' || text[i] == '?' || text[i] == '[')
            return true;
    }
    return false;
}

/* Without the backslashes that make characters stand for themselves. */
static char *unescaped(const char *text, size_t len)
{
    char *out = malloc(len + 1), *to = out;
    for (size_t i = 0; out && i < len; i++) {
        if (text[i] == '\\' && i + 1 < len)
            i++;
        *to++ = text[i];
    }
    if (out)
        *to = '\0';
    return out;
}

bool glob_split(const char *path, char **directory, char **name, struct err *err)
{
    const char *slash = strrchr(path, '/'), *last = slash ? slash + 1 : path;
    size_t len = slash ? (size_t)(slash - path) : 0;
    const char *fault = has_wildcard(path, len) ? "has a wildcard in a directory: they stand in the name of the file only"
                                                : fault_of_name(last);
    if (fault)
        return err_set(err, ERR_USAGE, "the pattern \"%.300s\" %s", path, fault);
    while (len > 1 && path[len - 1] == '/')
        len--;
    *directory = !slash ? strdup(".") : len == 0 ? strdup("/") : unescaped(path, len);
    *name = strdup(last);
    if (*directory && *name)
        return true;
    free(*directory);
    free(*name);
    *directory = *name = NULL;
    return err_set(err, ERR_MEMORY, "no memory for a pattern");
}
