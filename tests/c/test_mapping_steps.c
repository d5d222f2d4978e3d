/* What each step does, alone. */
#include "tests/c/mapping_values.h"

static void blanks_of_unicode_are_trimmed(void **state)
{
    (void)state;
    static const struct sample samples[] = {
        {"", "="},
        {"a", "=a"},
        {" a b\t\r\n", "a b"},
        {"\xC2\xA0"
         "a\xE3\x80\x80",
         "a"},
        {"\xEF\xBB\xBF\xE2\x80\x8B"
         "a\xE2\x80\xAC\xE2\x80\x8F",
         "a"},
        {"   ", ""},
        {"\xE2\x80\x89", ""},
        {"é", "=é"},
        {" \xFF\x80 ", "\xFF\x80"},
        {"a\x80\x80\x80\x80", "=a\x80\x80\x80\x80"},
        {"\xA0", "=\xA0"},
    };
    check_samples((FIELD(STEPS({.kind = MAPPING_TRIM}))), samples);
}

static void letters_change_their_case(void **state)
{
    (void)state;
    static const struct sample lower[] = {
        {"", "="},        {"abc 1", "=abc 1"}, {"Abc", "abc"},           {"ÄÖÜ ß ẞ", "äöü ß ß"}, {"ПРИВЕТ", "привет"},
        {"ΟΔΟΣ", "οδοσ"}, {"ȺB", "ⱥb"},        {"ȺȺȺȺȺȺȺȺ", "ⱥⱥⱥⱥⱥⱥⱥⱥ"}, {"A\xFFZ", "a\xFFz"},   {"𐐀", "𐐨"}};
    static const struct sample upper[] = {{"ABC", "=ABC"}, {"straße", "STRAßE"}, {"élan", "ÉLAN"},
                                          {"ÿ", "Ÿ"},      {"ı", "I"},           {"\xC3", "=\xC3"}};
    static const struct sample title[] = {{"anna", "Anna"},
                                          {"ANNA-LENA müller", "Anna-Lena Müller"},
                                          {"o'neill", "O'Neill"},
                                          {"d’ARCY", "D’Arcy"},
                                          {"mother's", "Mother's"},
                                          {"McDonald", "Mcdonald"},
                                          {"van der berg", "Van Der Berg"},
                                          {"élodie", "Élodie"},
                                          {"3rd st.", "3rd St."},
                                          {"Anna", "=Anna"},
                                          {"j.r. smith", "J.R. Smith"},
                                          {"a\xC2\xA0"
                                           "b",
                                           "A\xC2\xA0"
                                           "B"},
                                          {"\xFF"
                                           "ab",
                                           "\xFF"
                                           "Ab"}};
    check_samples((FIELD(STEPS({.kind = MAPPING_LOWER}))), lower);
    check_samples((FIELD(STEPS({.kind = MAPPING_UPPER}))), upper);
    check_samples((FIELD(STEPS({.kind = MAPPING_TITLE}))), title);
}

static void letters_that_grow_have_room(void **state)
{
    (void)state;
    enum { MANY = 30000 };
    char *text = malloc(MANY * 2), *expected = malloc(MANY * 3);
    for (size_t i = 0; i < MANY; i++) {
        memcpy(text + i * 2, "Ⱥ", 2);
        memcpy(expected + i * 3, "ⱥ", 3);
    }
    struct mapping_field field = {.key = "k", .columns = LIST("c"), .max_length = MANY, STEPS({.kind = MAPPING_LOWER})};
    struct mapping *mapping = bound(&field, 1, NULL, NULL);
    struct csv_slice cells[] = {{"a", 1}, {"b", 1}, {text, MANY * 2}}, value;
    struct csv_row row = row_of(cells, 3);
    struct mapping_arena arena = {0};
    struct mapping_fault fault;
    struct err err;
    assert_int_equal(mapping_value(mapping, &arena, 0, &row, &value, &fault, &err), MAPPING_CHANGED);
    assert_int_equal(value.len, MANY * 3);
    assert_memory_equal(value.data, expected, MANY * 3);
    mapping_free(mapping);
    mapping_arena_free(&arena);
    free(text);
    free(expected);
}

static void digits_of_every_script_stay(void **state)
{
    (void)state;
    static const struct sample samples[] = {
        {"", "="},
        {"0123", "=0123"},
        {"+44 (0)20-7946", "4402079"
                           "46"},
        {"０１٢३", "0123"},
        {"𝟘𝟡🯹", "099"},
        {"abc", ""},
        {"1\xFF"
         "2",
         "12"},
        {"4.4E+11", "!3 damaged by a spreadsheet: was written by a spreadsheet as a power of ten, and has lost digits"},
    };
    check_samples((FIELD(STEPS({.kind = MAPPING_DIGITS}))), samples);
}

static void every_occurrence_is_replaced(void **state)
{
    (void)state;
    static const struct sample pairs[] = {{"aaa", "ba"}, {"aaaa", "bb"}, {"aa", "b"}, {"a", "=a"}};
    static const struct sample gone[] = {{"1,234,567", "1234567"}, {",", ""}};
    static const struct sample itself[] = {{"1,2", "=1,2"}};
    check_samples((FIELD(STEPS({.kind = MAPPING_REPLACE, .text = "aa", .with = "b"}))), pairs);
    check_samples((FIELD(STEPS({.kind = MAPPING_REPLACE, .text = ",", .with = ""}))), gone);
    check_samples((FIELD(STEPS({.kind = MAPPING_REPLACE, .text = ",", .with = ","}))), itself);
    static const struct sample longer[] = {{"", "="}, {"bcd", "=bcd"}, {"aa", "bcbc"}, {"xaxaax", "xbcxbcbcx"}};
    check_samples((FIELD(STEPS({.kind = MAPPING_REPLACE, .text = "a", .with = "bc"}))), longer);
}

static void a_replacement_cannot_eat_all_memory(void **state)
{
    (void)state;
    size_t len = (size_t)2 << 20;
    char *text = malloc(len), with[101];
    memset(text, 'a', len);
    memset(with, 'b', 100);
    with[100] = '\0';
    assert_string_equal(value_of_bytes(FIELD(STEPS({.kind = MAPPING_REPLACE, .text = "a", .with = with})), text, len),
                        "!3 too long: is too long when replace has been at it");
    free(text);
}

static void an_empty_value_has_its_default(void **state)
{
    (void)state;
    static const struct sample samples[] = {{"", "none"}, {"a", "=a"}, {" ", "none"}};
    static const struct sample before[] = {{" ", ""}, {"", "none"}};
    check_samples((FIELD(.required = true, STEPS({.kind = MAPPING_TRIM}, {.kind = MAPPING_DEFAULT, .text = "none"}))), samples);
    check_samples((FIELD(STEPS({.kind = MAPPING_DEFAULT, .text = "none"}, {.kind = MAPPING_TRIM}))), before);
}

static void parts_are_counted_from_both_ends(void **state)
{
    (void)state;
    static const struct {
        long part;
        struct sample sample;
    } samples[] = {
        {1, {"Anna Maria Smith", "Anna"}},
        {2, {"Anna Maria Smith", "Maria"}},
        {3, {"Anna Maria Smith", "Smith"}},
        {4, {"Anna Maria Smith", ""}},
        {-1, {"Anna Maria Smith", "Smith"}},
        {-3, {"Anna Maria Smith", "Anna"}},
        {-4, {"Anna Maria Smith", ""}},
        {1, {"Anna", "=Anna"}},
        {-1, {"Anna", "=Anna"}},
        {2, {"Anna", ""}},
        {-2, {"Anna", ""}},
        {1, {" Anna", ""}},
        {-1, {"Anna ", ""}},
        {2, {"a  b", ""}},
        {1, {"", "="}},
        {-1, {"", "="}},
        {1,
         {"#N/A",
          "!3 damaged by a spreadsheet: is what a spreadsheet shows where a formula has failed or a column is too narrow"}},
    };
    for (size_t i = 0; i < sizeof samples / sizeof *samples; i++)
        check_table(FIELD(STEPS({.kind = MAPPING_SPLIT, .text = " ", .number = samples[i].part})), &samples[i].sample, 1);
    assert_string_equal(value_of(FIELD(STEPS({.kind = MAPPING_SPLIT, .text = ", ", .number = -1})), "Smith, Anna"), "Anna");
    assert_string_equal(value_of(FIELD(STEPS({.kind = MAPPING_SPLIT, .text = "aa", .number = -1})), "aaa"), "a");
    assert_string_equal(value_of(FIELD(STEPS({.kind = MAPPING_SPLIT, .text = "aa", .number = 2})), "aaa"), "a");
}

static void a_value_is_looked_up(void **state)
{
    (void)state;
    static const struct mapping_pair pairs[] = {{"M", "Male"}, {"F", "Female"}, {"Other", "Other"}};
    static const struct mapping_pair empty[] = {{"", "unknown"}, {"#N/A", "none"}};
    struct mapping_step step = {.kind = MAPPING_LOOKUP, .pairs = pairs, .pair_count = 3};
    struct mapping_field field = {.steps = &step, .step_count = 1};
    static const struct sample refused[] = {{"M", "Male"},
                                            {"F", "Female"},
                                            {"Other", "=Other"},
                                            {"", "="},
                                            {"m", "!3 not in the lookup: is none of the lookup's values"},
                                            {"#REF!",
                                             "!3 damaged by a spreadsheet: is what a spreadsheet shows where a formula has "
                                             "failed or a column is too narrow"}};
    static const struct sample kept[] = {{"M", "Male"}, {"m", "=m"}, {"", "="}};
    static const struct sample with[] = {{"M", "Male"}, {"m", "?"}, {"", "="}};
    static const struct sample of_empty[] = {
        {"", "unknown"}, {"#N/A", "none"}, {"x", "!3 not in the lookup: is none of the lookup's values"}};
    check_samples(&field, refused);
    step.missing = MAPPING_MISSING_KEPT;
    check_samples(&field, kept);
    step.missing = MAPPING_MISSING_WITH;
    step.with = "?";
    check_samples(&field, with);
    step = (struct mapping_step){.kind = MAPPING_LOOKUP, .pairs = empty, .pair_count = 2};
    check_samples(&field, of_empty);
    step = (struct mapping_step){.kind = MAPPING_LOOKUP};
    check_table(&field, &of_empty[2], 1);
}

static void each_of_many_values_is_found(void **state)
{
    (void)state;
    enum { MANY = 5000 };
    struct mapping_pair *pairs = calloc(MANY, sizeof *pairs);
    char(*texts)[16] = calloc(MANY, sizeof *texts);
    for (size_t i = 0; i < MANY; i++) {
        snprintf(texts[i], sizeof texts[i], "%zu", i);
        pairs[i] = (struct mapping_pair){texts[i], texts[MANY - 1 - i]};
    }
    struct mapping_field field = {
        .key = "k", .columns = LIST("c"), STEPS({.kind = MAPPING_LOOKUP, .pairs = pairs, .pair_count = MANY})};
    struct mapping *mapping = bound(&field, 1, NULL, NULL);
    struct mapping_arena arena = {0};
    for (size_t i = 0; i < MANY; i++) {
        struct csv_slice cells[CELLS_MOST] = {[2] = {texts[i], strlen(texts[i])}};
        struct csv_row row = row_of(cells, 3);
        const char *seen = told(mapping, &arena, &row);
        assert_string_equal(seen, texts[MANY - 1 - i]);
    }
    mapping_free(mapping);
    mapping_arena_free(&arena);
    free(pairs);
    free(texts);
}

static void dates_are_given_as_iso_8601(void **state)
{
    (void)state;
    static const struct sample samples[] = {
        {"", "="},
        {"31.12.1999", "1999-12-31"},
        {"1999-12-31", "=1999-12-31"},
        {"12/31/1999", "!3 not a date: is not a date as DD.MM.YYYY or YYYY-MM-DD"},
        {"31.13.1999", "!3 not a date: is not a date: there is no such month"},
        {"30.02.2024", "!3 not a date: is not a date: the month has no such day"},
        {"45292", "!3 not a date: is not a date as DD.MM.YYYY or YYYY-MM-DD: it is a spreadsheet's count of days"},
        {"#VALUE!",
         "!3 damaged by a spreadsheet: is what a spreadsheet shows where a formula has failed or a column is too narrow"},
    };
    check_samples((FIELD(STEPS({.kind = MAPPING_DATE, .list = LIST("DD.MM.YYYY", "YYYY-MM-DD")}))), samples);
    assert_string_equal(value_of(FIELD(STEPS({.kind = MAPPING_DATE, .list = LIST("D.M.YYYY HH:mm")})), "1.2.2003 24:00"),
                        "!3 not a date: is not a date: there is no such time of day");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(blanks_of_unicode_are_trimmed),  cmocka_unit_test(letters_change_their_case),
        cmocka_unit_test(letters_that_grow_have_room),    cmocka_unit_test(digits_of_every_script_stay),
        cmocka_unit_test(every_occurrence_is_replaced),   cmocka_unit_test(a_replacement_cannot_eat_all_memory),
        cmocka_unit_test(an_empty_value_has_its_default), cmocka_unit_test(parts_are_counted_from_both_ends),
        cmocka_unit_test(a_value_is_looked_up),           cmocka_unit_test(each_of_many_values_is_found),
        cmocka_unit_test(dates_are_given_as_iso_8601),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
