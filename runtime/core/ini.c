#include "core/ini.h"

#include <string.h>

/* A setting is handed over when the line after it has been read: an indented one continues it. */
struct parser {
    const char *name; /* of the file */
    ini_setting setting;
    void *arg;
    struct err *err;
    const char *section; /* NULL before the first */
    char *parent;        /* key with an empty value under which nested settings stand; NULL: none */
    char *key, *value;   /* to be handed over; NULL: none */
    size_t value_len;
    long line, key_line;
    size_t indent; /* of the last key */
};

static bool is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == '\v' || c == '\f';
}

/* Cuts blanks off both ends in place. */
static char *trim(char *text)
{
    while (is_blank(*text))
        text++;
    size_t len = strlen(text);
    while (len > 0 && is_blank(text[len - 1]))
        len--;
    text[len] = '\0';
    return text;
}

/* What stands on the line is not quoted: it may be a secret in the wrong place. */
static bool fail(struct parser *parser, const char *message)
{
    err_set(parser->err, ERR_CONFIG, "%s", message);
    return err_at(parser->err, parser->name, parser->line, 0, NULL);
}

static bool call(struct parser *parser, const char *parent, const char *key, const char *value, long line)
{
    return parser->setting(parser->arg, parser->section, parent, key, value, line, parser->err);
}

static bool hand_over(struct parser *parser)
{
    char *key = parser->key;
    if (!key)
        return true;
    parser->key = NULL;
    return call(parser, NULL, key, parser->value, parser->key_line);
}

static bool read_section(struct parser *parser, char *text)
{
    char *end = strchr(text, ']');
    if (!hand_over(parser))
        return false;
    parser->parent = NULL;
    parser->indent = 0;
    if (!end)
        return fail(parser, "the section's name has no closing bracket: write [name]");
    *end = '\0';
    char *after = trim(end + 1), *name = trim(text + 1);
    if (!*name)
        return fail(parser, "the section has no name: write [name]");
    if (strchr(name, '['))
        return fail(parser, "a section cannot stand in another: write [name] with one pair of brackets");
    if (*after && *after != '#' && *after != ';')
        return fail(parser, "there is text after the section's closing bracket");
    parser->section = name;
    return call(parser, NULL, NULL, NULL, parser->line);
}

/* An indented line under a key: a nested setting when the key has no value, else more of the value. */
static bool read_indented(struct parser *parser, char *text)
{
    if (parser->key && *parser->value) {
        char *to = parser->value + parser->value_len;
        size_t len = strlen(text);
        *to++ = '\n'; /* before `text`, for the line's end lies in between */
        memmove(to, text, len + 1);
        parser->value_len += len + 1;
        return true;
    }
    if (parser->key) {
        parser->parent = parser->key;
        if (!hand_over(parser))
            return false;
    }
    char *equals = strchr(text, '=');
    if (!equals || equals == text)
        return fail(parser, "this indented line is not \"key = value\": remove the spaces before it, or complete it");
    *equals = '\0';
    return call(parser, parser->parent, trim(text), trim(equals + 1), parser->line);
}

static bool read_setting(struct parser *parser, char *text, size_t indent)
{
    char *equals = strchr(text, '=');
    if (!hand_over(parser))
        return false;
    parser->parent = NULL;
    if (!equals)
        return fail(parser, "this line is not \"key = value\", a section in brackets or a comment");
    if (!parser->section)
        return fail(parser, "this setting stands before the first section: put [default] above it");
    *equals = '\0';
    parser->key = trim(text);
    parser->value = trim(equals + 1);
    parser->value_len = strlen(parser->value);
    parser->key_line = parser->line;
    parser->indent = indent;
    return *parser->key ? true : fail(parser, "this line has a value but no key");
}

static bool read_line(struct parser *parser, char *line)
{
    size_t indent = strspn(line, " \t");
    char *text = trim(line);
    if (!*text || *text == '#' || *text == ';')
        return true;
    if (*text == '[')
        return read_section(parser, text);
    if (indent > parser->indent && (parser->key || parser->parent))
        return read_indented(parser, text);
    return read_setting(parser, text, indent);
}

bool ini_parse(char *text, size_t len, const char *name, ini_setting setting, void *arg, struct err *err)
{
    struct parser parser = {.name = name, .setting = setting, .arg = arg, .err = err};
    char *line = text, *end = text + len;
    if (len >= 3 && memcmp(text, "\xEF\xBB\xBF", 3) == 0)
        line += 3;
    while (line < end) {
        char *newline = memchr(line, '\n', (size_t)(end - line));
        char *stop = newline ? newline : end;
        parser.line++;
        if (memchr(line, '\0', (size_t)(stop - line)))
            return fail(&parser, "there is a NUL byte: the file is not plain text in UTF-8 (UTF-16? save it again)");
        *stop = '\0';
        if (!read_line(&parser, line))
            return false;
        line = stop + 1;
    }
    return hand_over(&parser);
}
