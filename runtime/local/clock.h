/* clock: the service's time, in one place so that tests can set it. Seconds since the epoch. */
#ifndef UPJOB_LOCAL_CLOCK_H
#define UPJOB_LOCAL_CLOCK_H

#include <time.h>

struct clock {
    double (*now)(void *arg); /* NULL: the system's real time */
    void *arg;
};
double clock_now(const struct clock *clock);
/* Seconds that only go forward, for lengths of time. */
double clock_steady(void);

#endif
