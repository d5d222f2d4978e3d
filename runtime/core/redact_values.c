#include "core/redact_values.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "core/redact.h"
#include "core/secret.h"

#define MAX_BYTES ((size_t)64 << 10)

void redact_values_init(struct redact_values *values)
{
    buf_init(&values->bytes, MAX_BYTES);
}

void redact_values_free(struct redact_values *values)
{
    buf_cleanse(&values->bytes);
}

bool redact_values_add(struct redact_values *values, const char *value, size_t len)
{
    if (len < REDACT_VALUE_MIN)
        return true;
    return buf_add(&values->bytes, value, len) && buf_addc(&values->bytes, '\0');
}

/* ---- the characters of a value, as text may have them ---- */

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c = (char)tolower((unsigned char)c);
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* The number of `digits` digits at `text`; -1 when there are others. */
static long hex_number(const char *text, int digits)
{
    long number = 0;
    for (int i = 0; i < digits; i++) {
        int digit = hex_digit(text[i]);
        if (digit < 0)
            return -1;
        number = number * 16 + digit;
    }
    return number;
}

/* A character written by its number or with a mark before it: its code, in *len its length there; -1 when it
 * is neither. */
static long escaped(const char *text, size_t *len)
{
    if (*text == '%') {
        const char *digits = text + 1;
        while (strncmp(digits, "25", 2) == 0 && hex_number(digits + 2, 2) >= 0) /* encoded again */
            digits += 2;
        *len = (size_t)(digits + 2 - text);
        return hex_number(digits, 2);
    }
    if (*text == '\\') {
        bool numbered = text[1] == 'u' || text[1] == 'U';
        *len = numbered ? 6 : 2;
        return numbered ? hex_number(text + 2, 4) : (unsigned char)text[1];
    }
    if (text[0] == '&' && text[1] == '#') {
        bool hexadecimal = text[2] == 'x' || text[2] == 'X';
        char *end;
        long number = strtol(text + (hexadecimal ? 3 : 2), &end, hexadecimal ? 16 : 10);
        *len = (size_t)(end + 1 - text);
        return *end == ';' ? number : -1;
    }
    return -1;
}

static bool same_letter(long a, char b)
{
    return a >= 0 && a < 128 && tolower((int)a) == tolower((unsigned char)b);
}

/* How many bytes of `text` are `value`; 0 when it does not begin with it. */
static size_t spelled(const char *text, const char *value)
{
    const char *at = text;
    for (; *value; value++) {
        size_t len = 1;
        if (same_letter((unsigned char)*at, *value) ||
            (*value == '+' && *at == ' ')) /* a form's decoding of + */
            at++;
        else if (same_letter(escaped(at, &len), *value))
            at += len;
        else
            return 0;
    }
    return (size_t)(at - text);
}

static size_t value_at(const struct redact_values *values, const char *text)
{
    size_t longest = 0;
    for (size_t at = 0; at < values->bytes.len; at += strlen(values->bytes.data + at) + 1) {
        size_t len = spelled(text, values->bytes.data + at);
        longest = len > longest ? len : longest;
    }
    return longest;
}

void redact_values_hide(const struct redact_values *values, char *text)
{
    char *to = text;
    while (*text) {
        size_t len = value_at(values, text);
        if (len > 0) {
            memcpy(to, SECRET_SHOWN, strlen(SECRET_SHOWN));
            to += strlen(SECRET_SHOWN);
            text += len;
        } else {
            *to++ = *text++;
        }
    }
    *to = '\0';
}

/* ---- those of a URL ---- */

static bool add_decoded(struct redact_values *values, const char *text, size_t len)
{
    char *value = malloc(len + 1);
    size_t n = 0, key_id;
    if (!value)
        return false;
    for (size_t i = 0; i < len; i++) {
        long c = text[i] == '%' && i + 2 < len ? hex_number(text + i + 1, 2) : -1;
        value[n++] = c > 0 ? (char)c : text[i];
        i += c > 0 ? 2 : 0;
    }
    value[n] = '\0';
    key_id = strcspn(value, "/");
    bool ok =
        redact_values_add(values, value, n) && (key_id == n || redact_values_add(values, value, key_id));
    secret_cleanse(value, len);
    free(value);
    return ok;
}

bool redact_values_add_query(struct redact_values *values, const char *query)
{
    while (*query) {
        size_t len = strcspn(query, "&"), name = strcspn(query, "=&");
        if (name < len && redact_is_secret_parameter(query, name) &&
            !add_decoded(values, query + name + 1, len - name - 1))
            return false;
        query += len;
        query += *query == '&';
    }
    return true;
}
