/* The making of a plan of segment.h from SegmentGroups. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "local/fold.h"
#include "local/segment_private.h"

#define MOST_SEGMENTS 100 /* that one draws on, directly or through others */
#define MOST_DEEP 10
#define MOST_OF_WHERE 400

/* The segments that are being read: each for the one before it. */
struct reading {
    const struct reading *outer;
    const char *name;
    int depth;
};

struct reader {
    struct segment_plan *plan;
    const struct segment_source *source;
    struct err *err;
    char where[MOST_OF_WHERE]; /* the dimension that is being read, for errors */
};

static bool out_of_memory(struct reader *r)
{
    return err_set(r->err, ERR_MEMORY, "out of memory");
}

static bool refuse(struct reader *r, const char *what)
{
    err_set(r->err, "BadRequestException", "%s%s", r->where, what);
    r->err->status = 400;
    return false;
}

static bool not_evaluated(struct reader *r, const char *what)
{
    err_set(r->err, "NotImplementedException", "%s.%s is not evaluated by this embedded service.", r->where, what);
    r->err->status = 501;
    return false;
}

/* Appends a copy of `item`. */
static bool add(struct reader *r, struct list *list, const void *item, size_t size)
{
    if (list->count == list->room) {
        int room = list->room ? 2 * list->room : 8;
        void *grown = realloc(list->items, (size_t)room * size);
        if (!grown)
            return out_of_memory(r);
        list->items = grown;
        list->room = room;
    }
    memcpy((char *)list->items + (size_t)list->count++ * size, item, size);
    return true;
}

static const cJSON *given(const cJSON *object, const char *name)
{
    const cJSON *item = cJSON_GetObjectItemCaseSensitive(object, name);
    return cJSON_IsNull(item) ? NULL : item;
}

static enum include include_of(const cJSON *object, const char *name)
{
    const char *text = cJSON_GetStringValue(given(object, name));
    text = text ? text : FACT_DEFAULT_INCLUDE;
    return strcmp(text, "ANY") == 0 ? INCLUDE_ANY : strcmp(text, "NONE") == 0 ? INCLUDE_NONE : INCLUDE_ALL;
}

/* ---- conditions ---- */

static bool read_match(const char *type, enum match *match)
{
    static const char *const names[] = {"INCLUSIVE", "EXCLUSIVE", "CONTAINS", "BEGINS_WITH", "ENDS_WITH"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        if (strcmp(type, names[i]) == 0) {
            *match = (enum match)i;
            return true;
        }
    }
    return false;
}

static bool add_value(struct reader *r, const char *text)
{
    size_t len = strlen(text);
    char *copy = malloc(2 * len + 1); /* lower case may take more bytes */
    if (!copy)
        return out_of_memory(r);
    memcpy(copy, text, len + 1);
    if (!r->plan->inferred->segment_case_counts)
        len = fold_text(text, len, copy, 2 * len);
    const struct csv_slice value = {copy, len};
    if (add(r, &r->plan->values, &value, sizeof value))
        return true;
    free(copy);
    return false;
}

/* A profile without a type is of the usual one. */
static bool holds_when_absent(const struct segment_plan *plan, enum match match, const char *target, const cJSON *values)
{
    if (strcmp(target, "ProfileType") != 0)
        return match == MATCH_EXCLUSIVE && plan->inferred->exclusive_takes_absent;
    return (strcmp(cJSON_GetArrayItem(values, 0)->valuestring, FACT_DEFAULT_PROFILE_TYPE) == 0) == (match == MATCH_INCLUSIVE);
}

/* `outer` is the object that the attribute is in, NULL: the profile itself. */
static bool add_condition(struct reader *r, const char *outer, const cJSON *rule)
{
    struct condition condition = {.next = -1};
    const cJSON *values = given(rule, "Values"), *value;
    char target[600];
    snprintf(target, sizeof target, "%s%s%s", outer ? outer : "", outer ? "." : "", rule->string);
    if (!read_match(given(rule, "DimensionType")->valuestring, &condition.match)) {
        char what[700];
        snprintf(what, sizeof what, "%.500s of DimensionType %s", target, given(rule, "DimensionType")->valuestring);
        return not_evaluated(r, what);
    }
    condition.absent = holds_when_absent(r->plan, condition.match, target, values);
    condition.values.first = r->plan->values.count;
    cJSON_ArrayForEach(value, values) {
        if (!add_value(r, value->valuestring))
            return false;
        condition.values.count++;
    }
    condition.target = strdup(target);
    if (condition.target && add(r, &r->plan->conditions, &condition, sizeof condition))
        return true;
    free(condition.target);
    return out_of_memory(r);
}

static bool add_conditions(struct reader *r, const char *outer, const cJSON *rules)
{
    const cJSON *rule;
    cJSON_ArrayForEach(rule, rules) {
        if (!cJSON_IsNull(rule) && !add_condition(r, outer, rule))
            return false;
    }
    return true;
}

static bool read_attribute(struct reader *r, const cJSON *attribute)
{
    static const char *const objects[] = {"Address", "BillingAddress", "MailingAddress", "ShippingAddress", "Attributes"};
    if (strcmp(attribute->string, "BirthDate") == 0)
        return not_evaluated(r, "BirthDate");
    for (size_t i = 0; i < sizeof objects / sizeof *objects; i++)
        if (strcmp(attribute->string, objects[i]) == 0)
            return add_conditions(r, objects[i], attribute);
    return add_condition(r, NULL, attribute);
}

static bool read_dimension(struct reader *r, const cJSON *dimension)
{
    struct dimension made = {{r->plan->conditions.count, 0}};
    const cJSON *attribute;
    if (!given(dimension, "ProfileAttributes"))
        return not_evaluated(r, "CalculatedAttributes");
    strcat(r->where, ".ProfileAttributes");
    cJSON_ArrayForEach(attribute, given(dimension, "ProfileAttributes")) {
        if (!cJSON_IsNull(attribute) && !read_attribute(r, attribute))
            return false;
    }
    made.conditions.count = r->plan->conditions.count - made.conditions.first;
    if (made.conditions.count == 0)
        return refuse(r, " names no attribute.");
    return add(r, &r->plan->dimensions, &made, sizeof made);
}

/* ---- segments ---- */

static int read_segment(struct reader *r, const struct reading *outer, const char *name, const cJSON *groups);

static int find_segment(const struct segment_plan *plan, const char *name)
{
    for (int i = 0; i < plan->segments.count; i++)
        if (strcmp(SEGMENT_ITEM(plan->segments, struct segment, i)->name, name) == 0)
            return i;
    return -1;
}

static bool is_ring(const struct reading *reading, const char *name)
{
    for (; reading; reading = reading->outer)
        if (strcmp(reading->name, name) == 0)
            return true;
    return false;
}

/* Has the segment that another draws on in the plan. */
static bool need_segment(struct reader *r, const struct reading *reading, const char *name)
{
    char what[200];
    r->where[0] = '\0';
    if (!name)
        return refuse(r, "An entry of SourceSegments names no segment.");
    snprintf(what, sizeof what, "Segment %.64s draws on itself through its SourceSegments.", name);
    if (is_ring(reading, name))
        return refuse(r, what);
    if (find_segment(r->plan, name) >= 0)
        return true;
    if (reading->depth == MOST_DEEP || r->plan->segments.count == MOST_SEGMENTS) {
        snprintf(what, sizeof what, "SourceSegments lead to more than %d segments, or further than %d.", MOST_SEGMENTS, MOST_DEEP);
        return refuse(r, what);
    }
    cJSON *groups = r->source->find(r->source->arg, name, r->err);
    int made = groups ? read_segment(r, reading, name, groups) : -1;
    cJSON_Delete(groups);
    return made >= 0;
}

static bool need_sources(struct reader *r, const struct reading *reading, const cJSON *groups)
{
    const cJSON *group, *source;
    cJSON_ArrayForEach(group, given(groups, "Groups")) {
        cJSON_ArrayForEach(source, given(group, "SourceSegments")) {
            if (!need_segment(r, reading, cJSON_GetStringValue(given(source, "SegmentDefinitionName"))))
                return false;
        }
    }
    return true;
}

static bool read_group(struct reader *r, const cJSON *group, const char *root, int number)
{
    const cJSON *dimension, *source;
    struct group made = {include_of(group, "Type"), include_of(group, "SourceType"), {r->plan->dimensions.count, 0},
                         {r->plan->sources.count, 0}};
    cJSON_ArrayForEach(dimension, given(group, "Dimensions")) {
        snprintf(r->where, sizeof r->where, "%s.Groups[%d].Dimensions[%d]", root, number, ++made.dimensions.count);
        if (!read_dimension(r, dimension))
            return false;
    }
    cJSON_ArrayForEach(source, given(group, "SourceSegments")) {
        int at = find_segment(r->plan, given(source, "SegmentDefinitionName")->valuestring);
        made.sources.count++;
        if (!add(r, &r->plan->sources, &at, sizeof at))
            return false;
    }
    return add(r, &r->plan->groups, &made, sizeof made);
}

/* The number of the segment in the plan, behind those that it draws on; -1 with the error. */
static int read_segment(struct reader *r, const struct reading *outer, const char *name, const cJSON *groups)
{
    const struct reading reading = {outer, name, outer ? outer->depth + 1 : 0};
    struct segment made = {.include = include_of(groups, "Include")};
    const cJSON *group;
    if (!need_sources(r, &reading, groups))
        return -1;
    made.groups.first = r->plan->groups.count;
    cJSON_ArrayForEach(group, given(groups, "Groups")) {
        if (!read_group(r, group, name[0] ? "SegmentGroups" : "SegmentQuery", ++made.groups.count))
            return -1;
    }
    made.name = strdup(name);
    if (made.name && add(r, &r->plan->segments, &made, sizeof made))
        return r->plan->segments.count - 1;
    free(made.name);
    out_of_memory(r);
    return -1;
}

struct segment_plan *segment_plan_new(const char *name, const cJSON *groups, const struct facts *inferred,
                                      const struct segment_source *source, struct err *err)
{
    struct segment_plan *plan = calloc(1, sizeof *plan);
    struct reader reader = {plan, source, err, ""};
    if (!plan) {
        err_set(err, ERR_MEMORY, "out of memory");
        return NULL;
    }
    plan->inferred = inferred;
    if (read_segment(&reader, NULL, name ? name : "", groups) >= 0)
        return plan;
    segment_plan_free(plan);
    return NULL;
}
