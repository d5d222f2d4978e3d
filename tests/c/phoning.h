/* phoning: rules of phone numbers for a test, where libphonenumber is. */
#ifndef UPJOB_TESTS_PHONING_H
#define UPJOB_TESTS_PHONING_H

#include <stdio.h>
#include <string.h>

#include "core/module.h"
#include "core/phone.h"
#include "tests/c/program.h"

#if defined __SANITIZE_ADDRESS__ || defined __SANITIZE_THREAD__
#define SANITIZED true
#else
#define SANITIZED false
#endif

#define DATA(text) (text), sizeof(text) - 1

static inline struct phone_rules *rules_with(struct phone_options options)
{
    struct err err;
    err_clear(&err);
    module_set_program(program());
    struct phone_rules *rules = phone_rules_new(&options, &err);
    if (!rules)
        fail_msg("%s", err.message);
    return rules;
}

static inline struct phone_rules *rules_of(const char *region)
{
    return rules_with((struct phone_options){.region = region});
}

static inline struct phone_result seen(struct phone_rules *rules, const char *text, size_t len)
{
    struct phone_result result;
    struct err err;
    err_clear(&err);
    if (!phone_e164(rules, (struct csv_slice){text, len}, &result, &err))
        fail_msg("%s", err.message);
    return result;
}

/* The number in E.164, else what is said of it. */
static inline const char *told(struct phone_rules *rules, const char *text)
{
    static char out[256];
    struct phone_result result = seen(rules, text, strlen(text));
    if (result.fault.reason != PHONE_VALID)
        return phone_fault_text(rules, &result.fault, out, sizeof out);
    snprintf(out, sizeof out, "%s", result.e164);
    return out;
}

/* Where there is no libphonenumber there is nothing to test; where there is, a module that is missing is a failure. */
static inline bool without_libphonenumber(void)
{
    static const char *const headers[] = {"/usr/include/phonenumbers/phonenumberutil.h",
                                          "/usr/local/include/phonenumbers/phonenumberutil.h"};
    if (access(headers[0], F_OK) == 0 || access(headers[1], F_OK) == 0)
        return false;
    puts("1..1\nok 1 - phone numbers # SKIP libphonenumber is not installed; make deps installs it");
    return true;
}

#endif
