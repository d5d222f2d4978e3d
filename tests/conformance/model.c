/* model: writes the table of operations as a service model in botocore's form, for the peers that are driven
 * by one.
 *
 *     model DIRECTORY
 *
 * writes service-2.json and paginators-1.json into it. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/operations.h"

/* The errors that the API documents. Every operation may answer with any of them. */
static const struct {
    const char *name;
    int status;
} errors[] = {
    {"BadRequestException", 400}, {"AccessDeniedException", 403},   {"ResourceNotFoundException", 404},
    {"ThrottlingException", 429}, {"InternalServerException", 500},
};
#define ERROR_COUNT (sizeof errors / sizeof *errors)

static cJSON *reference(const struct shape *shape)
{
    cJSON *out = cJSON_CreateObject();
    cJSON_AddStringToObject(out, "shape", shape->name);
    return out;
}

static const char *type_name(enum shape_kind kind)
{
    static const char *const names[] = {
        [SHAPE_STRUCTURE] = "structure", [SHAPE_LIST] = "list",           [SHAPE_MAP] = "map",
        [SHAPE_STRING] = "string",       [SHAPE_INTEGER] = "long",        [SHAPE_DOUBLE] = "double",
        [SHAPE_BOOLEAN] = "boolean",     [SHAPE_TIMESTAMP] = "timestamp", [SHAPE_BLOB] = "blob",
    };
    return names[kind];
}

static void add_member(const struct member *member, cJSON *members, cJSON *required)
{
    static const char *const locations[] = {
        [IN_PATH] = "uri", [IN_QUERY] = "querystring", [IN_STATUS] = "statusCode"};
    cJSON *out = reference(member->shape);
    if (member->location != IN_BODY) {
        cJSON_AddStringToObject(out, "location", locations[member->location]);
        if (member->location != IN_STATUS)
            cJSON_AddStringToObject(out, "locationName",
                                    member->wire_name ? member->wire_name : member->name);
    }
    cJSON_AddItemToObject(members, member->name, out);
    if (member->required)
        cJSON_AddItemToArray(required, cJSON_CreateString(member->name));
}

static void add_shape(cJSON *shapes, const struct shape *shape);

static void add_members(cJSON *shapes, const struct shape *shape, cJSON *out)
{
    cJSON *members = cJSON_AddObjectToObject(out, "members");
    cJSON *required = cJSON_AddArrayToObject(out, "required");
    for (const struct member *member = shape->members; member->name; member++) {
        add_member(member, members, required);
        add_shape(shapes, member->shape);
    }
    if (shape->is_union)
        cJSON_AddTrueToObject(out, "union");
}

static void add_limits(const struct shape *shape, cJSON *out)
{
    if (shape->has_min)
        cJSON_AddNumberToObject(out, "min", shape->min);
    if (shape->has_max)
        cJSON_AddNumberToObject(out, "max", shape->max);
    if (shape->pattern)
        cJSON_AddStringToObject(out, "pattern", shape->pattern);
    if (shape->sensitive)
        cJSON_AddTrueToObject(out, "sensitive");
    cJSON *values = shape->values ? cJSON_AddArrayToObject(out, "enum") : NULL;
    for (const char *const *value = shape->values; value && *value; value++)
        cJSON_AddItemToArray(values, cJSON_CreateString(*value));
}

/* A shape with all that it is made of, once. */
static void add_shape(cJSON *shapes, const struct shape *shape)
{
    if (cJSON_GetObjectItemCaseSensitive(shapes, shape->name))
        return;
    cJSON *out = cJSON_AddObjectToObject(shapes, shape->name);
    cJSON_AddStringToObject(out, "type", type_name(shape->kind));
    add_limits(shape, out);
    if (shape->kind == SHAPE_STRUCTURE) {
        add_members(shapes, shape, out);
    } else if (shape->kind == SHAPE_LIST) {
        cJSON_AddItemToObject(out, "member", reference(shape->value));
        add_shape(shapes, shape->value);
    } else if (shape->kind == SHAPE_MAP) {
        cJSON_AddItemToObject(out, "key", reference(shape->key));
        cJSON_AddItemToObject(out, "value", reference(shape->value));
        add_shape(shapes, shape->key);
        add_shape(shapes, shape->value);
    }
}

static void add_errors(cJSON *shapes)
{
    cJSON *message = cJSON_AddObjectToObject(shapes, "ErrorMessage");
    cJSON_AddStringToObject(message, "type", "string");
    for (size_t i = 0; i < ERROR_COUNT; i++) {
        cJSON *out = cJSON_AddObjectToObject(shapes, errors[i].name);
        cJSON_AddStringToObject(out, "type", "structure");
        cJSON_AddTrueToObject(out, "exception");
        cJSON_AddNumberToObject(cJSON_AddObjectToObject(out, "error"), "httpStatusCode", errors[i].status);
        cJSON *members = cJSON_AddObjectToObject(out, "members");
        cJSON_AddStringToObject(cJSON_AddObjectToObject(members, "Message"), "shape", "ErrorMessage");
    }
}

static void add_operation(cJSON *operations, const struct operation *op)
{
    cJSON *out = cJSON_AddObjectToObject(operations, op->name);
    cJSON_AddStringToObject(out, "name", op->name);
    cJSON *http = cJSON_AddObjectToObject(out, "http");
    cJSON_AddStringToObject(http, "method", op->method);
    cJSON_AddStringToObject(http, "requestUri", op->path);
    cJSON_AddItemToObject(out, "input", reference(op->input));
    cJSON_AddItemToObject(out, "output", reference(op->output));
    cJSON *list = cJSON_AddArrayToObject(out, "errors");
    for (size_t i = 0; i < ERROR_COUNT; i++) {
        cJSON *error = cJSON_CreateObject();
        cJSON_AddStringToObject(error, "shape", errors[i].name);
        cJSON_AddItemToArray(list, error);
    }
}

static void add_metadata(cJSON *model)
{
    static const char *const facts[][2] = {
        {"apiVersion", "2020-08-15"},
        {"endpointPrefix", "profile"},
        {"jsonVersion", "1.1"},
        {"protocol", "rest-json"},
        {"serviceAbbreviation", "Customer Profiles"},
        {"serviceFullName", "Amazon Connect Customer Profiles"},
        {"serviceId", "Customer Profiles"},
        {"signatureVersion", "v4"},
        {"signingName", "profile"},
        {"uid", "customer-profiles-2020-08-15"},
    };
    cJSON *out = cJSON_AddObjectToObject(model, "metadata");
    for (size_t i = 0; i < sizeof facts / sizeof *facts; i++)
        cJSON_AddStringToObject(out, facts[i][0], facts[i][1]);
}

static cJSON *make_model(void)
{
    size_t count;
    const struct operation *all = operation_all(&count);
    cJSON *model = cJSON_CreateObject();
    cJSON_AddStringToObject(model, "version", "2.0");
    add_metadata(model);
    cJSON *operations = cJSON_AddObjectToObject(model, "operations");
    cJSON *shapes = cJSON_AddObjectToObject(model, "shapes");
    for (size_t i = 0; i < count; i++) {
        add_operation(operations, &all[i]);
        add_shape(shapes, all[i].input);
        add_shape(shapes, all[i].output);
    }
    add_errors(shapes);
    return model;
}

static cJSON *make_paginators(void)
{
    size_t count;
    const struct operation *all = operation_all(&count);
    cJSON *out = cJSON_CreateObject();
    cJSON *pagination = cJSON_AddObjectToObject(out, "pagination");
    for (size_t i = 0; i < count; i++) {
        if (!all[i].items)
            continue;
        cJSON *one = cJSON_AddObjectToObject(pagination, all[i].name);
        cJSON_AddStringToObject(one, "input_token", "NextToken");
        cJSON_AddStringToObject(one, "output_token", "NextToken");
        cJSON_AddStringToObject(one, "limit_key", "MaxResults");
        cJSON_AddStringToObject(one, "result_key", all[i].items);
    }
    return out;
}

/* Writes `tree`, which is freed, to a file; false with a message. */
static bool write_file(const char *directory, const char *name, cJSON *tree)
{
    char path[4096];
    char *text = cJSON_Print(tree);
    snprintf(path, sizeof path, "%s/%s", directory, name);
    FILE *file = text ? fopen(path, "w") : NULL;
    bool ok = file && fprintf(file, "%s\n", text) > 0;
    if (file && fclose(file) != 0)
        ok = false;
    if (!ok)
        fprintf(stderr, "model: %s cannot be written: %s\n", path, strerror(errno));
    cJSON_free(text);
    cJSON_Delete(tree);
    return ok;
}

int main(int argc, char **argv)
{
    if (argc != 2) {
        fputs("usage: model DIRECTORY\n", stderr);
        return 2;
    }
    bool ok = write_file(argv[1], "service-2.json", make_model()) &&
              write_file(argv[1], "paginators-1.json", make_paginators());
    return ok ? 0 : 1;
}
