#include "core/credentials_xml.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/secret.h"

#define MAX_PATH 512

struct reader {
    const char *at, *end;
    char path[MAX_PATH + 1]; /* of the open elements, "" outside */
    size_t path_len;
    char *text; /* of the innermost one, without entities */
    size_t text_len;
    bool leaf; /* no element was closed in it */
    bool over; /* the root was closed */
    credentials_xml_text call;
    void *arg;
};

static bool is_name(char c)
{
    return isalnum((unsigned char)c) || c == '_' || c == '-' || c == '.' || c == ':';
}

static bool begins(const struct reader *reader, const char *word)
{
    size_t len = strlen(word);
    return (size_t)(reader->end - reader->at) >= len && memcmp(reader->at, word, len) == 0;
}

static void skip_blanks(struct reader *reader)
{
    while (reader->at < reader->end && isspace((unsigned char)*reader->at))
        reader->at++;
}

/* What stands between & and ;, as one character. */
static bool read_entity(struct reader *reader)
{
    static const struct {
        const char *name;
        char character;
    } named[] = {{"&amp;", '&'}, {"&lt;", '<'}, {"&gt;", '>'}, {"&quot;", '"'}, {"&apos;", '\''}};
    for (size_t i = 0; i < sizeof named / sizeof *named; i++)
        if (begins(reader, named[i].name)) {
            reader->at += strlen(named[i].name);
            reader->text[reader->text_len++] = named[i].character;
            return true;
        }
    if (!begins(reader, "&#"))
        return false;
    bool hex = begins(reader, "&#x");
    long code = 0;
    const char *digit = reader->at + (hex ? 3 : 2), *first = digit;
    for (; digit < reader->end && isxdigit((unsigned char)*digit) && code < 128; digit++) {
        if (!hex && !isdigit((unsigned char)*digit))
            return false;
        int value = isdigit((unsigned char)*digit) ? *digit - '0' : tolower((unsigned char)*digit) - 'a' + 10;
        code = code * (hex ? 16 : 10) + value;
    }
    if (digit == first || digit == reader->end || *digit != ';' || code < 1 || code > 127)
        return false;
    reader->at = digit + 1;
    reader->text[reader->text_len++] = (char)code;
    return true;
}

static bool read_text(struct reader *reader)
{
    while (reader->at < reader->end && *reader->at != '<') {
        if (*reader->at == '\0' || (reader->path_len == 0 && !isspace((unsigned char)*reader->at)))
            return false;
        if (*reader->at != '&')
            reader->text[reader->text_len++] = *reader->at++;
        else if (!read_entity(reader))
            return false;
    }
    return true;
}

static bool read_attributes(struct reader *reader)
{
    for (;;) {
        const char *before = reader->at;
        skip_blanks(reader);
        if (reader->at == reader->end)
            return false;
        if (*reader->at == '>' || *reader->at == '/')
            return true;
        const char *name = reader->at;
        while (reader->at < reader->end && is_name(*reader->at))
            reader->at++;
        if (name == before || reader->at == name || reader->end - reader->at < 3 || *reader->at++ != '=')
            return false;
        char quote = *reader->at++;
        const char *stop = quote == '"' || quote == '\''
                               ? memchr(reader->at, quote, (size_t)(reader->end - reader->at))
                               : NULL;
        if (!stop || memchr(reader->at, '<', (size_t)(stop - reader->at)))
            return false;
        reader->at = stop + 1;
    }
}

/* The innermost element ends; `name` must be its own. */
static bool close_element(struct reader *reader, const char *name, size_t len)
{
    char *slash = strrchr(reader->path, '/'), *own = slash ? slash + 1 : reader->path;
    if (reader->path_len == 0 || strlen(own) != len || memcmp(own, name, len) != 0)
        return false;
    reader->text[reader->text_len] = '\0';
    if (reader->leaf)
        reader->call(reader->arg, reader->path, reader->text);
    reader->leaf = false;
    reader->text_len = 0;
    reader->path_len = slash ? (size_t)(slash - reader->path) : 0;
    reader->path[reader->path_len] = '\0';
    reader->over = reader->path_len == 0;
    return true;
}

static bool open_element(struct reader *reader)
{
    const char *name = reader->at;
    while (reader->at < reader->end && is_name(*reader->at))
        reader->at++;
    size_t len = (size_t)(reader->at - name);
    if (len == 0 || reader->over || reader->path_len + len + 1 > MAX_PATH || !read_attributes(reader))
        return false;
    reader->path_len += (size_t)sprintf(reader->path + reader->path_len, "%s%.*s",
                                        reader->path_len > 0 ? "/" : "", (int)len, name);
    reader->text_len = 0;
    reader->leaf = true;
    bool empty = *reader->at == '/';
    reader->at += empty;
    if (reader->at == reader->end || *reader->at++ != '>')
        return false;
    return !empty || close_element(reader, name, len);
}

static bool read_end_tag(struct reader *reader)
{
    const char *name = reader->at;
    while (reader->at < reader->end && is_name(*reader->at))
        reader->at++;
    size_t len = (size_t)(reader->at - name);
    skip_blanks(reader);
    if (reader->at == reader->end || *reader->at++ != '>')
        return false;
    return close_element(reader, name, len);
}

static bool read_document(struct reader *reader)
{
    skip_blanks(reader);
    if (begins(reader, "<?xml")) {
        while (reader->at < reader->end && !begins(reader, "?>"))
            reader->at++;
        reader->at += reader->at < reader->end ? 2 : 0;
    }
    while (read_text(reader)) {
        if (reader->at == reader->end)
            return reader->over;
        reader->at++;
        bool end_tag = reader->at < reader->end && *reader->at == '/';
        reader->at += end_tag;
        if (end_tag ? !read_end_tag(reader) : !open_element(reader))
            return false;
    }
    return false;
}

bool credentials_xml(const char *document, size_t len, credentials_xml_text text, void *arg)
{
    struct reader reader = {.at = document, .end = document + len, .call = text, .arg = arg};
    reader.text = malloc(len + 1);
    bool ok = reader.text && read_document(&reader);
    secret_release(reader.text);
    return ok;
}
