#include "local/ingest_plan.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/utf8.h"

#define SOURCE_PREFIX "_source."
#define TARGET_PREFIX "_profile."

/* ---- targets ---- */

/* Source: Customer Profiles API reference, "Profile" and "Address". */
static bool target_exists(const char *name)
{
    static const char *const scalars[] = {
        "AccountNumber", "AdditionalInformation", "PartyType", "PartyTypeString", "BusinessName", "FirstName", "MiddleName",
        "LastName", "BirthDate", "Gender", "GenderString", "ProfileType", "PhoneNumber", "MobilePhoneNumber",
        "HomePhoneNumber", "BusinessPhoneNumber", "EmailAddress", "PersonalEmailAddress", "BusinessEmailAddress", NULL};
    static const char *const addresses[] = {"Address.", "ShippingAddress.", "MailingAddress.", "BillingAddress.", NULL};
    static const char *const parts[] = {"Address1", "Address2", "Address3", "Address4", "City", "County",
                                        "State", "Province", "Country", "PostalCode", NULL};
    for (const char *const *s = scalars; *s; s++)
        if (strcmp(*s, name) == 0)
            return true;
    for (const char *const *a = addresses; *a; a++)
        for (const char *const *p = parts; strncmp(name, *a, strlen(*a)) == 0 && *p; p++)
            if (strcmp(name + strlen(*a), *p) == 0)
                return true;
    size_t length = strncmp(name, "Attributes.", 11) == 0 ? utf8_length(name + 11, strlen(name + 11)) : 0;
    return length >= 1 && length <= 255;
}

/* The values that the deprecated enums of Profile take. */
static bool enum_allows(const char *target, const struct csv_slice *value)
{
    static const struct {
        const char *target, *value;
    } allowed[] = {{"Gender", "MALE"}, {"Gender", "FEMALE"}, {"Gender", "UNSPECIFIED"}, {"PartyType", "INDIVIDUAL"},
                   {"PartyType", "BUSINESS"}, {"PartyType", "OTHER"}, {"ProfileType", "ACCOUNT_PROFILE"}, {"ProfileType", "PROFILE"}};
    bool is_enum = false;
    for (size_t i = 0; i < sizeof allowed / sizeof allowed[0]; i++) {
        if (strcmp(allowed[i].target, target) != 0)
            continue;
        is_enum = true;
        if (strlen(allowed[i].value) == value->len && memcmp(allowed[i].value, value->data, value->len) == 0)
            return true;
    }
    return !is_enum;
}

/* ---- compiling ---- */

static bool add_part(struct plan_field *field, const char *text, size_t len, bool is_column)
{
    if (len == 0)
        return true;
    if (field->part_count == PLAN_MAX_PARTS)
        return false;
    struct plan_part *part = &field->parts[field->part_count++];
    part->text = strndup(text, len);
    part->is_column = is_column;
    return part->text != NULL;
}

static bool read_source(struct plan_field *field, const char *source, struct err *err)
{
    size_t prefix = strlen(SOURCE_PREFIX);
    bool ok = true, any = false;
    if (strncmp(source, SOURCE_PREFIX, prefix) == 0)
        return add_part(field, source + prefix, strlen(source + prefix), true) &&
               (field->part_count == 1 || err_set(err, "BadSource", "the Source of %s names no column", field->key));
    for (const char *p = source; ok && *p;) {
        const char *open = strstr(p, "{{"), *shut = open ? strstr(open, "}}") : NULL;
        if (!shut) {
            ok = add_part(field, p, strlen(p), false);
            break;
        }
        ok = add_part(field, p, (size_t)(open - p), false);
        const char *name = open + 2;
        while (*name == ' ')
            name++;
        size_t len = (size_t)(shut - name);
        while (len > 0 && name[len - 1] == ' ')
            len--;
        ok = ok && len > prefix && strncmp(name, SOURCE_PREFIX, prefix) == 0 && add_part(field, name + prefix, len - prefix, true);
        any = ok;
        p = shut + 2;
    }
    return (ok && any) || err_set(err, "BadSource", "the Source of %s is no _source.Column", field->key);
}

static enum content_type content_type_of(const cJSON *field)
{
    static const char *const names[] = {"STRING", "NUMBER", "PHONE_NUMBER", "EMAIL_ADDRESS", "NAME"};
    const char *type = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(field, "ContentType"));
    for (int i = 0; type && i < 5; i++)
        if (strcmp(names[i], type) == 0)
            return (enum content_type)i;
    return CONTENT_STRING;
}

static bool read_field(struct plan_field *field, const cJSON *json, const struct facts *inferred, struct err *err)
{
    const char *source = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(json, "Source"));
    const char *target = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(json, "Target"));
    size_t prefix = strlen(TARGET_PREFIX);
    field->key = strdup(json->string);
    if (!field->key)
        return err_set(err, ERR_MEMORY, "out of memory");
    if (!target || strncmp(target, TARGET_PREFIX, prefix) != 0 || !target_exists(target + prefix))
        return err_set(err, "BadTarget", "the Target of %s is no place in a profile", field->key);
    field->target_name = strdup(target + prefix);
    if (!field->target_name)
        return err_set(err, ERR_MEMORY, "out of memory");
    if (!inferred->attribute_target_taken && strncmp(field->target_name, "Attributes.", 11) == 0)
        return err_set(err, "BadTarget", "the Target of %s is no place in a profile", field->key);
    field->type = content_type_of(json);
    bool is_information = strcmp(field->target_name, "AdditionalInformation") == 0;
    field->max_length = (size_t)(is_information ? inferred->max_information : inferred->max_value);
    if (!read_source(field, source ? source : "", err))
        return false;
    return inferred->macro_taken || (field->part_count == 1 && field->parts[0].is_column) ||
           err_set(err, "BadSource", "the Source of %s is no _source.Column", field->key);
}

/* Whether it is the field that a job's UniqueKey names. */
static bool is_key(const cJSON *field, const char *unique_key, const struct facts *inferred)
{
    if (inferred->unique_key_is_field)
        return strcmp(field->string, unique_key) == 0;
    const char *source = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(field, "Source"));
    return source && strncmp(source, SOURCE_PREFIX, strlen(SOURCE_PREFIX)) == 0 &&
           strcmp(source + strlen(SOURCE_PREFIX), unique_key) == 0;
}

struct ingest_plan *ingest_plan_new(const cJSON *fields, const char *unique_key, const struct facts *inferred, struct err *err)
{
    struct ingest_plan *plan = calloc(1, sizeof *plan);
    size_t count = (size_t)cJSON_GetArraySize(fields);
    const cJSON *json;
    bool has_key = false, ok = true;
    if (plan) {
        buf_init(&plan->scratch, (size_t)64 << 20);
        plan->inferred = inferred;
        plan->fields = calloc(count + 1, sizeof *plan->fields);
        plan->values = calloc(count + 1, sizeof *plan->values);
    }
    if (!plan || !plan->fields || !plan->values) {
        err_set(err, ERR_MEMORY, "out of memory");
        ingest_plan_free(plan);
        return NULL;
    }
    cJSON_ArrayForEach(json, fields) {
        if (is_key(json, unique_key, inferred)) {
            plan->key = plan->field_count;
            has_key = true;
        }
        ok = ok && read_field(&plan->fields[plan->field_count++], json, inferred, err);
    }
    if (ok && !has_key)
        ok = err_set(err, "BadUniqueKey", "the UniqueKey is none of the Fields");
    if (ok)
        return plan;
    ingest_plan_free(plan);
    return NULL;
}

void ingest_plan_free(struct ingest_plan *plan)
{
    if (!plan)
        return;
    for (size_t i = 0; plan->fields && i < plan->field_count; i++) {
        struct plan_field *field = &plan->fields[i];
        free(field->key);
        free(field->target_name);
        for (size_t k = 0; k < field->part_count; k++)
            free(field->parts[k].text);
    }
    free(plan->fields);
    free(plan->values);
    buf_free(&plan->scratch);
    free(plan);
}

/* ---- binding ---- */

static int by_target(const void *a, const void *b)
{
    return ((const struct plan_field *)a)->target - ((const struct plan_field *)b)->target;
}

static long find_column(const struct csv_row *header, const char *name)
{
    size_t len = strlen(name);
    for (size_t i = 0; i < header->count; i++) {
        struct csv_slice cell = csv_cell(header, i);
        if (cell.len == len && memcmp(cell.data, name, len) == 0)
            return (long)i;
    }
    return -1;
}

bool ingest_plan_bind(struct ingest_plan *plan, const struct csv_row *header, struct profiles *profiles, struct err *err)
{
    char *key = plan->fields[plan->key].key;
    for (size_t i = 0; i < plan->field_count; i++) {
        struct plan_field *field = &plan->fields[i];
        for (size_t k = 0; k < field->part_count; k++) {
            struct plan_part *part = &field->parts[k];
            if (!part->is_column)
                continue;
            /* Dots in header names are not supported on ingestion (documented). */
            part->column = strchr(part->text, '.') ? -1 : find_column(header, part->text);
            if (part->column < 0)
                return err_set(err, field->key == key ? ERR_MISSING_KEY : ERR_MISSING_COLUMN, "the column %s is not in the header", part->text);
        }
        field->target = profiles_target(profiles, field->target_name, err);
        if (field->target < 0)
            return false;
    }
    qsort(plan->fields, plan->field_count, sizeof *plan->fields, by_target);
    for (plan->key = 0; plan->fields[plan->key].key != key;)
        plan->key++;
    return true;
}

/* ---- applying ---- */

static size_t digits_at(const struct csv_slice *value, size_t at)
{
    size_t n = 0;
    while (at + n < value->len && isdigit((unsigned char)value->data[at + n]))
        n++;
    return n;
}

static bool sign_at(const struct csv_slice *value, size_t at)
{
    return at < value->len && (value->data[at] == '-' || value->data[at] == '+');
}

/* A decimal number: sign, digits with or without a point, exponent. */
static bool is_number(const struct csv_slice *value)
{
    size_t at = sign_at(value, 0), whole = digits_at(value, at), fraction = 0;
    at += whole;
    if (at < value->len && value->data[at] == '.') {
        fraction = digits_at(value, at + 1);
        at += 1 + fraction;
    }
    if (whole + fraction == 0)
        return false;
    if (at < value->len && (value->data[at] == 'e' || value->data[at] == 'E')) {
        at += 1 + (size_t)sign_at(value, at + 1);
        size_t exponent = digits_at(value, at);
        if (exponent == 0)
            return false;
        at += exponent;
    }
    return at == value->len;
}

static bool content_ok(const struct plan_field *field, const struct csv_slice *value, const struct facts *inferred)
{
    if (field->type == CONTENT_EMAIL)
        return !inferred->emails_checked || memchr(value->data, '@', value->len) != NULL;
    if (field->type == CONTENT_PHONE && inferred->phones_checked) {
        for (size_t i = 0; i < value->len; i++)
            if (isdigit((unsigned char)value->data[i]))
                return true;
        return false;
    }
    return field->type != CONTENT_NUMBER || !inferred->numbers_checked || is_number(value);
}

static const char *content_name(enum content_type type)
{
    return type == CONTENT_EMAIL ? "an e-mail address" : type == CONTENT_PHONE ? "a phone number" : "a number";
}

static bool check_value(const struct plan_field *field, const struct csv_slice *value, const struct facts *inferred,
                        struct plan_fault *fault)
{
    fault->reason[0] = '\0';
    if (inferred->nul_fails && memchr(value->data, '\0', value->len))
        snprintf(fault->reason, sizeof fault->reason, "holds a NUL byte");
    else if (value->len > field->max_length && utf8_length(value->data, value->len) > field->max_length)
        snprintf(fault->reason, sizeof fault->reason, "has %zu characters, at most %zu are allowed",
                 utf8_length(value->data, value->len), field->max_length);
    else if (!content_ok(field, value, inferred))
        snprintf(fault->reason, sizeof fault->reason, "is not %s", content_name(field->type));
    else if (inferred->enums_checked && !enum_allows(field->target_name, value))
        snprintf(fault->reason, sizeof fault->reason, "is no value that %s takes", field->target_name);
    return !fault->reason[0];
}

static struct csv_slice cell_of(const struct csv_row *row, long column)
{
    static const struct csv_slice empty = {"", 0};
    return (size_t)column < row->count ? csv_cell(row, (size_t)column) : empty;
}

/* The value of a field: the cell itself, or its parts put together in the scratch buffer (which was reserved). */
static struct csv_slice value_of(struct ingest_plan *plan, const struct plan_field *field, const struct csv_row *row)
{
    if (field->part_count == 1 && field->parts[0].is_column)
        return cell_of(row, field->parts[0].column);
    size_t start = plan->scratch.len;
    bool any = false;
    for (size_t k = 0; k < field->part_count; k++) {
        const struct plan_part *part = &field->parts[k];
        struct csv_slice piece = part->is_column ? cell_of(row, part->column) : (struct csv_slice){part->text, strlen(part->text)};
        any = any || (part->is_column && piece.len > 0);
        buf_add(&plan->scratch, piece.data, piece.len);
    }
    if (!any)
        plan->scratch.len = start; /* text around empty cells is no value */
    return (struct csv_slice){plan->scratch.data ? plan->scratch.data + start : "", plan->scratch.len - start};
}

/* All composed values of a row, so that the buffer does not move while slices point into it. */
static bool reserve_scratch(struct ingest_plan *plan, const struct csv_row *row)
{
    size_t need = 0;
    for (size_t i = 0; i < plan->field_count; i++)
        for (size_t k = 0; k < plan->fields[i].part_count; k++) {
            const struct plan_part *part = &plan->fields[i].parts[k];
            need += part->is_column ? cell_of(row, part->column).len : strlen(part->text);
        }
    buf_reset(&plan->scratch);
    return buf_reserve(&plan->scratch, need) != NULL;
}

static bool fault_at(struct plan_fault *fault, const struct plan_field *field, struct csv_slice value)
{
    for (size_t k = 0; field && k < field->part_count; k++) {
        if (!field->parts[k].is_column)
            continue;
        fault->column = field->parts[k].column + 1;
        fault->column_name = field->parts[k].text;
        break;
    }
    fault->value = value;
    return false;
}

bool ingest_plan_apply(struct ingest_plan *plan, const struct csv_row *row, size_t header_count, size_t *count,
                       struct csv_slice *key, struct plan_fault *fault)
{
    memset(fault, 0, sizeof *fault);
    fault->column_name = "";
    *count = 0;
    if ((plan->inferred->extra_cells_fail && row->count > header_count) ||
        (!plan->inferred->missing_cells_are_empty && row->count < header_count)) {
        snprintf(fault->reason, sizeof fault->reason, "has %zu cells, the header has %zu", row->count, header_count);
        return false;
    }
    if (!reserve_scratch(plan, row)) {
        snprintf(fault->reason, sizeof fault->reason, "is too large");
        return false;
    }
    for (size_t i = 0; i < plan->field_count; i++) {
        const struct plan_field *field = &plan->fields[i];
        struct csv_slice value = value_of(plan, field, row);
        if (i == plan->key)
            *key = value;
        if (value.len == 0 && plan->inferred->empty_cell_keeps)
            continue;
        if (value.len > 0 && !check_value(field, &value, plan->inferred, fault))
            return fault_at(fault, field, value);
        /* Of two fields with one target the later one wins. */
        if (*count > 0 && plan->values[*count - 1].target == field->target)
            --*count;
        plan->values[(*count)++] = (struct profile_value){field->target, value};
    }
    if (key->len > 0)
        return true;
    fault->no_key = true;
    snprintf(fault->reason, sizeof fault->reason, "the unique key is empty");
    return fault_at(fault, &plan->fields[plan->key], (struct csv_slice){"", 0});
}
