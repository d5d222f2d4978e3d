#include "core/phone.h"

#include <dlfcn.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/module.h"
#include "core/operations.h"
#include "core/phone_cache.h"
#include "core/phone_engine.h"
#include "core/phone_text.h"
#include "core/spread.h"

#define INSTALL "install libphonenumber and build again: apt install libphonenumber-dev"
#define PART    32 /* numbers that a thread takes at a time */

struct phone_rules {
    const struct phone_engine *engine;
    struct phone_options options;
    char region[4]; /* "": none */
    struct phone_cache *cache;
    struct spread *spread;
};

/* Its symbols stay its own: what C++ libraries bring along is nothing for the other modules. */
static const struct phone_engine *load_engine(struct err *err)
{
    char path[PATH_MAX];
    const struct phone_engine *(*get)(void);
    if (!module_path("phone.so", path))
        return err_set(err, ERR_CONFIG, "this upjob was built without libphonenumber, which phone numbers need; " INSTALL), NULL;
    void *handle = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    if (!handle)
        return err_set(err, ERR_CONFIG, "libphonenumber, for phone numbers, cannot be loaded (%s); " INSTALL, dlerror()), NULL;
    void *symbol = dlsym(handle, PHONE_ENGINE_SYMBOL);
    if (!symbol)
        return err_set(err, ERR_CONFIG, "%s is not of this version of upjob; build again", path), NULL;
    memcpy(&get, &symbol, sizeof get); /* ISO C has no cast for it; dlsym(3) does this */
    const struct phone_engine *engine = get();
    if (!engine)
        return err_set(err, ERR_MEMORY, "out of memory for the rules of phone numbers"), NULL;
    if (strcmp(engine->version, UPJOB_VERSION) != 0)
        return err_set(err, ERR_CONFIG, "%s is of upjob %s, not %s; build again", path, engine->version, UPJOB_VERSION), NULL;
    return engine;
}

static bool is_region(const struct phone_engine *engine, const char *region)
{
    for (const char *const *r = engine->regions; *r; r++)
        if (strcmp(*r, region) == 0)
            return true;
    return false;
}

static bool take_region(struct phone_rules *rules, const char *region, struct err *err)
{
    if (!region || is_region(rules->engine, region)) {
        snprintf(rules->region, sizeof rules->region, "%s", region ? region : "");
        return true;
    }
    const char *meant = rules->engine->region_named(region);
    if (!meant && *region)
        meant = nearest_name(region, rules->engine->regions);
    if (meant)
        return err_set(err, ERR_USAGE, "region \"%s\" is not known; did you mean \"%s\"?", region, meant);
    return err_set(err, ERR_USAGE, "region \"%s\" is not known; it is the two letters of ISO 3166, such as \"GB\"", region);
}

struct phone_rules *phone_rules_new(const struct phone_options *options, struct err *err)
{
    struct phone_rules *rules = calloc(1, sizeof *rules);
    if (!rules)
        return err_set(err, ERR_MEMORY, "out of memory"), NULL;
    rules->options = *options;
    rules->engine = load_engine(err);
    if (!rules->engine || !take_region(rules, options->region, err))
        return phone_rules_free(rules), NULL;
    rules->options.region = rules->region;
    rules->cache = phone_cache_new(options->remembered ? options->remembered : PHONE_REMEMBERED_DEFAULT);
    rules->spread = spread_new(options->threads);
    if (rules->cache && rules->spread)
        return rules;
    err_set(err, ERR_MEMORY, "out of memory");
    return phone_rules_free(rules), NULL;
}

void phone_rules_free(struct phone_rules *rules)
{
    if (!rules)
        return;
    spread_free(rules->spread);
    phone_cache_free(rules->cache);
    free(rules);
}

static bool look(struct phone_rules *rules, struct csv_slice in, struct phone_result *out)
{
    if (phone_cache_get(rules->cache, in, out))
        return true;
    memset(out, 0, sizeof *out);
    out->fault.reason = in.len ? phone_damage(in) : PHONE_NO_DIGITS;
    if (out->fault.reason != PHONE_VALID)
        return true;
    if (!rules->engine->look(&rules->options, in.data, in.len, out))
        return false;
    phone_cache_put(rules->cache, in, out);
    return true;
}

bool phone_e164(struct phone_rules *rules, struct csv_slice in, struct phone_result *out, struct err *err)
{
    return look(rules, in, out) || err_set(err, ERR_MEMORY, "out of memory for a phone number");
}

struct batch {
    struct phone_rules *rules;
    const struct csv_slice *in;
    struct phone_result *out;
    atomic_bool failed;
};

static void look_at_part(void *arg, size_t from, size_t to)
{
    struct batch *batch = arg;
    for (size_t i = from; i < to; i++)
        if (!look(batch->rules, batch->in[i], &batch->out[i]))
            atomic_store(&batch->failed, true);
}

bool phone_batch(struct phone_rules *rules, const struct csv_slice *in, size_t count, struct phone_result *out, struct err *err)
{
    struct batch batch = {.rules = rules, .in = in, .out = out};
    spread_run(rules->spread, count, PART, look_at_part, &batch);
    return !atomic_load(&batch.failed) || err_set(err, ERR_MEMORY, "out of memory for phone numbers");
}

const char *phone_fault_text(const struct phone_rules *rules, const struct phone_fault *fault, char *out, size_t size)
{
    return phone_text(rules->region, fault, out, size);
}

bool phone_example(const struct phone_rules *rules, enum phone_form form, char *out, size_t size)
{
    return rules->engine->example(rules->region, form, out, size);
}
