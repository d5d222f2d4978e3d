#include "core/usage.h"

#include <dirent.h>
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

/* When the system started, in seconds since the epoch; 0 when unknown. */
static double boot_time(void)
{
    char line[256];
    double at = 0;
    FILE *file = fopen("/proc/stat", "re");
    while (file && at == 0 && fgets(line, sizeof line, file))
        if (sscanf(line, "btime %lf", &at) != 1)
            at = 0;
    if (file)
        fclose(file);
    return at;
}

/* proc(5), /proc/[pid]/stat: the name, in brackets, may have anything in it. */
static bool read_stat(struct usage *usage)
{
    char text[1024];
    unsigned long long user, system, started, virtual_bytes;
    long pages;
    FILE *file = fopen("/proc/self/stat", "re");
    size_t n = file ? fread(text, 1, sizeof text - 1, file) : 0;
    if (file)
        fclose(file);
    text[n] = '\0';
    const char *rest = strrchr(text, ')');
    if (!rest || sscanf(rest + 1, " %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %llu %llu %*d %*d %*d %*d %*d %*d %llu %llu %ld", &user,
                        &system, &started, &virtual_bytes, &pages) != 5)
        return false;
    double ticks = (double)sysconf(_SC_CLK_TCK);
    usage->cpu_seconds = (double)(user + system) / ticks;
    usage->started_at = boot_time() + (double)started / ticks;
    usage->virtual_bytes = virtual_bytes;
    usage->resident_bytes = (uint64_t)pages * (uint64_t)sysconf(_SC_PAGESIZE);
    return true;
}

static long count_open_files(void)
{
    long count = 0;
    DIR *directory = opendir("/proc/self/fd");
    if (!directory)
        return -1;
    for (struct dirent *entry = readdir(directory); entry; entry = readdir(directory))
        count += entry->d_name[0] != '.';
    closedir(directory);
    return count - 1; /* that of the directory itself */
}

bool usage_read(struct usage *usage)
{
    struct rlimit limit;
    usage->open_files = count_open_files();
    usage->most_files = INFINITY;
    if (getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur != RLIM_INFINITY)
        usage->most_files = (double)limit.rlim_cur;
    return read_stat(usage);
}
