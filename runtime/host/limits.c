#include "host/limits.h"

#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/time.h>
#include <unistd.h>

#define VARIABLE "UPJOB_LIMITS"
#define WALL_MOST 1e8 /* seconds; a longer time is none */
#define GRACE 5 /* seconds of CPU between the signal that can be told and the one that cannot be caught */

/* What a handler prints, made before: it may not format. */
static char wall_is_over[128];

/* In a handler. Standard error may be a pipe that nobody reads: it is not waited for. */
static void tell(const char *text)
{
    struct pollfd error = {.fd = STDERR_FILENO, .events = POLLOUT};
    if (poll(&error, 1, 0) == 1 && write(STDERR_FILENO, text, strlen(text)) < 0)
        return; /* to whom would that be told */
}

static void on_wall(int number)
{
    (void)number;
    tell(wall_is_over);
    if (getpgrp() == getpid())
        kill(0, SIGKILL);
    _exit(124);
}

static void on_cpu(int number)
{
    tell("upjob: the run has used the CPU time that it may, and is ended\n");
    signal(number, SIG_DFL);
    raise(number);
}

static void set_wall(double seconds)
{
    if (seconds > WALL_MOST)
        seconds = WALL_MOST;
    struct itimerval timer = {.it_value = {(time_t)seconds, (suseconds_t)((seconds - (double)(time_t)seconds) * 1e6)}};
    snprintf(wall_is_over, sizeof wall_is_over, "upjob: the run has not ended within %g s, and is ended\n", seconds);
    signal(SIGALRM, on_wall);
    setitimer(ITIMER_REAL, &timer, NULL);
}

/* Never above what is allowed anyway. */
static void set_limit(__rlimit_resource_t resource, double soft, double hard)
{
    struct rlimit limit;
    if (getrlimit(resource, &limit) != 0)
        return;
    if (limit.rlim_max == RLIM_INFINITY || hard < (double)limit.rlim_max)
        limit.rlim_max = (rlim_t)hard;
    limit.rlim_cur = soft < (double)limit.rlim_max ? (rlim_t)soft : limit.rlim_max;
    setrlimit(resource, &limit);
}

/* The number behind "name=" in the list; 0 when it is absent. */
static double limit_of(const char *list, const char *name)
{
    size_t len = strlen(name);
    for (const char *at = list; at; at = strchr(at, ',')) {
        at += *at == ',';
        if (strncmp(at, name, len) == 0 && at[len] == '=')
            return strtod(at + len + 1, NULL);
    }
    return 0;
}

size_t limits_set(void)
{
    const char *list = getenv(VARIABLE);
    if (!list)
        return 0;
    double wall = limit_of(list, "wall"), cpu = limit_of(list, "cpu"), files = limit_of(list, "files");
    double memory = limit_of(list, "memory");
    if (wall > 0)
        set_wall(wall);
    if (cpu > 0) {
        signal(SIGXCPU, on_cpu);
        set_limit(RLIMIT_CPU, cpu < 1 ? 1 : cpu, (cpu < 1 ? 1 : cpu) + GRACE);
    }
    if (files > 0)
        set_limit(RLIMIT_NOFILE, files, files);
    unsetenv(VARIABLE);
    return memory > 0 ? (size_t)memory : 0;
}
