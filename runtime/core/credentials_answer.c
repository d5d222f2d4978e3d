#include "core/credentials_answer.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include "core/credentials_providers.h"
#include "core/credentials_time.h"

#define LOOKS_LIKE_A_KEY 20 /* characters */

static const char *fault(const char *text, size_t len)
{
    while (len > 0 && isspace((unsigned char)*text)) {
        text++;
        len--;
    }
    return len == 0 ? "nothing" : *text == '<' ? "HTML or XML" : "something that is not a JSON object";
}

cJSON *credentials_answer_parse(const char *text, size_t len, const char *from, struct err *err)
{
    cJSON *answer = len > 0 ? cJSON_ParseWithLength(text, len) : NULL;
    if (cJSON_IsObject(answer))
        return answer;
    credentials_answer_free(answer);
    err_set(err, ERR_CREDENTIALS, "%.500s gave %s instead of JSON with keys", from, fault(text, len));
    return NULL;
}

static void cleanse_strings(cJSON *item)
{
    for (; item; item = item->next) {
        if (item->valuestring)
            secret_cleanse(item->valuestring, strlen(item->valuestring));
        cleanse_strings(item->child);
    }
}

void credentials_answer_free(cJSON *answer)
{
    cleanse_strings(answer);
    cJSON_Delete(answer);
}

const char *credentials_answer_text(const cJSON *answer, const char *name)
{
    const cJSON *item = cJSON_GetObjectItemCaseSensitive(answer, name);
    return cJSON_IsString(item) && *item->valuestring ? item->valuestring : NULL;
}

static bool missing(const char *from, const char *name, struct err *err)
{
    return err_set(err, ERR_CREDENTIALS, "%.500s gave JSON without %s", from, name);
}

/* 0 when there is none. */
static bool read_expiration(const cJSON *item, const char *name, const char *from, time_t *out,
                            struct err *err)
{
    *out = 0;
    if (!item || cJSON_IsNull(item))
        return true;
    if (cJSON_IsNumber(item) && item->valuedouble > 0 && item->valuedouble < 1e15) {
        *out = item->valuedouble >= 1000 ? (time_t)(item->valuedouble / 1000) : 1;
        return true;
    }
    if (cJSON_IsString(item) && credentials_time_parse(item->valuestring, out))
        return true;
    return err_set(err, ERR_CREDENTIALS, "%.500s gave %s that is not a time such as 2026-01-02T03:04:05Z",
                   from, name);
}

bool credentials_answer_keys(const cJSON *answer, const struct credentials_answer_names *names,
                             const char *from, struct credentials *out, struct err *err)
{
    const char *id = credentials_answer_text(answer, names->id),
               *secret = credentials_answer_text(answer, names->secret);
    const char *token = credentials_answer_text(answer, names->token);
    const cJSON *expiration = cJSON_GetObjectItemCaseSensitive(answer, names->expiration);
    time_t expires;
    if (!id || !secret)
        return missing(from, id ? names->secret : names->id, err);
    if (!names->lasting && (!token || !expiration))
        return missing(from, token ? names->expiration : names->token, err);
    if (!read_expiration(expiration, names->expiration, from, &expires, err))
        return false;
    struct credentials_given given = {.id_name = names->id,
                                      .secret_name = names->secret,
                                      .token_name = names->token,
                                      .id = id,
                                      .secret = secret,
                                      .token = token};
    struct err bad;
    err_clear(&bad);
    if (credentials_take(&given, out, &bad) != CREDENTIALS_FOUND)
        return err_set(err, bad.code, "%.400s: %.300s", from, bad.message);
    out->expires = expires;
    return true;
}

/* A long run of letters and digits: the text of a key, a token or a password. */
static size_t key_length(const char *text, size_t len)
{
    size_t run = 0;
    bool letter = false, digit = false;
    for (; run < len && (isalnum((unsigned char)text[run]) || text[run] == '+' || text[run] == '/'); run++) {
        letter = letter || isalpha((unsigned char)text[run]);
        digit = digit || isdigit((unsigned char)text[run]);
    }
    return run >= LOOKS_LIKE_A_KEY && letter && digit ? run : 0;
}

void credentials_quote(const char *text, size_t len, char *out, size_t size)
{
    size_t at = 0, used = 0;
    while (at < len && isspace((unsigned char)text[at]))
        at++;
    out[0] = '\0';
    while (at < len && text[at] != '\n' && text[at] != '\0' && used + sizeof SECRET_SHOWN < size) {
        bool begins = at == 0 || !isalnum((unsigned char)text[at - 1]);
        size_t secret = begins ? key_length(text + at, len - at) : 0;
        if (secret > 0)
            used += (size_t)snprintf(out + used, size - used, "%s", SECRET_SHOWN);
        else
            out[used++] = text[at] >= ' ' && text[at] <= '~' ? text[at] : '?';
        at += secret > 0 ? secret : 1;
        out[used] = '\0';
    }
    while (used > 0 && (out[used - 1] == '?' || out[used - 1] == ' '))
        out[--used] = '\0';
}
