/* A plan held against documents: segment.h. Its making is in segment_plan.c. */
#include <stdlib.h>
#include <string.h>

#include "local/fold.h"
#include "local/segment_private.h"

#define MOST_FOLDED 4096 /* bytes of a value: 1000 characters */

bool segment_plan_bind(struct segment_plan *plan, const struct targets *targets)
{
    free(plan->by_target);
    plan->target_count = targets->count;
    plan->by_target = malloc(((size_t)targets->count + 1) * sizeof *plan->by_target);
    if (!plan->by_target)
        return false;
    for (int target = 0; target < targets->count; target++) {
        int *last = &plan->by_target[target];
        for (int i = 0; targets->names[target] && i < plan->conditions.count; i++) {
            struct condition *condition = SEGMENT_ITEM(plan->conditions, struct condition, i);
            if (strcmp(condition->target, targets->names[target]) != 0)
                continue;
            *last = i;
            last = &condition->next;
        }
        *last = -1;
    }
    return true;
}

static bool matches(enum match match, const char *text, size_t len, const struct csv_slice *value)
{
    switch (match) {
    case MATCH_INCLUSIVE:
    case MATCH_EXCLUSIVE:
        return len == value->len && memcmp(text, value->data, len) == 0;
    case MATCH_CONTAINS:
        return memmem(text, len, value->data, value->len) != NULL;
    case MATCH_BEGINS:
        return len >= value->len && memcmp(text, value->data, value->len) == 0;
    case MATCH_ENDS:
        return len >= value->len && memcmp(text + len - value->len, value->data, value->len) == 0;
    }
    return false;
}

static bool condition_holds(const struct segment_plan *plan, const struct condition *condition, const struct csv_slice *stored)
{
    char folded[MOST_FOLDED];
    const char *text = stored->data;
    size_t len = stored->len;
    bool found = false;
    if (!plan->inferred->segment_case_counts) {
        len = fold_text(text, len, folded, sizeof folded);
        text = folded;
    }
    for (int i = 0; !found && i < condition->values.count; i++)
        found = matches(condition->match, text, len, SEGMENT_ITEM(plan->values, struct csv_slice, condition->values.first + i));
    return found != (condition->match == MATCH_EXCLUSIVE);
}

static void look_at(struct segment_plan *plan, const struct csv_slice *document)
{
    struct document_entry entry;
    size_t at = 0;
    for (int i = 0; i < plan->conditions.count; i++) {
        struct condition *condition = SEGMENT_ITEM(plan->conditions, struct condition, i);
        condition->holds = condition->absent;
    }
    while (document_next(document, &at, &entry)) {
        int i = entry.target >= 0 && entry.target < plan->target_count && entry.value.len > 0 ? plan->by_target[entry.target] : -1;
        while (i >= 0) {
            struct condition *condition = SEGMENT_ITEM(plan->conditions, struct condition, i);
            condition->holds = condition_holds(plan, condition, &entry.value);
            i = condition->next;
        }
    }
}

/* What `held` of `count` come to; nothing that is asked holds. */
static bool come_to(enum include include, int held, int count)
{
    if (count == 0 || include == INCLUDE_ALL)
        return held == count;
    return include == INCLUDE_ANY ? held > 0 : held == 0;
}

static bool dimension_holds(const struct segment_plan *plan, const struct dimension *dimension)
{
    int held = 0;
    for (int i = 0; i < dimension->conditions.count; i++)
        held += SEGMENT_ITEM(plan->conditions, struct condition, dimension->conditions.first + i)->holds;
    return come_to(plan->inferred->segment_attributes_all ? INCLUDE_ALL : INCLUDE_ANY, held, dimension->conditions.count);
}

static bool group_holds(const struct segment_plan *plan, const struct group *group)
{
    int in_sources = 0, held = 0;
    for (int i = 0; i < group->sources.count; i++) {
        int source = *SEGMENT_ITEM(plan->sources, int, group->sources.first + i);
        in_sources += SEGMENT_ITEM(plan->segments, struct segment, source)->holds;
    }
    for (int i = 0; i < group->dimensions.count; i++)
        held += dimension_holds(plan, SEGMENT_ITEM(plan->dimensions, struct dimension, group->dimensions.first + i));
    return come_to(group->source_type, in_sources, group->sources.count) && come_to(group->type, held, group->dimensions.count);
}

bool segment_plan_has(struct segment_plan *plan, const struct csv_slice *document)
{
    struct segment *segment = NULL;
    look_at(plan, document);
    for (int s = 0; s < plan->segments.count; s++) {
        int held = 0;
        segment = SEGMENT_ITEM(plan->segments, struct segment, s);
        for (int i = 0; i < segment->groups.count; i++)
            held += group_holds(plan, SEGMENT_ITEM(plan->groups, struct group, segment->groups.first + i));
        segment->holds = come_to(segment->include, held, segment->groups.count);
    }
    return segment && segment->holds;
}

static void free_list(struct list *list)
{
    free(list->items);
    *list = (struct list){NULL, 0, 0};
}

void segment_plan_free(struct segment_plan *plan)
{
    if (!plan)
        return;
    for (int i = 0; i < plan->conditions.count; i++)
        free(SEGMENT_ITEM(plan->conditions, struct condition, i)->target);
    for (int i = 0; i < plan->values.count; i++)
        free((char *)SEGMENT_ITEM(plan->values, struct csv_slice, i)->data);
    for (int i = 0; i < plan->segments.count; i++)
        free(SEGMENT_ITEM(plan->segments, struct segment, i)->name);
    struct list *lists[] = {&plan->conditions, &plan->dimensions, &plan->groups, &plan->segments, &plan->sources, &plan->values};
    for (size_t i = 0; i < sizeof lists / sizeof *lists; i++)
        free_list(lists[i]);
    free(plan->by_target);
    free(plan);
}
