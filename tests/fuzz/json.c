/* JSON as text, and JSON as the input of an operation: what passes the check can be sent, and is found again
 * by its path. */
#include <math.h>

#include "core/json_text.h"
#include "core/operations.h"

#include "tests/fuzz/fuzz.h"

#define DEEPEST 8

static cJSON *make(const struct shape *shape, struct input *input, int depth);

static cJSON *make_text(const struct shape *shape, struct input *input)
{
    static const char *const texts[] = {
        "a", "a/b ?c", "2026", "é", "", "_source.A", "_profile.Attributes.a", "A%2F+b", ".", ".."};
    size_t count = 0;
    while (shape->values && shape->values[count])
        count++;
    unsigned pick = take_byte(input);
    if (count > 0 && pick < 240)
        return cJSON_CreateString(shape->values[pick % count]);
    if (pick < 128)
        return cJSON_CreateString(texts[pick % 10]);
    char text[128], *to = text;
    for (unsigned len = take_byte(input) % 100; len > 0; len--)
        *to++ = (char)take_byte(input);
    *to = '\0';
    return cJSON_CreateString(text);
}

static cJSON *make_number(const struct shape *shape, struct input *input)
{
    unsigned pick = take_byte(input);
    if (pick < 64 && shape->has_min)
        return cJSON_CreateNumber(shape->min);
    if (pick < 128 && shape->has_max)
        return cJSON_CreateNumber(shape->max);
    return cJSON_CreateNumber(pick < 200 ? pick : pick < 220 ? pick + 0.1 : pick * 1e300 * (pick - 235.0));
}

static cJSON *make_structure(const struct shape *shape, struct input *input, int depth)
{
    cJSON *object = cJSON_CreateObject();
    for (const struct member *member = shape->members; member->name; member++)
        if (take_byte(input) < (member->required ? 250 : 60) && depth < DEEPEST)
            cJSON_AddItemToObject(object, member->name, make(member->shape, input, depth + 1));
    return object;
}

/* Mostly something that is right for the shape. */
static cJSON *make(const struct shape *shape, struct input *input, int depth)
{
    unsigned pick = take_byte(input);
    if (pick > 250)
        return pick == 255 ? cJSON_CreateNull() : pick == 254 ? cJSON_CreateString("x") : cJSON_CreateArray();
    cJSON *value;
    switch (shape->kind) {
    case SHAPE_STRUCTURE:
        return make_structure(shape, input, depth);
    case SHAPE_LIST:
        value = cJSON_CreateArray();
        for (unsigned left = pick % 3; left > 0 && depth < DEEPEST; left--)
            cJSON_AddItemToArray(value, make(shape->value, input, depth + 1));
        return value;
    case SHAPE_MAP:
        value = cJSON_CreateObject();
        for (unsigned left = pick % 3; left > 0 && depth < DEEPEST; left--) {
            cJSON *key = make_text(shape->key, input);
            cJSON_AddItemToObject(value, key->valuestring, make(shape->value, input, depth + 1));
            cJSON_Delete(key);
        }
        return value;
    case SHAPE_INTEGER:
    case SHAPE_DOUBLE:
    case SHAPE_TIMESTAMP:
        return make_number(shape, input);
    case SHAPE_BOOLEAN:
        return cJSON_CreateBool(pick & 1);
    default:
        return make_text(shape, input);
    }
}

static void require_escaped(const struct buf *part)
{
    for (size_t i = 0; i < part->len; i++)
        REQUIRE(part->data[i] > ' ' && part->data[i] <= '~', "the byte %d is in %s", part->data[i],
                part->data);
}

/* To the last bit of its numbers. */
static void require_same(const cJSON *one, const cJSON *other, const char *text)
{
    for (; one && other; one = one->next, other = other->next) {
        if (cJSON_IsNumber(one) && isfinite(one->valuedouble))
            REQUIRE(one->valuedouble == other->valuedouble, "%.17g becomes %.17g in %s", one->valuedouble,
                    other->valuedouble, text);
        if (cJSON_IsString(one))
            REQUIRE(strcmp(one->valuestring, other->valuestring) == 0, "\"%s\" becomes \"%s\" in %s",
                    one->valuestring, other->valuestring, text);
        require_same(one->child, other->child, text);
    }
    REQUIRE(!one && !other, "something is missing in %s", text);
}

static void check_text(const cJSON *tree)
{
    for (int pretty = 0; pretty < 2; pretty++) {
        char *text = json_text(tree, pretty);
        cJSON *again = text ? cJSON_Parse(text) : NULL;
        char *twice = again ? json_text(again, pretty) : NULL;
        REQUIRE(twice && strcmp(text, twice) == 0, "%s becomes %s", text, twice);
        require_same(tree, again, text);
        cJSON_Delete(again);
        cJSON_free(text);
        cJSON_free(twice);
    }
}

static void check_built(const struct operation *op, const struct operation_request *request)
{
    cJSON *params = cJSON_CreateObject();
    require_escaped(&request->path);
    require_escaped(&request->query);
    REQUIRE(request->path.len > 0 && request->path.data[0] == '/' && !strchr(request->path.data, '?'), "%s",
            request->path.data);
    REQUIRE(operation_route(op->method, request->path.data, params), "%s %s is not found again as %s",
            op->method, request->path.data, op->name);
    cJSON_Delete(params);
    if (!request->has_body)
        return;
    cJSON *body = cJSON_ParseWithLength(request->body.data, request->body.len);
    REQUIRE(cJSON_IsObject(body), "%s: %s", op->name, request->body.data);
    cJSON_Delete(body);
}

static void check_operation(const struct operation *op, const cJSON *params)
{
    struct operation_request request;
    struct err err;
    err_clear(&err);
    memset(&request, 0, sizeof request);
    if (!operation_validate(op, params, &err)) {
        require_told(&err);
        REQUIRE(err_is(&err, ERR_USAGE) || err_is(&err, ERR_VALIDATION), "%s: %s", err.code, err.message);
        return;
    }
    if (operation_build(op, params, &request, &err))
        check_built(op, &request);
    else
        require_told(&err);
    operation_request_free(&request);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct input input = {data, size};
    size_t count;
    const struct operation *all = operation_all(&count);
    unsigned kind = take_byte(&input), which = take_byte(&input);
    const struct operation *op = all + which % count;
    cJSON *tree =
        kind & 1 ? make(op->input, &input, 0) : cJSON_ParseWithLength((const char *)input.data, input.len);
    if (tree && !(kind & 1))
        check_text(tree);
    if (cJSON_IsObject(tree))
        check_operation(op, tree);
    cJSON_Delete(tree);
    return 0;
}
