#include "core/api_rate.h"

#include <math.h>
#include <string.h>

#define KEPT 0.7          /* of the rate, at a cut */
#define SCALE 0.4         /* of the cubic curve */
#define LEAST_RATE 0.5    /* calls in a second, however much is throttled */
#define MEASURED_OVER 0.5 /* seconds of one measure */
#define SMOOTHING 0.8     /* the weight of the latest one */
#define NO_WAIT 1e-6      /* seconds: what is less is the error of sums */
#define AHEAD 2.0         /* without a limit, this many times what is sent */

double api_rate_default(const char *operation)
{
    static const struct {
        const char *operation;
        double most;
    } rates[] = {
        {"CreateUploadJob", API_RATE_WRITE}, {"StartUploadJob", API_RATE_WRITE}, {"StopUploadJob", API_RATE_WRITE},
        {"GetUploadJob", API_RATE_READ},     {"ListUploadJobs", API_RATE_READ},  {"GetUploadJobPath", API_RATE_READ},
        {"CreateSegmentDefinition", API_RATE_WRITE}, {"DeleteSegmentDefinition", API_RATE_WRITE},
        {"CreateSegmentEstimate", API_RATE_WRITE},   {"GetSegmentDefinition", API_RATE_READ},
        {"ListSegmentDefinitions", API_RATE_READ},   {"GetSegmentEstimate", API_RATE_READ},
        {"GetSegmentMembership", API_RATE_READ},
    };
    for (size_t i = 0; i < sizeof rates / sizeof *rates; i++)
        if (strcmp(rates[i].operation, operation) == 0)
            return rates[i].most;
    return 0;
}

void api_rate_init(struct api_rate *pace, double most)
{
    *pace = (struct api_rate){.most = most, .rate = most};
}

static void measure(struct api_rate *pace, double now)
{
    pace->counted++;
    if (pace->counted_from == 0)
        pace->counted_from = now;
    double passed = now - pace->counted_from;
    if (passed < MEASURED_OVER)
        return;
    pace->measured = SMOOTHING * pace->counted / passed + (1 - SMOOTHING) * pace->measured;
    pace->counted = 0;
    pace->counted_from = now;
}

static double interval_of(const struct api_rate *pace)
{
    return 1 / pace->rate;
}

double api_rate_wait(const struct api_rate *pace, double now)
{
    if (pace->rate <= 0)
        return 0;
    /* As many as one second's may go at once after a pause; a second's at one call or less is one. */
    double ahead = pace->rate > 1 ? 1 - interval_of(pace) : 0, wait = pace->next - ahead - now;
    return wait > NO_WAIT ? wait : 0;
}

void api_rate_take(struct api_rate *pace, double now)
{
    measure(pace, now);
    if (pace->rate > 0)
        pace->next = (pace->next > now ? pace->next : now) + interval_of(pace);
}

void api_rate_throttled(struct api_rate *pace, double sent, double now)
{
    if (pace->was_cut && sent < pace->cut_at)
        return;
    /* Nothing measured yet: as many as were sent so far are taken to have been too many for one second. */
    double sending = pace->measured > 0 ? pace->measured : pace->counted;
    pace->before_cut = pace->rate > 0 && pace->rate < sending ? pace->rate : sending;
    if (pace->before_cut < LEAST_RATE)
        pace->before_cut = LEAST_RATE;
    pace->rate = fmax(LEAST_RATE, pace->before_cut * KEPT);
    pace->cut_at = now;
    pace->was_cut = true;
    if (pace->next < now)
        pace->next = now;
}

void api_rate_answered(struct api_rate *pace, double now)
{
    if (!pace->was_cut)
        return;
    double to_regain = cbrt(pace->before_cut * (1 - KEPT) / SCALE), passed = now - pace->cut_at;
    double rate = SCALE * pow(passed - to_regain, 3) + pace->before_cut;
    double most = pace->most > 0 ? pace->most : fmax(AHEAD * pace->measured, pace->before_cut);
    pace->rate = fmax(LEAST_RATE, fmin(rate, most));
}
