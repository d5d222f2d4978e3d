/* Segments: plans made of SegmentGroups, held against documents. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "local/segment.h"

static char *names[] = {NULL, "FirstName", "Address.City", "Attributes.tier", "Attributes.a.b", "ProfileType"};
static const struct targets targets = {names, NULL, 6};

/* Definitions that sources are looked for among: name, SegmentGroups. */
static const char *const definitions[][2] = {
    {"gold", "{\"Groups\":[{\"Dimensions\":[{\"ProfileAttributes\":{\"Attributes\":{\"tier\":"
             "{\"DimensionType\":\"INCLUSIVE\",\"Values\":[\"gold\"]}}}}]}]}"},
    {"anns", "{\"Groups\":[{\"Dimensions\":[{\"ProfileAttributes\":{\"FirstName\":"
             "{\"DimensionType\":\"BEGINS_WITH\",\"Values\":[\"Ann\"]}}}]}]}"},
    {"both", "{\"Groups\":[{\"SourceSegments\":[{\"SegmentDefinitionName\":\"gold\"},{\"SegmentDefinitionName\":\"anns\"}]}]}"},
    {"ring", "{\"Groups\":[{\"SourceSegments\":[{\"SegmentDefinitionName\":\"back\"}]}]}"},
    {"back", "{\"Groups\":[{\"SourceSegments\":[{\"SegmentDefinitionName\":\"ring\"}]}]}"},
};

static cJSON *find(void *arg, const char *name, struct err *err)
{
    int *asked = arg;
    ++*asked;
    for (size_t i = 0; i < sizeof definitions / sizeof *definitions; i++)
        if (strcmp(definitions[i][0], name) == 0)
            return cJSON_Parse(definitions[i][1]);
    err_set(err, "BadRequestException", "there is no segment %s", name);
    return NULL;
}

static struct err error;
static int asked; /* sources that were looked for */

static struct segment_plan *make(const char *name, const char *json, const struct facts *facts)
{
    const struct segment_source source = {find, &asked};
    cJSON *groups = cJSON_Parse(json);
    if (!groups)
        fail_msg("not JSON: %s", json);
    asked = 0;
    err_clear(&error);
    struct segment_plan *plan = segment_plan_new(name, groups, facts, &source, &error);
    cJSON_Delete(groups);
    return plan;
}

/* A document of the values by their targets' numbers; NULL: there is none. */
static bool holds(struct segment_plan *plan, const char *const values[6])
{
    struct buf document;
    buf_init(&document, 65536);
    for (int i = 0; i < 6; i++)
        if (values[i])
            document_add(&document, i, values[i], strlen(values[i]));
    const struct csv_slice slice = {document.data ? document.data : "", document.len};
    bool has = segment_plan_has(plan, &slice);
    buf_free(&document);
    return has;
}

static bool selects_with(const struct facts *facts, const char *json, const char *const values[6])
{
    struct segment_plan *plan = make(NULL, json, facts);
    if (!plan)
        fail_msg("%s: %s", json, error.message);
    assert_true(segment_plan_bind(plan, &targets));
    bool has = holds(plan, values);
    assert_int_equal(holds(plan, values), has); /* nothing stays of the profile before */
    segment_plan_free(plan);
    return has;
}

static bool selects(const char *json, const char *const values[6])
{
    return selects_with(&facts_inferred, json, values);
}

#define ONE(attributes) "{\"Groups\":[{\"Dimensions\":[{\"ProfileAttributes\":{" attributes "}}]}]}"
#define RULE(kind, values) "{\"DimensionType\":\"" kind "\",\"Values\":[" values "]}"

static const char *const ann[6] = {NULL, "Ann", "Berlin", "gold", "dotted", NULL};
static const char *const nobody[6];

static void conditions_match_as_their_types_say(void **state)
{
    (void)state;
    static const struct {
        const char *rule;
        bool ann, nobody;
    } cases[] = {
        {RULE("INCLUSIVE", "\"Bob\",\"Ann\""), true, false},  {RULE("INCLUSIVE", "\"An\",\"Anna\",\"ann\""), false, false},
        {RULE("EXCLUSIVE", "\"Bob\",\"Ann\""), false, true},  {RULE("EXCLUSIVE", "\"Bob\",\"An\""), true, true},
        {RULE("CONTAINS", "\"x\",\"nn\""), true, false},      {RULE("CONTAINS", "\"Ann\""), true, false},
        {RULE("CONTAINS", "\"Ann \",\"aNN\""), false, false}, {RULE("BEGINS_WITH", "\"An\""), true, false},
        {RULE("BEGINS_WITH", "\"nn\",\"Anna\""), false, false}, {RULE("ENDS_WITH", "\"nn\""), true, false},
        {RULE("ENDS_WITH", "\"An\",\"AAnn\""), false, false},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char json[400];
        snprintf(json, sizeof json, ONE("\"FirstName\":%s"), cases[i].rule);
        if (selects(json, ann) != cases[i].ann || selects(json, nobody) != cases[i].nobody)
            fail_msg("%s: not as it says", cases[i].rule);
    }
}

static void attributes_are_found_by_their_names(void **state)
{
    (void)state;
    assert_true(selects(ONE("\"Address\":{\"City\":" RULE("INCLUSIVE", "\"Berlin\"") "}"), ann));
    assert_false(selects(ONE("\"ShippingAddress\":{\"City\":" RULE("INCLUSIVE", "\"Berlin\"") "}"), ann));
    assert_true(selects(ONE("\"Attributes\":{\"a.b\":" RULE("INCLUSIVE", "\"dotted\"") "}"), ann));
    assert_false(selects(ONE("\"Attributes\":{\"FirstName\":" RULE("INCLUSIVE", "\"Ann\"") "}"), ann));
    assert_false(selects(ONE("\"LastName\":" RULE("INCLUSIVE", "\"Ann\"")), ann));
    /* Of one attribute in two dimensions each has its say. */
    assert_false(selects("{\"Groups\":[{\"Dimensions\":[{\"ProfileAttributes\":{\"FirstName\":" RULE("INCLUSIVE", "\"Ann\"") "}},"
                         "{\"ProfileAttributes\":{\"FirstName\":" RULE("EXCLUSIVE", "\"Ann\"") "}}]}]}", ann));
}

static void a_value_that_is_absent_or_empty_is_none(void **state)
{
    (void)state;
    const char *const empty[6] = {NULL, "", NULL, NULL, NULL, NULL};
    assert_true(selects(ONE("\"FirstName\":" RULE("EXCLUSIVE", "\"Ann\"")), empty));
    struct facts bent = facts_inferred;
    bent.exclusive_takes_absent = false;
    assert_false(selects_with(&bent, ONE("\"FirstName\":" RULE("EXCLUSIVE", "\"Ann\"")), empty));
    assert_true(selects(ONE("\"ProfileType\":" RULE("INCLUSIVE", "\"PROFILE\"")), nobody));
    assert_false(selects(ONE("\"ProfileType\":" RULE("EXCLUSIVE", "\"PROFILE\"")), nobody));
    assert_true(selects(ONE("\"ProfileType\":" RULE("EXCLUSIVE", "\"ACCOUNT_PROFILE\"")), nobody));
}

static void case_counts_unless_it_is_bent(void **state)
{
    (void)state;
    const char *const zoe[6] = {NULL, "ZOË", NULL, NULL, NULL, NULL};
    struct facts bent = facts_inferred;
    bent.segment_case_counts = false;
    const char *json = ONE("\"FirstName\":" RULE("ENDS_WITH", "\"Oë\""));
    assert_false(selects(json, zoe));
    assert_true(selects_with(&bent, json, zoe));
}

static void a_longer_value_than_can_be_folded_does_no_harm(void **state)
{
    (void)state;
    char *text = malloc(20001);
    memset(text, 'A', 20000);
    text[20000] = '\0';
    const char *const values[6] = {NULL, text, NULL, NULL, NULL, NULL};
    struct facts bent = facts_inferred;
    bent.segment_case_counts = false;
    assert_true(selects_with(&bent, ONE("\"FirstName\":" RULE("BEGINS_WITH", "\"aa\"")), values));
    free(text);
}

static void a_source_is_read_once_however_often_it_is_drawn_on(void **state)
{
    (void)state;
    const char *json = "{\"Include\":\"ANY\",\"Groups\":[{\"SourceSegments\":[{\"SegmentDefinitionName\":\"both\"}]},"
                       "{\"SourceType\":\"NONE\",\"SourceSegments\":[{\"SegmentDefinitionName\":\"gold\"},"
                       "{\"SegmentDefinitionName\":\"anns\"}]}]}";
    const char *const silver[6] = {NULL, "Anna", NULL, "silver", NULL, NULL};
    assert_true(selects(json, ann));
    assert_int_equal(asked, 3);
    assert_false(selects(json, silver));
    assert_true(selects(json, nobody));
}

static void expect_refusal(const char *name, const char *json, int status, const char *message)
{
    struct segment_plan *plan = make(name, json, &facts_inferred);
    assert_null(plan);
    if (strcmp(error.message, message) != 0 || (status && error.status != status))
        fail_msg("%d %s, not %d %s", error.status, error.message, status, message);
}

static void refusals_name_what_and_show_no_value(void **state)
{
    (void)state;
    expect_refusal("x", ONE("\"Attributes\":{\"age\":" RULE("GREATER_THAN", "\"18\"") "}"), 501,
                   "SegmentGroups.Groups[1].Dimensions[1].ProfileAttributes.Attributes.age of DimensionType GREATER_THAN"
                   " is not evaluated by this embedded service.");
    expect_refusal(NULL, ONE("\"FirstName\":" RULE("INCLUSIVE", "\"a\"") ",\"BirthDate\":" RULE("ON", "\"1970-01-01\"")), 501,
                   "SegmentQuery.Groups[1].Dimensions[1].ProfileAttributes.BirthDate is not evaluated by this embedded service.");
    expect_refusal("x", "{\"Groups\":[{},{\"Dimensions\":[{\"CalculatedAttributes\":{}}]}]}", 501,
                   "SegmentGroups.Groups[2].Dimensions[1].CalculatedAttributes is not evaluated by this embedded service.");
    expect_refusal("x", ONE("\"Address\":{\"City\":null}"), 400,
                   "SegmentGroups.Groups[1].Dimensions[1].ProfileAttributes names no attribute.");
    expect_refusal("x", "{\"Groups\":[{\"SourceSegments\":[{\"SegmentDefinitionName\":\"none\"}]}]}", 0, "there is no segment none");
    expect_refusal("x", "{\"Groups\":[{\"SourceSegments\":[{\"SegmentDefinitionName\":\"ring\"}]}]}", 400,
                   "Segment ring draws on itself through its SourceSegments.");
    expect_refusal("anns", definitions[2][1], 400, "Segment anns draws on itself through its SourceSegments.");
}

static void a_plan_serves_one_store_after_the_other(void **state)
{
    (void)state;
    static char *others[] = {"Attributes.tier", "FirstName"};
    const struct targets fewer = {others, NULL, 2};
    struct segment_plan *plan = make(NULL, ONE("\"FirstName\":" RULE("INCLUSIVE", "\"Ann\"")), &facts_inferred);
    assert_non_null(plan);
    assert_true(segment_plan_bind(plan, &targets));
    assert_true(holds(plan, ann));
    assert_true(segment_plan_bind(plan, &fewer));
    const char *const there[6] = {"gold", "Ann", NULL, NULL, NULL, NULL}, *const elsewhere[6] = {"Ann", NULL, "Ann", NULL, NULL, NULL};
    assert_true(holds(plan, there));
    assert_false(holds(plan, elsewhere));
    segment_plan_free(plan);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(conditions_match_as_their_types_say),
        cmocka_unit_test(attributes_are_found_by_their_names),
        cmocka_unit_test(a_value_that_is_absent_or_empty_is_none),
        cmocka_unit_test(case_counts_unless_it_is_bent),
        cmocka_unit_test(a_longer_value_than_can_be_folded_does_no_harm),
        cmocka_unit_test(a_source_is_read_once_however_often_it_is_drawn_on),
        cmocka_unit_test(refusals_name_what_and_show_no_value),
        cmocka_unit_test(a_plan_serves_one_store_after_the_other),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
