#include "local/faults.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "core/operations.h"
#include "local/facts.h"
#include "local/spec.h"

#define MAX_OPERATIONS 24 /* the service answers fewer */

/* What has been seen of an operation. */
struct seen {
    char name[64];
    uint64_t count[FAULT_KINDS];
    double tokens, filled_at; /* of its rate */
};

struct faults {
    double share[FAULT_KINDS];
    double upload_rate;
    uint64_t seed;
    uint64_t where;
    const struct facts *rates;
    struct seen seen[MAX_OPERATIONS];
    size_t seen_count;
};

static const char *const kind_names[] = {
    [FAULT_THROTTLE] = "throttle",       [FAULT_ERROR] = "error",
    [FAULT_EXPIRE_URL] = "expire-url",   [FAULT_DROP_UPLOAD] = "drop-upload",
    [FAULT_STALL_UPLOAD] = "stall-upload", [FAULT_DENY] = "deny",
};

/* ---- the specification ---- */

static bool set_share(struct faults *faults, int kind, const char *value, struct err *err)
{
    char *end;
    double share = strtod(value, &end);
    if (end == value || *end || !(share >= 0 && share <= 1))
        return err_set(err, ERR_USAGE, "fault %s=%s: a share from 0 to 1 is needed", kind_names[kind], value);
    faults->share[kind] = share;
    return true;
}

static bool set_rate(struct faults *faults, const char *value, struct err *err)
{
    char *end;
    double rate = strtod(value, &end);
    if (end != value && (*end == 'k' || *end == 'M'))
        rate *= *end++ == 'k' ? 1e3 : 1e6;
    if (end == value || *end || !(rate >= 1 && rate <= 1e12))
        return err_set(err, ERR_USAGE, "fault slow=%s: bytes a second are needed, such as 64k or 1M", value);
    faults->upload_rate = rate;
    return true;
}

static bool set_seed(struct faults *faults, const char *value, struct err *err)
{
    char *end;
    faults->seed = strtoull(value, &end, 10);
    return (end != value && !*end) || err_set(err, ERR_USAGE, "fault seed=%s: a whole number is needed", value);
}

static bool set_one(void *arg, const char *name, const char *value, struct err *err)
{
    static const char *const others[] = {"slow", "seed"};
    struct faults *faults = arg;
    const char *names[FAULT_KINDS + 3] = {NULL};
    memcpy(names, kind_names, FAULT_KINDS * sizeof *names);
    memcpy(names + FAULT_KINDS, others, sizeof others);
    if (strcmp(name, "slow") == 0)
        return set_rate(faults, value, err);
    if (strcmp(name, "seed") == 0)
        return set_seed(faults, value, err);
    for (int kind = 0; kind < FAULT_KINDS; kind++)
        if (strcmp(name, kind_names[kind]) == 0)
            return set_share(faults, kind, value, err);
    const char *nearest = nearest_name(name, names);
    if (nearest)
        return err_set(err, ERR_USAGE, "there is no fault \"%s\"; did you mean \"%s\"?", name, nearest);
    err_set(err, ERR_USAGE, "there is no fault \"%s\":", name);
    for (const char **each = names; *each; each++)
        snprintf(err->message + strlen(err->message), sizeof err->message - strlen(err->message), "%s %s",
                 each == names ? "" : ",", *each);
    return false;
}

struct faults *faults_new(const char *spec, const struct facts *rates, struct err *err)
{
    struct faults *faults = calloc(1, sizeof *faults);
    if (!faults) {
        err_set(err, ERR_MEMORY, "out of memory");
        return NULL;
    }
    faults->rates = rates;
    if (getrandom(&faults->seed, sizeof faults->seed, 0) != (ssize_t)sizeof faults->seed)
        faults->seed = 1;
    faults->seed %= 1000000; /* short enough to be typed again */
    if (!spec || spec_read("fault", spec, set_one, faults, err))
        return faults;
    free(faults);
    return NULL;
}

void faults_free(struct faults *faults)
{
    free(faults);
}

/* ---- strikes ---- */

static struct seen *seen_of(struct faults *faults, const char *operation)
{
    for (size_t i = 0; i < faults->seen_count; i++)
        if (strcmp(faults->seen[i].name, operation) == 0)
            return &faults->seen[i];
    if (faults->seen_count == MAX_OPERATIONS)
        return &faults->seen[MAX_OPERATIONS - 1];
    struct seen *seen = &faults->seen[faults->seen_count++];
    snprintf(seen->name, sizeof seen->name, "%s", operation);
    seen->filled_at = -1;
    return seen;
}

/* SplitMix64 (Steele, Lea, Flood 2014): every bit of the input reaches every bit of the output. */
static uint64_t mix(uint64_t x)
{
    x += 0x9E3779B97F4A7C15u;
    x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9u;
    x = (x ^ (x >> 27)) * 0x94D049BB133111EBu;
    return x ^ (x >> 31);
}

static double unit(uint64_t bits)
{
    return (double)(bits >> 11) / 9007199254740992.0;
}

bool faults_strike(struct faults *faults, enum fault kind, const char *operation)
{
    if (!faults || faults->share[kind] <= 0)
        return false;
    uint64_t name = 0;
    for (const char *p = operation; *p; p++)
        name = mix(name ^ (unsigned char)*p);
    uint64_t n = seen_of(faults, operation)->count[kind]++;
    uint64_t bits = mix(faults->seed ^ mix(name ^ mix((uint64_t)kind << 32 ^ n)));
    faults->where = mix(bits);
    return unit(bits) < faults->share[kind];
}

double faults_where(const struct faults *faults)
{
    return unit(faults->where);
}

/* A bucket that holds a second's worth, and a call at least. */
bool faults_over_rate(struct faults *faults, const char *operation, double now)
{
    if (!faults || !faults->rates)
        return false;
    bool reads = strncmp(operation, "Get", 3) == 0 || strncmp(operation, "List", 4) == 0 || strncmp(operation, "Search", 6) == 0;
    double rate = reads ? faults->rates->read_rate : faults->rates->write_rate;
    struct seen *seen = seen_of(faults, operation);
    double most = fmax(rate, 1);
    seen->tokens = seen->filled_at < 0 ? most : fmin(most, seen->tokens + (now - seen->filled_at) * rate);
    seen->filled_at = now;
    if (seen->tokens < 1)
        return true;
    seen->tokens -= 1;
    return false;
}

double faults_upload_rate(const struct faults *faults)
{
    return faults ? faults->upload_rate : 0;
}

uint64_t faults_seed(const struct faults *faults)
{
    return faults->seed;
}
