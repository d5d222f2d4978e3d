/* The plan of a check: copies of its texts. */
#include <stdlib.h>
#include <string.h>

#include "core/check_private.h"

char *check_copy_text(const char *text, bool *failed)
{
    char *copy = text ? strdup(text) : NULL;
    *failed = *failed || (text && !copy);
    return copy;
}

static void free_texts(const char *const *texts)
{
    for (const char *const *text = texts; text && *text; text++)
        free((char *)(uintptr_t)*text);
    free((void *)(uintptr_t)texts);
}

static const char *const *copy_texts(const char *const *texts, bool *failed)
{
    size_t count = 0;
    while (texts && texts[count])
        count++;
    char **copies = texts ? calloc(count + 1, sizeof *copies) : NULL;
    *failed = *failed || (texts && !copies);
    for (size_t i = 0; copies && i < count; i++) {
        copies[i] = check_copy_text(texts[i], failed);
        if (!copies[i])
            break;
    }
    return (const char *const *)copies;
}

static void free_dates(struct check_plan *plan)
{
    for (size_t i = 0; plan->dates && i < plan->date_count; i++)
        free_texts(plan->dates[i].formats);
    free((void *)(uintptr_t)plan->dates);
}

static void copy_dates(struct check_plan *plan, const struct check_plan *given, bool *failed)
{
    struct check_dates *dates = given->date_count > 0 ? calloc(given->date_count, sizeof *dates) : NULL;
    *failed = *failed || (given->date_count > 0 && !dates);
    plan->dates = dates;
    plan->date_count = dates ? given->date_count : 0;
    for (size_t i = 0; i < plan->date_count; i++)
        dates[i] = (struct check_dates){given->dates[i].field, copy_texts(given->dates[i].formats, failed)};
}

void check_free_plan(struct check_plan *plan)
{
    free((char *)(uintptr_t)plan->rejects_path);
    free((char *)(uintptr_t)plan->problems_path);
    free((char *)(uintptr_t)plan->split.salt);
    free((void *)(uintptr_t)plan->split.ranges);
    free_texts(plan->skipped);
    free_dates(plan);
    changes_free(plan->changes);
    rowset_free(plan->select);
    *plan = (struct check_plan){0};
}

static void copy_split(struct check_split_plan *split, bool *failed)
{
    size_t size = split->range_count * sizeof *split->ranges;
    struct split_range *ranges = split->ranges ? malloc(size) : NULL;
    *failed = *failed || (split->ranges && !ranges);
    if (ranges)
        memcpy(ranges, split->ranges, size);
    split->salt = check_copy_text(split->salt, failed);
    split->ranges = ranges;
}

bool check_set_plan(struct check *check, const struct check_plan *given, struct err *err)
{
    bool failed = false;
    check_free_plan(&check->plan);
    check->plan = *given;
    check->plan.rejects_path = check_copy_text(given->rejects_path, &failed);
    check->plan.problems_path = check_copy_text(given->problems_path, &failed);
    check->plan.skipped = copy_texts(given->skipped, &failed);
    copy_dates(&check->plan, given, &failed);
    copy_split(&check->plan.split, &failed);
    check->plan.changes = given->changes ? changes_hold(given->changes) : NULL;
    check->plan.no_digest = given->no_digest || given->changes;
    check->plan.select = given->select ? rowset_hold(given->select) : NULL;
    return !failed || err_set(err, ERR_MEMORY, "no memory for a check");
}
