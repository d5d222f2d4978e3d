#include "local/facts.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/operations.h"
#include "local/spec.h"

const struct facts facts_inferred = {
#define CHOICE(member, name, inferred, other) .member = true,
#define AMOUNT(member, name, inferred, least, most) .member = inferred,
#include "local/facts.inc"
#undef CHOICE
#undef AMOUNT
};

const struct fact facts_table[] = {
#define CHOICE(member, name, inferred, other) {name, inferred, other, 0, 0, 0, offsetof(struct facts, member)},
#define AMOUNT(member, name, inferred, least, most) {name, NULL, NULL, inferred, least, most, offsetof(struct facts, member)},
#include "local/facts.inc"
#undef CHOICE
#undef AMOUNT
    {NULL, NULL, NULL, 0, 0, 0, 0},
};

#define FACT_COUNT (sizeof facts_table / sizeof facts_table[0])

static const struct fact *find(const char *name, struct err *err)
{
    const char *names[FACT_COUNT] = {NULL};
    for (size_t i = 0; facts_table[i].name; i++) {
        names[i] = facts_table[i].name;
        if (strcmp(name, names[i]) == 0)
            return &facts_table[i];
    }
    const char *nearest = nearest_name(name, names);
    err_set(err, ERR_USAGE, "there is no fact \"%s\"%s%s%s", name, nearest ? " (did you mean \"" : "", nearest ? nearest : "",
            nearest ? "\"?)" : "");
    return NULL;
}

static bool set_amount(double *amount, const struct fact *fact, const char *value, struct err *err)
{
    char *end;
    double number = strtod(value, &end);
    if (end == value || *end || !(number >= fact->least && number <= fact->most))
        return err_set(err, ERR_USAGE, "fact %s=%s: a number from %.10g to %.10g is needed", fact->name, value, fact->least,
                       fact->most);
    *amount = number;
    return true;
}

static bool set_choice(bool *as_inferred, const struct fact *fact, const char *value, struct err *err)
{
    *as_inferred = strcmp(value, fact->inferred) == 0;
    return *as_inferred || strcmp(value, fact->other) == 0 ||
           err_set(err, ERR_USAGE, "fact %s=%s: it is %s or %s", fact->name, value, fact->inferred, fact->other);
}

static bool set_one(void *arg, const char *name, const char *value, struct err *err)
{
    struct facts *facts = arg;
    const struct fact *fact = find(name, err);
    void *member = fact ? (char *)facts + fact->offset : NULL;
    return fact && (fact->inferred ? set_choice(member, fact, value, err) : set_amount(member, fact, value, err));
}

bool facts_bend(struct facts *facts, const char *spec, struct err *err)
{
    return spec_read("fact", spec, set_one, facts, err);
}
