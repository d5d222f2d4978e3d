/* state_segments_private: what state_segments.c and state_estimates.c share. */
#ifndef UPJOB_LOCAL_STATE_SEGMENTS_PRIVATE_H
#define UPJOB_LOCAL_STATE_SEGMENTS_PRIVATE_H

#include "local/segment.h"
#include "local/state_private.h"

/* The plan of SegmentGroups over the definitions of a domain; `name` NULL: of a query. */
struct segment_plan *state_plan(struct state *s, int64_t domain_id, const char *name, const cJSON *groups, struct err *err) MUST_CHECK;
/* Refuses a request that has a SegmentSqlQuery, or not the member `groups`. */
bool state_takes_query(const cJSON *params, const char *groups, struct err *err) MUST_CHECK;

#endif
