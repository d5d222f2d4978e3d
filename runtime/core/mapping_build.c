/* The steps of a mapping, made ready. */
#include "core/mapping_case.h"
#include "core/mapping_date.h"
#include "core/mapping_lookup.h"
#include "core/mapping_private.h"

static bool check_texts(const struct mapping_step *given, struct err *err)
{
    bool empty = !given->text || !*given->text;
    if (given->kind == MAPPING_REPLACE && empty)
        return err_set(err, ERR_USAGE, "replace: what is to be replaced is empty");
    if (given->kind == MAPPING_SPLIT && empty)
        return err_set(err, ERR_USAGE, "split: the separator is empty");
    if (given->kind == MAPPING_SPLIT && given->number == 0)
        return err_set(err, ERR_USAGE, "split: parts are counted from 1, or from -1 at the end: there is no part 0");
    return true;
}

/* What is made of a step beside its texts; the rules of phone numbers are the mapping's, and come later. */
static bool make_step(const struct mapping_step *given, struct step *step, struct mapping_arena *memory, struct err *err)
{
    if ((unsigned)given->kind >= MAPPING_STEPS)
        return err_set(err, ERR_INTERNAL, "a step of a mapping is of no kind");
    if (!check_texts(given, err))
        return false;
    const char *text = mapping_copy_text(memory, given->text, err), *with = mapping_copy_text(memory, given->with, err);
    if (!text || !with)
        return false;
    *step = (struct step){.kind = given->kind,
                          .text = slice_of(text),
                          .with = slice_of(with),
                          .number = given->number,
                          .missing = given->missing};
    switch (given->kind) {
    case MAPPING_LOWER:
    case MAPPING_UPPER:
    case MAPPING_TITLE:
        return case_ready(err);
    case MAPPING_DATE:
        step->dates = dates_new(given->list, given->number, memory, err);
        return step->dates;
    case MAPPING_LOOKUP:
        step->lookup = lookup_new(given->pairs, given->pair_count, memory, err);
        return step->lookup;
    default:
        return true;
    }
}

/* Where the rules of phone numbers are not installed, the mapping says so when it is made. */
static bool is_region(const char *region, struct err *err)
{
    struct mapping alone = {0};
    bool known = mapping_phone_of(&alone, region, err) || !err_is(err, ERR_USAGE);
    mapping_phones_free(&alone);
    return known;
}

bool mapping_step_check(const struct mapping_step *step, struct err *err)
{
    if (step->kind == MAPPING_E164)
        return is_region(step->text, err);
    struct mapping_arena memory = {0};
    struct step made;
    bool good = make_step(step, &made, &memory, err);
    mapping_arena_free(&memory);
    return good;
}

bool mapping_steps_make(struct mapping *mapping, struct field *field, struct err *err)
{
    size_t count = field->given.step_count;
    field->steps = mapping_arena_room(&mapping->memory, (count + 1) * sizeof *field->steps);
    if (!field->steps)
        return err_set(err, ERR_MEMORY, "no memory for a mapping");
    for (; field->step_count < count; field->step_count++) {
        const struct mapping_step *given = &field->given.steps[field->step_count];
        struct step *step = &field->steps[field->step_count];
        if (!make_step(given, step, &mapping->memory, err))
            return false;
        mapping->calls = mapping->calls || given->kind == MAPPING_CALL;
        if (given->kind == MAPPING_E164 && !(step->phone = mapping_phone_of(mapping, given->text, err)))
            return false;
    }
    return true;
}
