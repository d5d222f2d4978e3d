#include "core/credentials_words.h"

#include <stdlib.h>
#include <string.h>

static bool is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

/* Copies what stands in quotes up to their end; NULL when there is none. */
static const char *copy_quoted(const char *line, char quote, char **to)
{
    for (; *line != quote; line++) {
        if (quote == '"' && *line == '\\' && (line[1] == '"' || line[1] == '\\'))
            line++;
        if (!*line)
            return NULL;
        *(*to)++ = *line;
    }
    return line + 1;
}

/* Copies one word; NULL with *fault. */
static const char *copy_word(const char *line, char **to, const char **fault)
{
    while (*line && !is_blank(*line)) {
        if (*line == '"' || *line == '\'') {
            line = copy_quoted(line + 1, *line, to);
            if (!line) {
                *fault = "a quote is not closed";
                return NULL;
            }
        } else if (*line == '\\' && !line[1]) {
            *fault = "there is nothing after the backslash at its end";
            return NULL;
        } else {
            line += *line == '\\';
            *(*to)++ = *line++;
        }
    }
    *(*to)++ = '\0';
    return line;
}

char **credentials_words(const char *line, const char **fault)
{
    size_t len = strlen(line), most = len / 2 + 2, count = 0;
    char **words = calloc(1, most * sizeof *words + len + 2);
    char *to = (char *)(words + most);
    *fault = NULL;
    while (words) {
        while (is_blank(*line))
            line++;
        if (!*line)
            break;
        words[count++] = to;
        line = copy_word(line, &to, fault);
        if (!line)
            goto failed;
    }
    if (count > 0)
        return words;
    *fault = words ? "there is no program in it" : NULL;
failed:
    free(words);
    return NULL;
}
