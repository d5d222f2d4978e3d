/* profiles_segments: a segment's members in the profile store of a domain. Each call has a connection of its own. */
#ifndef UPJOB_LOCAL_PROFILES_SEGMENTS_H
#define UPJOB_LOCAL_PROFILES_SEGMENTS_H

#include "local/profiles.h"
#include "local/segment.h"

/* How far a count has come. */
struct segment_count {
    int64_t after;   /* the number of the last profile that was looked at */
    int64_t members;
    bool done;
};
/* Goes on counting for about `seconds`; a profile that has expired by `now` is no member. */
bool profiles_count(const char *data_dir, int64_t domain_id, struct segment_plan *plan, double now, double seconds,
                    struct segment_count *count, struct err *err) MUST_CHECK;

/* Profiles and Failures of a GetSegmentMembership reply, in the order of `ids` (ProfileIds, validated). */
bool profiles_membership(const char *data_dir, int64_t domain_id, struct segment_plan *plan, const cJSON *ids, double now,
                         cJSON *reply, struct err *err) MUST_CHECK;

#endif
