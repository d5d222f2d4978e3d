/* usage: what this process uses of the system, from /proc and getrlimit(2). */
#ifndef UPJOB_CORE_USAGE_H
#define UPJOB_CORE_USAGE_H

#include <stdbool.h>
#include <stdint.h>

struct usage {
    double cpu_seconds;      /* in user and system mode, without ended children */
    double started_at;       /* seconds since the epoch */
    uint64_t resident_bytes;
    uint64_t virtual_bytes;
    long open_files;         /* -1: unknown */
    double most_files;       /* infinity: as many as it likes */
};

/* False when /proc does not tell. */
bool usage_read(struct usage *usage);

#endif
