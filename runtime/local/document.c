#include "local/document.h"

#include <stdio.h>
#include <string.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

#include "local/fold.h"

#define MOST_OF_NAME 4200 /* bytes: three names of 255 characters, and more */

/* ---- the form ---- */

static bool read_varint(const struct csv_slice *document, size_t *at, uint64_t *out)
{
    unsigned shift = 0;
    *out = 0;
    while (*at < document->len && shift < 63) {
        unsigned char byte = (unsigned char)document->data[(*at)++];
        *out |= (uint64_t)(byte & 127) << shift;
        if (byte < 128)
            return true;
        shift += 7;
    }
    return false;
}

static bool add_varint(struct buf *out, uint64_t value)
{
    while (value >= 128) {
        buf_addc(out, (char)(value | 128));
        value >>= 7;
    }
    return buf_addc(out, (char)value);
}

bool document_next(const struct csv_slice *document, size_t *at, struct document_entry *entry)
{
    uint64_t target, len;
    if (!read_varint(document, at, &target) || !read_varint(document, at, &len) || len > document->len - *at)
        return false;
    entry->target = (int)target;
    entry->value.data = document->data + *at;
    entry->value.len = (size_t)len;
    *at += (size_t)len;
    return true;
}

bool document_add(struct buf *out, int target, const char *value, size_t len)
{
    return add_varint(out, (uint64_t)target) && add_varint(out, len) && buf_add(out, value, len);
}

bool document_merge(const struct csv_slice *older, const struct csv_slice *newer, struct buf *out)
{
    struct document_entry a, b;
    size_t at_a = 0, at_b = 0;
    bool has_a = document_next(older, &at_a, &a), has_b = document_next(newer, &at_b, &b);
    while (has_a || has_b) {
        bool take_a = has_a && (!has_b || a.target < b.target);
        struct document_entry *entry = take_a ? &a : &b;
        document_add(out, entry->target, entry->value.data, entry->value.len);
        if (has_a && has_b && a.target == b.target)
            has_a = document_next(older, &at_a, &a);
        if (take_a)
            has_a = document_next(older, &at_a, &a);
        else
            has_b = document_next(newer, &at_b, &b);
    }
    return !out->failed;
}

int64_t document_digest(const struct csv_slice *document)
{
    return (int64_t)XXH3_64bits(document->data, document->len);
}

/* ---- JSON ---- */

static const char *name_of(const struct targets *targets, int target)
{
    return target >= 0 && target < targets->count && targets->names[target] ? targets->names[target] : "";
}

static void uid_text(const unsigned char uid[16], char out[33])
{
    static const char digits[] = "0123456789abcdef";
    for (int i = 0; i < 16; i++) {
        out[2 * i] = digits[uid[i] >> 4];
        out[2 * i + 1] = digits[uid[i] & 15];
    }
    out[32] = '\0';
}

/* "Address.City" goes into an object Address. `text` is room to end the value in. */
static void add_value(cJSON *profile, const char *name, const struct csv_slice *value, struct buf *text)
{
    char outer[256];
    const char *dot = strchr(name, '.');
    buf_reset(text);
    if (!buf_add(text, value->data, value->len))
        return;
    if (!dot) {
        cJSON_AddStringToObject(profile, name, text->data);
        return;
    }
    snprintf(outer, sizeof outer, "%.*s", (int)(dot - name), name);
    cJSON *object = cJSON_GetObjectItemCaseSensitive(profile, outer);
    if (!object)
        object = cJSON_AddObjectToObject(profile, outer);
    cJSON_AddStringToObject(object, dot + 1, text->data);
}

cJSON *document_to_json(const struct csv_slice *document, const struct targets *targets, const unsigned char uid[16])
{
    cJSON *profile = cJSON_CreateObject();
    struct document_entry entry;
    struct buf text;
    size_t at = 0;
    char id[33];
    uid_text(uid, id);
    buf_init(&text, document->len);
    cJSON_AddStringToObject(profile, "ProfileId", id);
    while (document_next(document, &at, &entry))
        add_value(profile, name_of(targets, entry.target), &entry.value, &text);
    buf_free(&text);
    return profile;
}

/* ---- terms ---- */

uint64_t term_hash(const char *key, const char *value, size_t len)
{
    return XXH3_64bits_withSeed(value, len, XXH3_64bits(key, strlen(key))) >> 16;
}

enum target_kind target_kind_of(const char *name)
{
    static const struct {
        const char *name;
        enum target_kind kind;
    } all[] = {
        {"AccountNumber", TARGET_ACCOUNT},      {"EmailAddress", TARGET_EMAIL},       {"PersonalEmailAddress", TARGET_EMAIL},
        {"BusinessEmailAddress", TARGET_EMAIL}, {"PhoneNumber", TARGET_PHONE},        {"MobilePhoneNumber", TARGET_PHONE},
        {"HomePhoneNumber", TARGET_PHONE},      {"BusinessPhoneNumber", TARGET_PHONE}, {"FirstName", TARGET_FIRST_NAME},
        {"MiddleName", TARGET_MIDDLE_NAME},     {"LastName", TARGET_LAST_NAME},
    };
    if (strncmp(name, "Attributes.", 11) == 0)
        return TARGET_ATTRIBUTE;
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++)
        if (strcmp(all[i].name, name) == 0)
            return all[i].kind;
    return TARGET_PLAIN;
}

/* Digits of a country's code at the start of an international number. Source: ITU-T E.164, list of assigned codes: 1 and 7
 * have one digit; the rest two, but for the ranges with three. */
static size_t country_digits(const char *digits, size_t len)
{
    static const char three[] = " 21 22 23 24 25 26 29 35 37 38 42 50 59 67 68 69 80 85 87 88 96 97 99 ";
    char prefix[5] = {' ', len > 0 ? digits[0] : ' ', len > 1 ? digits[1] : ' ', ' ', '\0'};
    if (len < 4)
        return 0;
    if (digits[0] == '1' || digits[0] == '7')
        return 1;
    return strstr(three, prefix) ? 3 : 2;
}

static void phone_terms(const char *value, size_t len, term_taker take, void *arg)
{
    char digits[64];
    size_t n = 0;
    bool international = len > 0 && value[0] == '+';
    for (size_t i = 0; i < len && n < sizeof digits; i++)
        if (value[i] >= '0' && value[i] <= '9')
            digits[n++] = value[i];
    const char *start = digits;
    if (!international && n > 4 && digits[0] == '0' && digits[1] == '0') {
        international = true;
        start += 2;
        n -= 2;
    }
    if (n == 0)
        return;
    take(arg, "_phone", start, n);
    size_t country = international ? country_digits(start, n) : 0;
    if (country)
        take(arg, "_phone", start + country, n - country);
}

void term_normalise(const char *key, const char *value, size_t len, term_taker take, void *arg)
{
    char folded[MOST_OF_NAME];
    if (strcmp(key, "_phone") == 0)
        phone_terms(value, len, take, arg);
    else if (strcmp(key, "_email") == 0 || strcmp(key, "_fullName") == 0 || strcmp(key, "_profileId") == 0)
        take(arg, key, folded, fold_text(value, len, folded, sizeof folded));
    else
        take(arg, key, value, len);
}

static void name_terms(const struct csv_slice parts[3], term_taker take, void *arg)
{
    char full[MOST_OF_NAME];
    for (int with_middle = 0; with_middle < (parts[1].len ? 2 : 1); with_middle++) {
        size_t n = 0;
        for (int i = 0; i < 3; i++) {
            if (!parts[i].len || (i == 1 && !with_middle) || n + parts[i].len + 1 > sizeof full)
                continue;
            if (n)
                full[n++] = ' ';
            memcpy(full + n, parts[i].data, parts[i].len);
            n += parts[i].len;
        }
        if (n)
            term_normalise("_fullName", full, n, take, arg);
    }
}

void document_terms(const struct csv_slice *document, const struct targets *targets, const unsigned char uid[16],
                    term_taker take, void *arg)
{
    struct csv_slice parts[3] = {{NULL, 0}, {NULL, 0}, {NULL, 0}};
    struct document_entry entry;
    size_t at = 0;
    char id[33];
    uid_text(uid, id);
    take(arg, "_profileId", id, 32);
    while (document_next(document, &at, &entry)) {
        const struct csv_slice *value = &entry.value;
        enum target_kind kind = entry.target >= 0 && entry.target < targets->count ? targets->kinds[entry.target] : TARGET_PLAIN;
        if (kind == TARGET_ATTRIBUTE)
            take(arg, targets->names[entry.target] + 11, value->data, value->len);
        else if (kind == TARGET_ACCOUNT)
            take(arg, "_account", value->data, value->len);
        else if (kind == TARGET_EMAIL)
            term_normalise("_email", value->data, value->len, take, arg);
        else if (kind == TARGET_PHONE)
            term_normalise("_phone", value->data, value->len, take, arg);
        else if (kind != TARGET_PLAIN)
            parts[kind - TARGET_FIRST_NAME] = *value;
    }
    name_terms(parts, take, arg);
}
