/* What the sources share: where their settings stand, and tokens in files. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/credentials_providers.h"

#define MAX_TOKEN_FILE (64 << 10)

const char *credentials_variable(const char *name)
{
    const char *value = getenv(name);
    return value && *value ? value : NULL;
}

const char *credentials_configured(const struct credentials_search *search, const char *variable,
                                   const char *key, char *from, size_t size)
{
    const char *value = credentials_variable(variable);
    const struct aws_setting *setting =
        value ? NULL : aws_config_setting(search->config, search->profile, key);
    if (from && setting)
        snprintf(from, size, "%s in %.300s:%ld", key, setting->file, setting->line);
    else if (from)
        snprintf(from, size, "%s", variable);
    return setting ? setting->value : value;
}

bool credentials_number(const struct credentials_search *search, const char *variable, const char *key,
                        long most, long fallback, long *out, struct err *err)
{
    char from[400], *end = NULL;
    const char *text = credentials_configured(search, variable, key, from, sizeof from);
    *out = text ? strtol(text, &end, 10) : fallback;
    if (!text || (*end == '\0' && *out >= 1 && *out <= most))
        return true;
    return err_set(err, ERR_CONFIG, "%s is \"%.40s\", which is not a whole number from 1 to %ld", from, text,
                   most);
}

static bool not_a_token(const char *path, const char *from, const char *fault, struct err *err)
{
    err_set(err, ERR_CREDENTIALS, "the token (%.200s) %s", from, fault);
    return err_at(err, path, 0, 0, NULL);
}

static void cannot_be_read(const char *path, const char *from, struct err *err)
{
    err_errno(err, ERR_CREDENTIALS, errno, "the file of the token (%.200s) cannot be read", from);
    err_at(err, path, 0, 0, NULL);
}

/* One line of printable characters ("Basic …" has a space): it goes into a header or a form. */
static char *trim_token(char *text, const char *path, const char *from, struct err *err)
{
    static const char blanks[] = " \t\r\n";
    size_t before = strspn(text, blanks), len = strlen(text + before);
    while (len > 0 && strchr(blanks, text[before + len - 1]))
        len--;
    memmove(text, text + before, len);
    text[len] = '\0';
    for (size_t i = 0; i < len; i++)
        if (text[i] < ' ' || text[i] > '~') {
            not_a_token(path, from, "holds a line end or another character that no token has", err);
            return NULL;
        }
    if (len == 0)
        not_a_token(path, from, "is empty", err);
    return len > 0 ? text : NULL;
}

char *credentials_token_file(const char *path, const char *from, struct err *err)
{
    FILE *file = fopen(path, "re");
    char *text = calloc(1, MAX_TOKEN_FILE + 1), *token = NULL;
    size_t len = file && text ? fread(text, 1, MAX_TOKEN_FILE + 1, file) : 0;
    if (!text)
        err_set(err, ERR_MEMORY, "out of memory");
    else if (!file || ferror(file))
        cannot_be_read(path, from, err);
    else if (len > MAX_TOKEN_FILE || strlen(text) < len)
        not_a_token(path, from, "is not a token: the file is larger than 64 KiB, or no text", err);
    else
        token = trim_token(text, path, from, err);
    if (file)
        fclose(file);
    if (!token)
        secret_release(text);
    return token;
}
