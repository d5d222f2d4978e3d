/* segment_private: what the making of a plan (segment_plan.c) and its use (segment.c) share. */
#ifndef UPJOB_LOCAL_SEGMENT_PRIVATE_H
#define UPJOB_LOCAL_SEGMENT_PRIVATE_H

#include "local/segment.h"

enum match { MATCH_INCLUSIVE, MATCH_EXCLUSIVE, MATCH_CONTAINS, MATCH_BEGINS, MATCH_ENDS };
enum include { INCLUDE_ALL, INCLUDE_ANY, INCLUDE_NONE };

/* A stretch of one of the plan's arrays. */
struct stretch {
    int first, count;
};

/* One attribute: "FirstName", "Address.City", "Attributes.tier". */
struct condition {
    char *target;
    enum match match;
    struct stretch values; /* in plan->values */
    bool absent;           /* what it says of a profile without a value */
    bool holds;            /* of the document that is being looked at */
    int next;              /* the next condition on the same target; -1: none */
};

struct dimension {
    struct stretch conditions;
};

struct group {
    enum include type, source_type;
    struct stretch dimensions, sources; /* sources: in plan->sources */
};

/* In plan->segments what a segment draws on stands before it; the last is the one that is asked for. */
struct segment {
    char *name; /* "" where it has none */
    enum include include;
    struct stretch groups;
    bool holds;
};

struct list {
    void *items;
    int count, room;
};

struct segment_plan {
    const struct facts *inferred;
    struct list conditions, dimensions, groups, segments, sources /* int: of segments */, values /* struct csv_slice */;
    int *by_target;    /* first condition on each target; -1: none */
    int target_count;
};

#define SEGMENT_ITEM(list, type, at) (&((type *)(list).items)[at])

#endif
