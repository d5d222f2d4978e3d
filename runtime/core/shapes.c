/* Values against shapes: shape_validate and operation_validate of operations.h. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/operations.h"
#include "core/pattern.h"
#include "core/utf8.h"

#define MAX_WHERE 300
#define MAX_SHOWN 60 /* characters of a value in an error */
#define SHOWN_SIZE (MAX_SHOWN * 4 + 8)
#define MAX_MEMBERS 64

/* Where in the parameters a value stands: a list from the innermost step, that lives on the C stack. */
struct place {
    const struct place *outer;
    const char *name; /* member or map key; NULL in a list */
    size_t index;     /* in a list, from 1 as in Lua */
    bool sensitive;   /* this or something around it is */
};

static void describe(const struct place *place, struct buf *out)
{
    if (place->outer)
        describe(place->outer, out);
    if (!place->name)
        buf_addf(out, "[%zu]", place->index);
    else
        buf_addf(out, "%s%.*s", out->len > 0 ? "." : "", (int)utf8_prefix(place->name, strlen(place->name), MAX_SHOWN),
                 place->name);
}

/* "Fields.email: " before the message; nothing at the outermost place. */
static bool PRINTF_LIKE(3, 4) refuse(const struct place *place, struct err *err, const char *format, ...)
{
    struct buf where;
    char message[500];
    va_list args;
    va_start(args, format);
    vsnprintf(message, sizeof message, format, args);
    va_end(args);
    buf_init(&where, MAX_WHERE);
    describe(place, &where);
    const char *text = where.data ? where.data : "";
    if (where.len == 0)
        err_set(err, ERR_VALIDATION, "%s", message);
    else
        err_set(err, ERR_VALIDATION, "%s%s%s", text, message[0] == ' ' ? "" : ": ", message);
    buf_free(&where);
    return false;
}

/* A mistake of the program that calls, not of a value: an unknown or missing member, a wrong type. */
static bool misuse(struct err *err)
{
    snprintf(err->code, sizeof err->code, "%s", ERR_USAGE);
    return false;
}

/* A text in quotes, shortened, on one line; "the value" where it must not be seen. */
static const char *shown(const struct place *place, bool sensitive, const char *text, char out[SHOWN_SIZE])
{
    size_t len = strlen(text), keep = utf8_prefix(text, len, MAX_SHOWN), at = 0;
    if (sensitive || place->sensitive)
        return "the value (not shown)";
    out[at++] = '"';
    for (size_t i = 0; i < keep; i++)
        out[at++] = (unsigned char)text[i] < 0x20 || text[i] == 0x7F ? '?' : text[i];
    strcpy(out + at, keep < len ? "…\"" : "\"");
    return out;
}

static const char *kind_name(const cJSON *value)
{
    if (cJSON_IsString(value))
        return "a string";
    if (cJSON_IsNumber(value))
        return "a number";
    if (cJSON_IsBool(value))
        return "a boolean";
    if (cJSON_IsArray(value))
        return "a list";
    if (cJSON_IsObject(value))
        return "an object";
    return "null";
}

static bool wrong_kind(const struct place *place, const char *wanted, const cJSON *value, struct err *err)
{
    return refuse(place, err, "must be %s, not %s", wanted, kind_name(value)) || misuse(err);
}

static bool check_count(const struct shape *shape, size_t count, const char *one, const char *many,
                        const struct place *place, struct err *err)
{
    if (shape->has_max && (double)count > shape->max)
        return refuse(place, err, "%zu %s, at most %.0f allowed", count, count == 1 ? one : many, shape->max);
    if (shape->has_min && (double)count < shape->min)
        return refuse(place, err, "%zu %s, at least %.0f required", count, count == 1 ? one : many, shape->min);
    return true;
}

static bool check_enum(const struct shape *shape, const char *text, const struct place *place, struct err *err)
{
    struct buf all;
    char quoted[SHOWN_SIZE];
    /* What is meant to be one word of a list says nothing of a person, unless the model says so of the list itself. */
    struct place here = *place;
    here.sensitive = shape->sensitive;
    buf_init(&all, 400);
    for (const char *const *value = shape->values; *value; value++) {
        if (strcmp(text, *value) == 0) {
            buf_free(&all);
            return true;
        }
        buf_addf(&all, "%s%s", all.len > 0 ? ", " : "", *value);
    }
    refuse(place, err, "%s is not one of %s", shown(&here, false, text, quoted), all.data ? all.data : "");
    buf_free(&all);
    return false;
}

static bool check_text(const struct shape *shape, const char *text, const struct place *place, struct err *err)
{
    char quoted[SHOWN_SIZE];
    size_t len = strlen(text), bad;
    if (!utf8_valid(text, len, &bad))
        return refuse(place, err, "is not UTF-8 (byte %zu)", bad + 1);
    if (shape->values)
        return check_enum(shape, text, place, err);
    if (!check_count(shape, utf8_length(text, len), "character", "characters", place, err))
        return false;
    if (shape->pattern && !pattern_matches(shape->pattern, text))
        return refuse(place, err, "%s does not match %s", shown(place, shape->sensitive, text, quoted), shape->pattern);
    return true;
}

static bool check_number(const struct shape *shape, const cJSON *value, const struct place *place, struct err *err)
{
    double number = value->valuedouble;
    bool hidden = shape->sensitive || place->sensitive;
    char text[40] = "the value (not shown)";
    if (!hidden)
        snprintf(text, sizeof text, "%.15g", number);
    if (!isfinite(number))
        return refuse(place, err, "must be a number that is finite");
    if (shape->kind == SHAPE_INTEGER && number != floor(number))
        return refuse(place, err, "%s is not a whole number", text);
    if (shape->has_max && number > shape->max)
        return refuse(place, err, "%s is above the maximum %.15g", text, shape->max);
    if (shape->has_min && number < shape->min)
        return refuse(place, err, "%s is below the minimum %.15g", text, shape->min);
    return true;
}

/* ---- what holds other values ---- */

static bool check(const struct shape *shape, const cJSON *value, const struct place *place, struct err *err);

static const struct member *find_member(const struct shape *shape, const char *name)
{
    for (const struct member *member = shape->members; member->name; member++)
        if (strcmp(member->name, name) == 0)
            return member;
    return NULL;
}

static bool unknown_member(const struct shape *shape, const char *name, const struct place *place, struct err *err)
{
    const char *names[MAX_MEMBERS + 1];
    size_t count = 0;
    char quoted[SHOWN_SIZE];
    struct buf known;
    struct place here = {.name = ""};
    buf_init(&known, 300);
    for (const struct member *member = shape->members; member->name && count < MAX_MEMBERS; member++) {
        names[count++] = member->name;
        buf_addf(&known, "%s%s", known.len > 0 ? ", " : "", member->name);
    }
    names[count] = NULL;
    const char *near = nearest_name(name, names);
    shown(&here, false, name, quoted);
    if (near)
        refuse(place, err, "unknown field %s (did you mean \"%s\"?)", quoted, near);
    else if (count == 0)
        refuse(place, err, "unknown field %s: there are no fields here", quoted);
    else
        refuse(place, err, "unknown field %s (there are %s%s)", quoted, known.data, known.failed ? ", …" : "");
    buf_free(&known);
    return misuse(err);
}

static bool is_given(const cJSON *object, const char *name)
{
    const cJSON *value = cJSON_GetObjectItemCaseSensitive(object, name);
    return value && !cJSON_IsNull(value);
}

static size_t given_count(const cJSON *object)
{
    const cJSON *child;
    size_t count = 0;
    cJSON_ArrayForEach(child, object)
        count += !cJSON_IsNull(child);
    return count;
}

/* Unknown fields first, then missing ones: a misspelt field is both, and its spelling is the better message. */
static bool check_structure(const struct shape *shape, const cJSON *value, const struct place *place, struct err *err)
{
    const cJSON *child;
    if (!cJSON_IsObject(value))
        return wrong_kind(place, "an object", value, err);
    cJSON_ArrayForEach(child, value) {
        if (!find_member(shape, child->string))
            return unknown_member(shape, child->string, place, err);
    }
    for (const struct member *member = shape->members; member->name; member++) {
        struct place inner = {place, member->name, 0, false};
        if (member->required && !is_given(value, member->name))
            return refuse(&inner, err, " is required") || misuse(err);
    }
    if (shape->is_union && given_count(value) != 1)
        return refuse(place, err, "exactly one of its fields must be given, not %zu", given_count(value)) || misuse(err);
    cJSON_ArrayForEach(child, value) {
        struct place inner = {place, child->string, 0, place->sensitive};
        if (!cJSON_IsNull(child) && !check(find_member(shape, child->string)->shape, child, &inner, err))
            return false;
    }
    return true;
}

static bool check_list(const struct shape *shape, const cJSON *value, const struct place *place, struct err *err)
{
    const cJSON *child;
    struct place inner = {place, NULL, 0, place->sensitive};
    if (!cJSON_IsArray(value))
        return wrong_kind(place, "a list", value, err);
    if (!check_count(shape, (size_t)cJSON_GetArraySize(value), "entry", "entries", place, err))
        return false;
    cJSON_ArrayForEach(child, value) {
        inner.index++;
        if (!check(shape->value, child, &inner, err))
            return false;
    }
    return true;
}

/* A key is a name that its owner chose, not a value: it is shown in a sensitive map too. */
static bool check_map(const struct shape *shape, const cJSON *value, const struct place *place, struct err *err)
{
    const cJSON *child;
    struct err inner_err;
    if (!cJSON_IsObject(value))
        return wrong_kind(place, "an object", value, err);
    if (!check_count(shape, (size_t)cJSON_GetArraySize(value), "entry", "entries", place, err))
        return false;
    cJSON_ArrayForEach(child, value) {
        struct place key = {.name = "key"};
        struct place inner = {place, child->string, 0, place->sensitive};
        err_clear(&inner_err);
        if (!check_text(shape->key, child->string, &key, &inner_err))
            return refuse(place, err, "%.400s", inner_err.message);
        if (!check(shape->value, child, &inner, err))
            return false;
    }
    return true;
}

static bool check(const struct shape *shape, const cJSON *value, const struct place *place, struct err *err)
{
    struct place here = *place;
    here.sensitive = place->sensitive || shape->sensitive;
    switch (shape->kind) {
    case SHAPE_STRUCTURE:
        return check_structure(shape, value, &here, err);
    case SHAPE_LIST:
        return check_list(shape, value, &here, err);
    case SHAPE_MAP:
        return check_map(shape, value, &here, err);
    case SHAPE_STRING:
    case SHAPE_BLOB:
        return cJSON_IsString(value) ? check_text(shape, value->valuestring, &here, err)
                                     : wrong_kind(&here, "a string", value, err);
    case SHAPE_INTEGER:
        return cJSON_IsNumber(value) ? check_number(shape, value, &here, err)
                                     : wrong_kind(&here, "a whole number", value, err);
    case SHAPE_DOUBLE:
        return cJSON_IsNumber(value) ? check_number(shape, value, &here, err)
                                     : wrong_kind(&here, "a number", value, err);
    case SHAPE_TIMESTAMP:
        return cJSON_IsNumber(value) ? check_number(shape, value, &here, err)
                                     : wrong_kind(&here, "a number (seconds since 1970)", value, err);
    case SHAPE_BOOLEAN:
        return cJSON_IsBool(value) || wrong_kind(&here, "true or false", value, err);
    }
    return err_set(err, ERR_INTERNAL, "the shape %s has no kind", shape->name);
}

bool shape_validate(const struct shape *shape, const cJSON *value, const char *where, struct err *err)
{
    struct place place = {.name = where ? where : ""};
    return check(shape, value, &place, err);
}

bool operation_validate(const struct operation *op, const cJSON *params, struct err *err)
{
    return shape_validate(op->input, params, "", err);
}
