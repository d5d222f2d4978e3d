/* state_segments: segment definitions and estimates, in the store of state.h, whose rules hold here too. */
#ifndef UPJOB_LOCAL_STATE_SEGMENTS_H
#define UPJOB_LOCAL_STATE_SEGMENTS_H

#include "local/names.h"
#include "local/segment.h"
#include "local/state.h"

/* Replies have no SegmentDefinitionArn, which is the caller's region's. */
bool state_create_segment(struct state *s, const cJSON *params, double now, cJSON **reply, struct err *err) MUST_CHECK;
bool state_get_segment(struct state *s, const char *domain, const char *name, cJSON **reply, struct err *err) MUST_CHECK;
/* In the order of their names. */
bool state_list_segments(struct state *s, const char *domain, long max_results, const char *next_token, cJSON **reply,
                         struct err *err) MUST_CHECK;
bool state_delete_segment(struct state *s, const char *domain, const char *name, cJSON **reply, struct err *err) MUST_CHECK;
/* The plan of a definition, and the number of its domain. The plan is the caller's. */
bool state_segment_plan(struct state *s, const char *domain, const char *name, int64_t *domain_id, struct segment_plan **plan,
                        struct err *err) MUST_CHECK;

/* An estimate that is to be made. */
struct estimate_task {
    char id[NAME_SIZE];
    int64_t domain_id;
    struct segment_plan *plan; /* the caller's */
};
/* Writes a new one down as RUNNING; the earliest of its domain are forgotten when there are too many. */
bool state_create_estimate(struct state *s, const cJSON *params, struct estimate_task *task, cJSON **reply, struct err *err) MUST_CHECK;
bool state_get_estimate(struct state *s, const char *domain, const char *id, cJSON **reply, struct err *err) MUST_CHECK;
/* SUCCEEDED with the members, or FAILED with a message (NULL: it did not). One that was forgotten meanwhile stays so. */
bool state_end_estimate(struct state *s, const char *id, int64_t members, const char *message, struct err *err) MUST_CHECK;
/* The next RUNNING one after *number (from 0 on), which becomes its own; false, without an error, when there is none. One that can
 * no longer be made is ended as FAILED and passed over. */
bool state_next_estimate(struct state *s, int64_t *number, struct estimate_task *task, struct err *err) MUST_CHECK;

#endif
