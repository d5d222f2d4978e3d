/* api_rate: how many calls of an operation a client sends in a second, so that many jobs of one script do not throttle each
 * other. Each operation has a pace of its own: a rate that it never exceeds (or none), cut when the service throttles and
 * regained along a cubic curve, as the SDKs' retry mode "adaptive" does it. The clock is an argument.
 */
#ifndef UPJOB_CORE_API_RATE_H
#define UPJOB_CORE_API_RATE_H

#include <stdbool.h>

/* Calls in a second of CreateUploadJob, StartUploadJob and StopUploadJob, and of the three that read. Inferred: none of the six is
 * in the public table of quotas; these are the values of comparable operations. */
#define API_RATE_WRITE 1.0
#define API_RATE_READ 5.0

/* One per operation and client, in place; zero it first. Times are monotonic seconds. */
struct api_rate {
    double most;         /* calls in a second that it never exceeds; 0: none */
    double rate;         /* at present; 0: not limited */
    double next;         /* when the next call is due, were they sent evenly */
    double before_cut;   /* the rate at the last cut */
    double cut_at;       /* when that was */
    double measured;     /* calls in a second, of late */
    double counted_from; /* since when `counted` counts */
    double counted;
    bool was_cut;
};

/* The rate of an operation unless told otherwise; 0 for none. */
double api_rate_default(const char *operation);
/* `most` in calls a second, 0 for no limit. */
void api_rate_init(struct api_rate *pace, double most);
/* Seconds until a call may be sent; 0: now. */
double api_rate_wait(const struct api_rate *pace, double now);
/* A call is sent. */
void api_rate_take(struct api_rate *pace, double now);
/* The service throttled a call that was sent at `sent`. Those sent before the last cut do not count: that cut was for them too. */
void api_rate_throttled(struct api_rate *pace, double sent, double now);
/* The service answered. */
void api_rate_answered(struct api_rate *pace, double now);

#endif
