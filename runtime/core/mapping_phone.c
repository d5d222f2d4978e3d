/* E.164 through core/phone.h. */
#include "core/mapping_private.h"

#include <stdlib.h>

#include "core/phone.h"

struct mapping_phone {
    struct mapping_phone *next;
    char *region; /* "" for none */
    struct phone_rules *rules;
};

static struct mapping_phone *add_region(struct mapping *mapping, const char *region, struct err *err)
{
    struct phone_options options = {.region = *region ? region : NULL};
    struct mapping_phone *phone = calloc(1, sizeof *phone);
    char *copy = phone ? strdup(region) : NULL;
    struct phone_rules *rules = copy ? phone_rules_new(&options, err) : NULL;
    if (!rules) {
        if (!copy)
            err_set(err, ERR_MEMORY, "no memory for the rules of phone numbers");
        free(copy);
        free(phone);
        return NULL;
    }
    *phone = (struct mapping_phone){mapping->phones, copy, rules};
    mapping->phones = phone;
    return phone;
}

struct mapping_phone *mapping_phone_of(struct mapping *mapping, const char *region, struct err *err)
{
    const char *wanted = region ? region : "";
    for (struct mapping_phone *phone = mapping->phones; phone; phone = phone->next)
        if (strcmp(phone->region, wanted) == 0)
            return phone;
    return add_region(mapping, wanted, err);
}

static enum outcome refuse(struct work *work, const struct mapping_phone *phone,
                           const struct phone_fault *fault)
{
    char reason[192];
    bool damaged = fault->reason == PHONE_SCIENTIFIC || fault->reason == PHONE_DECIMAL;
    phone_fault_text(phone->rules, fault, reason, sizeof reason);
    return mapping_invalid(work, damaged ? MAPPING_SPREADSHEET_DAMAGE : MAPPING_NOT_A_PHONE,
                           damaged ? "export the column as text" : "", "%s", reason);
}

enum outcome mapping_phone_do(struct work *work, struct mapping_phone *phone)
{
    struct phone_result result;
    if (!phone_e164(phone->rules, work->value, &result, work->err))
        return OUTCOME_FAILED;
    if (result.fault.reason != PHONE_VALID)
        return refuse(work, phone, &result.fault);
    struct csv_slice made = slice_of(result.e164);
    if (slices_equal(made, work->value))
        return OUTCOME_GOOD;
    const char *kept = mapping_arena_keep(work->arena, made.data, made.len);
    if (!kept)
        return mapping_no_memory(work);
    work->value = (struct csv_slice){kept, made.len};
    return OUTCOME_GOOD;
}

/* The step that is e164, before which nothing but trim is done; NULL: there is none. */
static const struct step *early_phone(const struct field *field)
{
    for (size_t i = 0; i < field->step_count && field->column_count == 1; i++) {
        if (field->steps[i].kind == MAPPING_E164)
            return &field->steps[i];
        if (field->steps[i].kind != MAPPING_TRIM)
            break;
    }
    return NULL;
}

bool mapping_looks_ahead(const struct mapping *mapping, size_t field)
{
    return early_phone(&mapping->fields[field]);
}

bool mapping_look_ahead(const struct mapping *mapping, size_t field, struct csv_slice *cells, size_t count,
                        struct err *err)
{
    const struct field *wanted = &mapping->fields[field];
    struct phone_result *results = calloc(count + 1, sizeof *results);
    if (!results)
        return err_set(err, ERR_MEMORY, "no memory for phone numbers");
    for (size_t i = 0; wanted->steps[0].kind == MAPPING_TRIM && i < count; i++)
        mapping_trim(&cells[i]);
    bool looked = phone_batch(early_phone(wanted)->phone->rules, cells, count, results, err);
    free(results);
    return looked;
}

void mapping_phones_free(struct mapping *mapping)
{
    while (mapping->phones) {
        struct mapping_phone *phone = mapping->phones;
        mapping->phones = phone->next;
        phone_rules_free(phone->rules);
        free(phone->region);
        free(phone);
    }
}
