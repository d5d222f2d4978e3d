#include "core/csv_scan.h"

#include <stdatomic.h>
#include <stdlib.h>

#include "core/csv_scan_masks.h"

const char *const csv_scan_paths[] = {"portable", "sse2", "avx2", "neon", NULL};

static bool always(void)
{
    return true;
}

#if defined(__x86_64__)
static bool has_avx2(void)
{
    return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("pclmul") && __builtin_cpu_supports("bmi") &&
           __builtin_cpu_supports("bmi2") && __builtin_cpu_supports("popcnt");
}
#endif

/* The best first. */
static const struct {
    const struct csv_scan_path *path;
    bool (*supported)(void);
} paths[] = {
#if defined(__x86_64__)
    {&csv_scan_avx2, has_avx2},
    {&csv_scan_sse2, always},
#elif defined(__aarch64__)
    {&csv_scan_neon, always},
#endif
    {&csv_scan_portable, always},
};

/* Readers on several threads may come first. */
static _Atomic(const struct csv_scan_path *) chosen;

bool csv_scan_select(const char *path)
{
    for (size_t i = 0; i < sizeof paths / sizeof *paths; i++)
        if ((!path || strcmp(path, paths[i].path->name) == 0) && paths[i].supported()) {
            atomic_store(&chosen, paths[i].path);
            return true;
        }
    return false;
}

static const struct csv_scan_path *path_in_use(void)
{
    const struct csv_scan_path *path = atomic_load_explicit(&chosen, memory_order_relaxed);
    if (path)
        return path;
    if (!csv_scan_select(getenv("UPJOB_CSV_SCAN")))
        (void)csv_scan_select(NULL);
    return atomic_load(&chosen);
}

void csv_scan_restart(struct csv_scan *scan)
{
    scan->state = (struct csv_scan_state){.may_open = 1, .after_end = 1};
}

size_t csv_scan_index(struct csv_scan *scan, const char *text, size_t from, size_t to)
{
    return path_in_use()->index(scan, text, from, to);
}

size_t csv_scan_count(struct csv_scan *scan, const char *text, size_t from, size_t to, struct csv_scan_count *count)
{
    return path_in_use()->count(scan, text, from, to, count);
}
