/* Phone numbers: what is taken and what becomes of it, what is refused and why. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "phoning.h"

static void as_they_are_written_there(void **state)
{
    (void)state;
    static const char *const table[][3] = {
        {"GB", "020 7946 0018", "+442079460018"},     {"GB", "07400 123456", "+447400123456"},
        {"GB", "+44 (0)20 7946 0018", "+442079460018"}, {"GB", "0044 20 7946 0018", "+442079460018"},
        {"GB", "00 1 415 555 2671", "+14155552671"},  {"US", "(415) 555-2671", "+14155552671"},
        {"US", "1-415-555-2671", "+14155552671"},     {"US", "011 44 20 7946 0018", "+442079460018"},
        {"CA", "604.555.2671", "+16045552671"},       {"DE", "030 / 12 34 56", "+4930123456"},
        {"DE", "(0151) 23456789", "+4915123456789"},  {"FR", "06 12 34 56 78", "+33612345678"},
        {"FR", "+33 (0)6.12.34.56.78", "+33612345678"}, {"IT", "02 1234 5678", "+390212345678"},
        {"ES", "612 34 56 78", "+34612345678"},       {"NL", "06-12345678", "+31612345678"},
        {"SE", "070-123 45 67", "+46701234567"},      {"CH", "078 123 45 67", "+41781234567"},
        {"PL", "512 345 678", "+48512345678"},        {"IE", "085 012 3456", "+353850123456"},
        {"BR", "(11) 96123-4567", "+5511961234567"},  {"BR", "0 xx 11 96123-4567", NULL},
        {"MX", "044 55 1234 5678", "+525512345678"},  {"AR", "011 15-2345-6789", "+5491123456789"},
        {"AU", "0412 345 678", "+61412345678"},       {"NZ", "021 123 4567", "+64211234567"},
        {"IN", "081234 56789", "+918123456789"},      {"JP", "090-1234-5678", "+819012345678"},
        {"CN", "131 2345 6789", "+8613123456789"},    {"RU", "8 (912) 345-67-89", "+79123456789"},
        {"ZA", "071 123 4567", "+27711234567"},       {"EG", "٠١٠٠١٢٣٤٥٦٧", "+201001234567"},
        {"JP", "０９０－１２３４－５６７８", "+819012345678"}, {"GB", "tel:+44-7400-123456", "+447400123456"},
        {"GB", "'07400123456", "+447400123456"},      {"GB", "07400\u00A0123456", "+447400123456"},
        {"FR", "06\u202F12\u202F34\u202F56\u202F78", "+33612345678"}, {"GB", "\u202A+44 7400 123456\u202C", "+447400123456"},
        {"GB", "+44\u200E 7400 123456", "+447400123456"}, {"GB", "  07400 123456\t", "+447400123456"},
    };
    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
        struct phone_rules *rules = rules_of(table[i][0]);
        const char *was = told(rules, table[i][1]);
        if (table[i][2] ? strcmp(was, table[i][2]) != 0 : was[0] == '+')
            fail_msg("%s %s: %s", table[i][0], table[i][1], was);
        phone_rules_free(rules);
    }
}

/* Digits of another script in place of ours: zero is its first one. */
static void with_digits_of(uint32_t zero, const char *number, char *out)
{
    for (; *number; number++) {
        uint32_t c = zero + (uint32_t)(*number - '0');
        if (*number < '0' || *number > '9') {
            *out++ = *number;
            continue;
        }
        *out++ = (char)(0xE0 | c >> 12);
        *out++ = (char)(0x80 | (c >> 6 & 0x3F));
        *out++ = (char)(0x80 | (c & 0x3F));
    }
    *out = '\0';
}

static void the_library_s_examples_in_every_form(void **state)
{
    (void)state;
    static const char *const regions[] = {"AR", "AT", "AU", "BE", "BR", "CA", "CH", "CN", "CZ", "DE", "DK", "EG", "ES", "FI",
                                          "FR", "GB", "GR", "HU", "IE", "IL", "IN", "IT", "JP", "KR", "MX", "NL", "NO", "NZ",
                                          "PL", "PT", "RO", "RU", "SE", "SG", "TH", "TR", "UA", "US", "VN", "ZA"};
    for (size_t i = 0; i < sizeof regions / sizeof regions[0]; i++) {
        struct phone_rules *rules = rules_of(regions[i]);
        char e164[32], text[64], wide[256];
        assert_true(phone_example(rules, PHONE_E164, e164, sizeof e164));
        for (int form = PHONE_NATIONAL; form <= PHONE_E164; form++) {
            assert_true(phone_example(rules, (enum phone_form)form, text, sizeof text));
            if (strcmp(told(rules, text), e164) != 0)
                fail_msg("%s %s: %s, not %s", regions[i], text, told(rules, text), e164);
            with_digits_of(0x0966, text, wide); /* Devanagari */
            if (strcmp(told(rules, wide), e164) != 0)
                fail_msg("%s %s: %s, not %s", regions[i], wide, told(rules, wide), e164);
        }
        phone_rules_free(rules);
    }
}

static void the_reason_is_told(void **state)
{
    (void)state;
    static const char *const table[][3] = {
        {"GB", "07700 90O123", "is not a phone number in region GB: it contains the letter O"},
        {"GB", "O7400 123456", "is not a phone number in region GB: it contains the letter O"},
        {"GB", "07400 l23456", "is not a phone number in region GB: it contains the letter l"},
        {"GB", "07400 12З456", "is not a phone number in region GB: it contains the letter З"}, /* Cyrillic */
        {"GB", "07400 12O456 ext 7", "is not a phone number in region GB: it contains the letter O"},
        {"US", "1-800-FLOWERS", "is not a phone number in region US: it contains the letter F"},
        {"GB", "07400 123456 (mobile)", "is not a phone number in region GB: it contains the letter m"},
        {"GB", "n/a", "is not a phone number in region GB: it contains the letter n"},
        {"GB", "+44 74O0 123456", "is not a phone number: it contains the letter O"},
        {"GB", "07400€123456", "is not a phone number in region GB: it contains the character \"€\""},
        {"GB", "07400;;\x1b[31m123456", "is not a phone number in region GB: it contains the letter m"},
        {"GB", "07400\x1b[31;123456", "is not a phone number in region GB: it contains the character \"\\x1B\""},
        {"GB", "", "is not a phone number in region GB: it has no digits"},
        {"GB", "-", "is not a phone number in region GB: it has no digits"},
        {"GB", "07400\xff", "is not a phone number in region GB: it is not UTF-8"},
        {"GB", "4.4E+11", NULL},
        {"GB", "4,474E+11", NULL},
        {"GB", "4.474e+011", NULL},
        {"GB", "447400123456.0", NULL},
        {"GB", "#N/A", "is not a phone number in region GB: a spreadsheet has put the name of an error there"},
        {"GB", "#REF!", "is not a phone number in region GB: a spreadsheet has put the name of an error there"},
        {"GB", "07400 123456 ext. 5", "is not a phone number in region GB: it has an extension, which E.164 has no place for"},
        {"GB", "07400 123456 x5", "is not a phone number in region GB: it has an extension, which E.164 has no place for"},
        {"GB", "+999 123456789", "is not a phone number: there is no such country code"},
        {"GB", "7946 0018", "is not a phone number in region GB: it has no area code"},
        {"US", "555-2671", "is not a phone number in region US: it has no area code"},
        {"GB", "999", "is not a phone number in region GB: it is too short"},
        {"GB", "074001234567890", "is not a phone number in region GB: it is too long"},
        {"GB", "07400 123456 / 07400 123457", "is not a phone number in region GB: it is too long"},
        {"GB", "+49 7", "is not a phone number: it is too short"},
        {"GB", "+1 415 555 267", "is not a phone number: it is too short for country code +1"},
        {"GB", "+1 415 555 26711", "is not a phone number: it is too long for country code +1"},
        {"GB", "+33 1234567", "is not a phone number: it is too short for country code +33"},
        {"GB", "00000000000", "is not a phone number in region GB: no such numbers are given out"},
        {"US", "123-456-7890", "is not a phone number in region US: no such numbers are given out"},
        {NULL, "07400 123456", "is not a phone number: it has no country code, and the mapping has no region"},
        {NULL, "+999 123456789", "is not a phone number: there is no such country code"},
    };
    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
        struct phone_rules *rules = rules_of(table[i][0]);
        const char *was = told(rules, table[i][1]);
        if (table[i][2] ? strcmp(was, table[i][2]) != 0 : strstr(was, "export the column as text") == NULL)
            fail_msg("%s %s: %s", table[i][0] ? table[i][0] : "no region", table[i][1], was);
        phone_rules_free(rules);
    }
}

static void a_letter_is_told_with_its_place(void **state)
{
    (void)state;
    struct phone_rules *rules = rules_of("GB");
    static const char number[] = "٠7700 90O123"; /* a first digit of two bytes */
    struct phone_result result = seen(rules, number, sizeof number - 1);
    assert_int_equal(result.fault.reason, PHONE_LETTER);
    assert_int_equal(result.fault.character, 'O');
    assert_int_equal(result.fault.position, 9);
    assert_string_equal(result.e164, "");
    phone_rules_free(rules);
}

static void every_reason_has_a_sentence(void **state)
{
    (void)state;
    struct phone_rules *rules = rules_of("GB");
    char text[256], before[256] = "";
    for (int reason = PHONE_VALID + 1; reason < PHONE_REASONS; reason++) {
        struct phone_fault fault = {.reason = (enum phone_reason)reason, .character = 'Q'};
        phone_fault_text(rules, &fault, text, sizeof text);
        assert_null(strstr(text, "it is valid"));
        assert_string_not_equal(text, before);
        strcpy(before, text);
    }
    phone_rules_free(rules);
}

static void with_a_country_code_no_region_is_needed(void **state)
{
    (void)state;
    struct phone_rules *rules = rules_of(NULL);
    assert_string_equal(told(rules, "+447400123456"), "+447400123456");
    assert_string_equal(told(rules, "＋44 (0)7400 123456"), "+447400123456");
    assert_string_equal(told(rules, "+800 1234 5678"), "+80012345678"); /* of no country */
    phone_rules_free(rules);
}

static void a_nul_is_no_end(void **state)
{
    (void)state;
    struct phone_rules *rules = rules_of("GB");
    static const char number[] = "07400\000123456";
    assert_int_equal(seen(rules, number, sizeof number - 1).fault.reason, PHONE_CHARACTER);
    phone_rules_free(rules);
}

static void the_options_take_what_is_refused_without_them(void **state)
{
    (void)state;
    struct phone_rules *rules = rules_with((struct phone_options){.region = "US", .drop_extension = true});
    assert_string_equal(told(rules, "(415) 555-2671 ext. 5"), "+14155552671");
    assert_non_null(strstr(told(rules, "1-800-FLOWERS"), "the letter F"));
    assert_non_null(strstr(told(rules, "(415) 555-267l ext. 5"), "the letter l"));
    assert_non_null(strstr(told(rules, "(415) 555-267lx5"), "the letter l"));
    assert_string_equal(told(rules, "415-555-2671 EXTENSIÓN 5"), "+14155552671");
    assert_string_equal(told(rules, "415-555-2671x5"), "+14155552671");
    assert_string_equal(told(rules, "415-555-2671 доб. 5"), "+14155552671");
    assert_string_equal(told(rules, "415-555-2671 #5"), "+14155552671");
    phone_rules_free(rules);
    rules = rules_with((struct phone_options){.region = "US", .convert_letters = true});
    assert_string_equal(told(rules, "1-800-FLOWERS"), "+18003569377");
    assert_non_null(strstr(told(rules, "(415) 555-2671 ext. 5"), "an extension"));
    phone_rules_free(rules);
}

static void expect_refused(const char *region, const char *part)
{
    struct err err;
    err_clear(&err);
    struct phone_options options = {.region = region};
    module_set_program(program());
    assert_null(phone_rules_new(&options, &err));
    if (strcmp(err.code, ERR_USAGE) != 0 || !strstr(err.message, part))
        fail_msg("%s: %s: %s", region, err.code, err.message);
}

static void an_unknown_region_is_refused_with_the_one_that_was_meant(void **state)
{
    (void)state;
    expect_refused("UK", "did you mean \"GB\"?");
    expect_refused("gb", "did you mean \"GB\"?");
    expect_refused("GBR", "did you mean \"GB\"?");
    expect_refused("USA", "did you mean \"US\"?");
    expect_refused("Germany", "did you mean \"DE\"?");
    expect_refused("united kingdom", "did you mean \"GB\"?");
    expect_refused("", "two letters of ISO 3166");
    expect_refused("Atlantis", "two letters of ISO 3166");
    expect_refused("+44", "two letters of ISO 3166");
}

static void without_the_module_it_is_said_what_to_install(void **state)
{
    (void)state;
    struct err err;
    err_clear(&err);
    struct phone_options options = {.region = "GB"};
    module_set_program("/nonexistent/bin/upjob");
    assert_null(phone_rules_new(&options, &err));
    assert_string_equal(err.code, ERR_CONFIG);
    assert_non_null(strstr(err.message, "install libphonenumber and build again: apt install libphonenumber-dev"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(as_they_are_written_there),
        cmocka_unit_test(the_library_s_examples_in_every_form),
        cmocka_unit_test(the_reason_is_told),
        cmocka_unit_test(a_letter_is_told_with_its_place),
        cmocka_unit_test(every_reason_has_a_sentence),
        cmocka_unit_test(with_a_country_code_no_region_is_needed),
        cmocka_unit_test(a_nul_is_no_end),
        cmocka_unit_test(the_options_take_what_is_refused_without_them),
        cmocka_unit_test(an_unknown_region_is_refused_with_the_one_that_was_meant),
        cmocka_unit_test(without_the_module_it_is_said_what_to_install),
    };
    return without_libphonenumber() ? 0 : cmocka_run_group_tests(tests, NULL, NULL);
}
