#include "local/clock.h"

double clock_now(const struct clock *clock)
{
    struct timespec now;
    if (clock && clock->now)
        return clock->now(clock->arg);
    clock_gettime(CLOCK_REALTIME, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

double clock_steady(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}
