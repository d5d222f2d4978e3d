/* Content types: what is valid, and what is said of what is not. */
#include "tests/c/mapping_values.h"

#include "core/mapping_email.h"

#define EMAIL(what)  "!3 not an e-mail address: is not an e-mail address: " what
#define NUMBER(what) "!3 not a number: is not a number: " what
#define PHONE(what)  "!3 not a phone number: is not a phone number: " what
#define FAILED                                                                                                                 \
    "!3 damaged by a spreadsheet: is what a spreadsheet shows where a formula has failed or a column is too narrow"
#define POWER        "!3 damaged by a spreadsheet: was written by a spreadsheet as a power of ten, and has lost digits"

static const struct mapping_field email = {.type = MAPPING_EMAIL};
static const struct mapping_field number = {.type = MAPPING_NUMBER};
static const struct mapping_field phone = {.type = MAPPING_PHONE};

#define A16 "aaaaaaaaaaaaaaaa"
#define A64 A16 A16 A16 A16

static const struct sample emails[] = {
    {"", "="},
    {"anna@example.com", "=anna@example.com"},
    {"Anna.O'Neill+shop_1@mail.Example.CO.UK", "=Anna.O'Neill+shop_1@mail.Example.CO.UK"},
    {"!#$%&'*+/=?^_`{|}~-@a-b.xy", "=!#$%&'*+/=?^_`{|}~-@a-b.xy"},
    {"x@1.a1.museum", "=x@1.a1.museum"},
    {A64 "@example.com", "=" A64 "@example.com"},
    {"jörg@müller.de", "=jörg@müller.de"},
    {"a@üüüüüüüüüüüüüüüüüüüüüüüüüüüüüüüüüüüü.de", "=a@üüüüüüüüüüüüüüüüüüüüüüüüüüüüüüüüüüüü.de"},
    {"用户@例子.公司", "=用户@例子.公司"},
    {"a@xn--mller-kva.xn--p1ai", "=a@xn--mller-kva.xn--p1ai"},
    {"anna", EMAIL("it has no @")},
    {"anna＠example.com", EMAIL("its @ is a wide one")},
    {"anna@@example.com", EMAIL("it has two @")},
    {"a@b@c@example.com", EMAIL("it has more than two @")},
    {"a@b.com, c@d.com", EMAIL("it has more than one @: are these several addresses?")},
    {"a@b.com;c@d.com", EMAIL("it has more than one @: are these several addresses?")},
    {"Anna <anna@example.com>", EMAIL("it is in angle brackets")},
    {"@example.com", EMAIL("nothing stands before the @")},
    {"anna@", EMAIL("nothing stands behind the @")},
    {"@", EMAIL("nothing stands before the @")},
    {".anna@example.com", EMAIL("it begins with a dot")},
    {"anna.@example.com", EMAIL("a dot stands before the @")},
    {"anna..b@example.com", EMAIL("it has two dots in a row")},
    {"anna@example..com", EMAIL("it has two dots in a row")},
    {"anna@.example.com", EMAIL("the domain begins with a dot")},
    {"anna@example.com.", EMAIL("the domain ends with a dot")},
    {"anna@localhost", EMAIL("the domain has no dot")},
    {"anna@example.c", EMAIL("its domain ends with a single character")},
    {"anna@10.0.0.1", EMAIL("its domain ends with a single character")},
    {"anna@192.168.0.10", EMAIL("its domain ends with a number")},
    {"anna@example.c0m", EMAIL("no top-level domain is like that of its domain")},
    {"anna@-example.com", EMAIL("a part of its domain begins or ends with a hyphen")},
    {"anna@example-.com", EMAIL("a part of its domain begins or ends with a hyphen")},
    {" anna@example.com", EMAIL("it begins with a space")},
    {"anna@example.com\xC2\xA0", EMAIL("it ends with a space")},
    {"an na@example.com", EMAIL("it has a space in it")},
    {"anna@exam\xE2\x80\x8Bple.com", EMAIL("it has a character in it that is not seen")},
    {"anna@example,com", EMAIL("it has a comma in it")},
    {"anna@example.com;", EMAIL("it has a semicolon in it")},
    {"\"anna b\"@example.com", EMAIL("it has quotes in it")},
    {"anna@[10.0.0.1]", EMAIL("its domain has the character \"[\"")},
    {"anna@ex_ample.com", EMAIL("its domain has the character \"_\"")},
    {"mailto:anna@example.com", EMAIL("before the @ is the character \":\"")},
    {"an\xE9@example.com", EMAIL("it is not UTF-8")},
    {"an\x7F@example.com", EMAIL("before the @ is the character \"\\x7F\"")},
    {A64 "a@example.com", EMAIL("more than 64 bytes stand before the @")},
    {"a@" A64 ".com", EMAIL("a part of its domain is longer than 63 characters")},
    {"#N/A", FAILED},
};

static void an_address_is_refused_with_its_reason(void **state)
{
    (void)state;
    check_samples(&email, emails);
}

static struct csv_slice slice(const char *text)
{
    return (struct csv_slice){text, strlen(text)};
}

static void the_service_takes_no_address_of_more_than_320_bytes(void **state)
{
    (void)state;
    char text[400];
    snprintf(text, sizeof text, "%s@%s.%s.%s.%s.com", A64, A64 + 1, A64 + 1, A64 + 1, A64 + 9);
    assert_null(email_problem(slice(text)).what);
    snprintf(text, sizeof text, "a@%s.%s.%s.%s.com", A64 + 1, A64 + 1, A64 + 1, A64 + 1);
    assert_string_equal(email_problem(slice(text)).what, "the domain is longer than 255 bytes");
    memset(text, 'a', sizeof text);
    text[320] = '@';
    text[321] = '\0';
    assert_string_equal(email_problem(slice(text)).what, "it is longer than 320 bytes");
}

/* All short texts of the characters that matter, and random longer ones: whatever passes at once would pass the long way. */
static void no_bad_address_takes_the_short_way(void **state)
{
    (void)state;
    static const char alphabet[] = "ab1-._@ +\xC3\xA9";
    const size_t letters = sizeof alphabet - 1;
    size_t plain = 0;
    char text[12];
    for (size_t len = 1; len <= 6; len++) {
        size_t all = 1;
        for (size_t i = 0; i < len; i++)
            all *= letters;
        for (size_t n = 0; n < all; n++) {
            size_t rest = n;
            for (size_t i = 0; i < len; i++, rest /= letters)
                text[i] = alphabet[rest % letters];
            struct csv_slice address = {text, len};
            if (!email_is_plain(address))
                continue;
            plain++;
            if (email_problem(address).what)
                fail_msg("\"%.*s\" passes, but %s", (int)len, text, email_problem(address).what);
        }
    }
    assert_true(plain > 50);
}

static const struct sample numbers[] = {
    {"", "="},
    {"0", "=0"},
    {"-12.50", "=-12.50"},
    {"+7", "=+7"},
    {".5", "=.5"},
    {"5.", "=5."},
    {"00123456789012345678901234567890", "=00123456789012345678901234567890"},
    {"12,50", NUMBER("it has a comma: is it a decimal comma?")},
    {"1,234.56", NUMBER("it has a comma: are thousands set apart?")},
    {"1,234,567", NUMBER("it has a comma: are thousands set apart?")},
    {"1.234.567", NUMBER("it has more than one point")},
    {"1 234", NUMBER("it has a space in it")},
    {"1\xC2\xA0"
     "234",
     NUMBER("it has a space in it")},
    {" 12", NUMBER("it has a space at its start or end")},
    {"12 ", NUMBER("it has a space at its start or end")},
    {"--5", NUMBER("a sign stands where none can")},
    {"5-", NUMBER("a sign stands where none can")},
    {"-", NUMBER("it has no digits")},
    {".", NUMBER("it has no digits")},
    {"(12.50)", NUMBER("it is in parentheses: is it an amount below zero?")},
    {"12%", NUMBER("it has a percent sign")},
    {"$12", NUMBER("it has the sign of a currency")},
    {"£12", NUMBER("it has the sign of a currency")},
    {"12 €", NUMBER("it has a space in it")},
    {"€12", NUMBER("it has the sign of a currency")},
    {"−12", NUMBER("its minus sign is not the one of ASCII")},
    {"١٢", NUMBER("its digits are not those of ASCII")},
    {"NaN", NUMBER("it has the character \"N\"")},
    {"0x1F", NUMBER("it has the character \"x\"")},
    {"1\xFF", NUMBER("it has the character \"\\xFF\"")},
    {"1.5E-05", NUMBER("it is written as a power of ten")},
    {"4.4E+11", POWER},
    {"4,4E+11", POWER},
    {"1e5", POWER},
    {"#DIV/0!", FAILED},
    {"#VALUE!", FAILED},
    {"######", FAILED},
};

static void a_number_is_refused_with_its_reason(void **state)
{
    (void)state;
    check_samples(&number, numbers);
}

static const struct sample phones[] = {
    {"", "="},
    {"+44 (0)20 7946-0000", "=+44 (0)20 7946-0000"},
    {"020.7946/0000", "=020.7946/0000"},
    {"０２０", "=０２０"},
    {"020\xC2\xA0"
     "7946",
     "=020\xC2\xA0"
     "7946"},
    {"07700 90O123", PHONE("it contains the letter O")},
    {"07700 90Ö123", PHONE("it contains the letter Ö")},
    {"0770;123", PHONE("it contains the character ;")},
    {"0770\xFF", PHONE("it contains the byte \\xFF")},
    {"n/a", PHONE("it contains the letter n")},
    {"-", PHONE("it has no digits")},
    {"4.4E+11", POWER},
    {"447400123456.0", "!3 damaged by a spreadsheet: was written by a spreadsheet or a program as a number with decimals"},
    {"#REF!", FAILED},
};

static void a_phone_number_that_is_no_such_is_refused(void **state)
{
    (void)state;
    check_samples(&phone, phones);
}

static void a_power_of_ten_is_damage_in_what_names_something_only(void **state)
{
    (void)state;
    static const struct sample text[] = {
        {"4.4E+11", "=4.4E+11"}, {"#NAME?", FAILED}, {"#1 Main St", "=#1 Main St"}, {"###", "=###"}};
    static const struct sample id[] = {
        {"4.4E+11", POWER}, {"4.4E-11", "=4.4E-11"}, {"E+11", "=E+11"}, {"12E", "=12E"}, {"1E+", "=1E+"}};
    check_samples(&(struct mapping_field){.type = MAPPING_STRING}, text);
    check_samples(&(struct mapping_field){.type = MAPPING_NAME}, text);
    check_samples(&(struct mapping_field){.is_id = true}, id);
    check_samples(&(struct mapping_field){.is_key = true}, id);
}

static void a_value_is_too_long_by_its_characters(void **state)
{
    (void)state;
    static const struct sample short_ones[] = {{"äöüß", "=äöüß"},
                                               {"äöüßa", "!3 too long: has 5 characters, the service takes 4"},
                                               {"12345", "!3 too long: has 5 characters, the service takes 4"}};
    check_samples(&(struct mapping_field){.max_length = 4}, short_ones);
    char text[257] = {0};
    memset(text, 'x', 256);
    assert_string_equal(value_of(&(struct mapping_field){0}, text), "!3 too long: has 256 characters, the service takes 255");
    text[255] = '\0';
    assert_int_equal(*value_of(&(struct mapping_field){0}, text), '=');
}

static void a_value_that_is_wanted_and_empty_is_refused(void **state)
{
    (void)state;
    static const struct sample wanted[] = {
        {"", "!3 required and empty: is empty, and the mapping requires it"},
        {" \xC2\xA0", "!3 required and empty: is blank, and the mapping requires it"},
        {"é", "=é"},
    };
    static const struct sample key[] = {
        {"", "!3 unique key is empty: is empty, and it is the unique key"},
        {"  ", "!3 unique key is empty: is blank, and it is the unique key"},
    };
    check_samples(&(struct mapping_field){.required = true}, wanted);
    check_samples((&(struct mapping_field){.required = true, .is_key = true}), key);
    assert_string_equal(value_of(&(struct mapping_field){0}, " "), "= ");
}

static void every_class_has_a_name(void **state)
{
    (void)state;
    for (int i = 0; i < MAPPING_FAULT_CLASSES; i++)
        assert_true(mapping_fault_class_name((enum mapping_fault_class)i)[0]);
}

/* A step that finds nothing to replace makes a field go the long way, which must come to the same. */
static void expect_both_ways(struct mapping_field field, const char *text, size_t len)
{
    char direct[1024];
    strcpy(direct, value_of_bytes(&field, text, len));
    field.steps = &(const struct mapping_step){.kind = MAPPING_REPLACE, .text = "\x01", .with = "x"};
    field.step_count = 1;
    if (strcmp(direct, value_of_bytes(&field, text, len)) != 0)
        fail_msg("type %d of \"%.*s\": %s, with a step %s", (int)field.type, (int)len, text, direct,
                 value_of_bytes(&field, text, len));
}

static void a_field_without_steps_is_looked_at_no_less(void **state)
{
    (void)state;
    static const char alphabet[] = "1e+.#@a \xA0";
    const size_t letters = sizeof alphabet - 1;
    for (size_t n = 0, all = letters * letters * letters * letters; n < all; n++) {
        char text[4];
        size_t rest = n, len = n % 4 + (n % 5 > 0);
        for (size_t i = 0; i < sizeof text; i++, rest /= letters)
            text[i] = alphabet[rest % letters];
        for (int type = 0; type < MAPPING_TYPES; type++)
            expect_both_ways((struct mapping_field){.type = (enum mapping_type)type,
                                                    .required = n % 2,
                                                    .is_key = n % 3 == 0,
                                                    .is_id = n % 7 == 0,
                                                    .max_length = 1 + n % 11},
                             text, len);
    }
    for (int type = 0; type < MAPPING_TYPES; type++) {
        struct mapping_field field = {.type = (enum mapping_type)type, .is_id = true, .required = true};
        static const char *const texts[] = {"#N/A", "4.4E+11", "447E+09", "####", "#####", "a@b.cd", "#a@b.cd", "-12.5",
                                            "\t1",  "+1 (555) 014-0891", "5550140891.0", "() - +",  "1.2"};
        for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
            expect_both_ways(field, texts[i], strlen(texts[i]));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_address_is_refused_with_its_reason),
        cmocka_unit_test(the_service_takes_no_address_of_more_than_320_bytes),
        cmocka_unit_test(no_bad_address_takes_the_short_way),
        cmocka_unit_test(a_number_is_refused_with_its_reason),
        cmocka_unit_test(a_phone_number_that_is_no_such_is_refused),
        cmocka_unit_test(a_power_of_ten_is_damage_in_what_names_something_only),
        cmocka_unit_test(a_value_is_too_long_by_its_characters),
        cmocka_unit_test(a_value_that_is_wanted_and_empty_is_refused),
        cmocka_unit_test(a_field_without_steps_is_looked_at_no_less),
        cmocka_unit_test(every_class_has_a_name),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
