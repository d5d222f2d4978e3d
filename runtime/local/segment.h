/* segment: which profiles a segment has. SegmentGroups are made into a plan, with those of the segments that it draws on, and the
 * plan is held against documents (document.h).
 *
 * What is inferred is in facts.inc and facts.h, and: an empty list of groups, dimensions or source segments asks nothing; a group
 * holds when its source segments and its dimensions do; the values of a condition are alternatives, of EXCLUSIVE none may stand.
 */
#ifndef UPJOB_LOCAL_SEGMENT_H
#define UPJOB_LOCAL_SEGMENT_H

#include <cjson/cJSON.h>
#include <stdbool.h>

#include "core/err.h"
#include "local/document.h"
#include "local/facts.h"

struct segment_plan;

/* The SegmentGroups of another segment, to be freed by the plan; NULL with *err when there is none of that name. */
struct segment_source {
    cJSON *(*find)(void *arg, const char *name, struct err *err);
    void *arg;
};

/* `groups` has been validated against the service model; NULL is a segment of all. `name`: of the segment that they are of, NULL
 * where it has none. NULL with *err, with its HTTP status: 400 for what says nothing, a source segment that is not there, and a
 * ring of them; 501 for what is not evaluated here, which is named. Values are in no error. */
struct segment_plan *segment_plan_new(const char *name, const cJSON *groups, const struct facts *inferred,
                                      const struct segment_source *source, struct err *err) MUST_CHECK;
void segment_plan_free(struct segment_plan *plan);
/* Finds the plan's attributes among the targets of a store: before it is held against the store's documents. False when memory is
 * out. */
bool segment_plan_bind(struct segment_plan *plan, const struct targets *targets) MUST_CHECK;
/* Whether the profile is a member. */
bool segment_plan_has(struct segment_plan *plan, const struct csv_slice *document);

#endif
