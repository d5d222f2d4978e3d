/* What a cell looks like. */
#include "core/survey_value.h"

#include "tests/fuzz/fuzz.h"

static bool has(uint32_t set, unsigned bit) { return set >> bit & 1; }

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct survey_look *look;
    struct survey_value value;
    struct err err;
    err_clear(&err);
    if (!look)
        look = survey_look_new(&err);
    REQUIRE(look, "%s", err.message);
    char *text = copy_bytes(data, size);
    struct csv_slice cell = {text, size};
    bool filled = survey_look_at(look, cell, &value);
    struct csv_slice inner = survey_inner(cell);
    REQUIRE(filled == (inner.len > 0), "%zu bytes", inner.len);
    REQUIRE(inner.len == 0 || (inner.data >= text && inner.data + inner.len <= text + size), "outside of the cell");
    REQUIRE(has(value.traits, SURVEY_SPACES) == (inner.len < size), "spaces");
    REQUIRE(has(value.kinds, SURVEY_DATE) == (value.dates != 0), "a date of no format");
    bool number = has(value.traits, SURVEY_INTEGER) || has(value.traits, SURVEY_DECIMAL);
    REQUIRE(has(value.kinds, SURVEY_NUMBER) == number, "a number of no form");
    REQUIRE(!has(value.kinds, SURVEY_PHONE) || !value.dates, "a phone number that is a date");
    REQUIRE(value.chars <= size, "%zu characters of %zu bytes", value.chars, size);
    free(text);
    return 0;
}
