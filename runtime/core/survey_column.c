#include "core/survey_column.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "core/utf8.h"

bool survey_gathered_init(struct survey_gathered *gathered, struct survey_column *column, struct unique_budget *budget,
                          struct err *err)
{
    gathered->column = column;
    gathered->stride = 1;
    gathered->unique = unique_new(budget, err);
    return gathered->unique;
}

void survey_gathered_free(struct survey_gathered *gathered)
{
    unique_free(gathered->unique);
    free(gathered->values);
    free(gathered->samples);
}

static void keep_text(struct survey_text *text, struct csv_slice value, long line)
{
    size_t len = value.len;
    if (len > sizeof text->bytes)
        len = utf8_prefix(value.data, len, sizeof text->bytes / 4);
    text->line = line;
    text->len = len;
    memcpy(text->bytes, value.data, len);
}

static void count_kinds(struct survey_column *column, const struct survey_value *value, long line)
{
    for (int i = 0; i < SURVEY_KINDS; i++) {
        if (value->kinds & 1u << i) {
            column->kinds[i]++;
            continue;
        }
        uint64_t misfits = column->filled - column->kinds[i];
        if (misfits < SURVEY_MISFITS)
            keep_text(&column->misfits[i][misfits], value->inner, line);
    }
    for (int i = 0; i < SURVEY_TRAITS; i++)
        if (value->traits & 1u << i) {
            if (column->traits[i]++ == 0)
                column->trait_lines[i] = line;
        }
    for (int i = 0; value->dates && i < SURVEY_FORMATS_MOST; i++)
        column->dates[i] += value->dates >> i & 1;
    if (value->chars > column->max_chars)
        column->max_chars = value->chars;
}

/* ---- the few values that a column has ---- */

static bool keep_value(struct survey_gathered *gathered, const struct survey_value *value, uint64_t hash, long line, struct err *err)
{
    struct survey_column *column = gathered->column;
    if (column->value_count > SURVEY_VALUES)
        return true;
    if (!gathered->values) {
        gathered->values = calloc(SURVEY_VALUES, sizeof *gathered->values);
        if (!gathered->values)
            return err_set(err, ERR_MEMORY, "no memory for the values of a column");
    }
    for (size_t i = 0; i < column->value_count; i++)
        if (gathered->values[i].hash == hash) {
            gathered->values[i].count++;
            return true;
        }
    if (column->value_count++ == SURVEY_VALUES) {
        free(gathered->values);
        gathered->values = NULL;
        return true;
    }
    struct survey_common *common = &gathered->values[column->value_count - 1];
    common->count = 1;
    common->hash = hash;
    keep_text(&common->text, value->inner, line);
    return true;
}

/* ---- samples of phone numbers ---- */

/* Every second one goes, and from now on half as many are kept. */
static void thin_samples(struct survey_gathered *gathered)
{
    for (size_t i = 0; i < SURVEY_SAMPLES / 2; i++)
        memcpy(gathered->samples[i], gathered->samples[2 * i], SURVEY_SAMPLE);
    gathered->column->sample_count = SURVEY_SAMPLES / 2;
    gathered->stride *= 2;
}

static bool keep_sample(struct survey_gathered *gathered, const struct survey_value *value, struct err *err)
{
    struct survey_column *column = gathered->column;
    if (!(value->kinds & 1u << SURVEY_PHONE) && !(value->traits & 1u << SURVEY_DIGITS))
        return true;
    if (gathered->candidates++ % gathered->stride != 0 || value->inner.len >= SURVEY_SAMPLE)
        return true;
    if (!gathered->samples) {
        gathered->samples = calloc(SURVEY_SAMPLES, SURVEY_SAMPLE);
        if (!gathered->samples)
            return err_set(err, ERR_MEMORY, "no memory for samples of a column");
    }
    char *sample = gathered->samples[column->sample_count++];
    memcpy(sample, value->inner.data, value->inner.len);
    sample[value->inner.len] = '\0';
    if (column->sample_count == SURVEY_SAMPLES)
        thin_samples(gathered);
    return true;
}

/* ---- how many different values there are, about: HyperLogLog (Flajolet and others, 2007) ---- */

static void register_value(struct survey_gathered *gathered, uint64_t hash)
{
    uint64_t rest = hash >> SURVEY_REGISTERS_LOG;
    uint8_t rank = (uint8_t)(rest ? __builtin_ctzll(rest) + 1 : 64 - SURVEY_REGISTERS_LOG + 1);
    uint8_t *slot = &gathered->registers[hash & (SURVEY_REGISTERS - 1)];
    if (rank > *slot)
        *slot = rank;
}

static uint64_t estimate(const struct survey_gathered *gathered)
{
    const double m = SURVEY_REGISTERS, alpha = 0.7213 / (1 + 1.079 / m);
    double sum = 0;
    unsigned zeros = 0;
    for (size_t i = 0; i < SURVEY_REGISTERS; i++) {
        sum += ldexp(1, -gathered->registers[i]);
        zeros += gathered->registers[i] == 0;
    }
    double raw = alpha * m * m / sum;
    if (raw <= 2.5 * m && zeros > 0)
        raw = m * log(m / zeros);
    return (uint64_t)(raw + 0.5);
}

bool survey_gather(struct survey_gathered *gathered, const struct survey_value *value, const uint64_t hash[2], long line,
                   struct err *err)
{
    count_kinds(gathered->column, value, line);
    gathered->column->filled++;
    register_value(gathered, hash[1]);
    return keep_value(gathered, value, hash[0], line, err) && keep_sample(gathered, value, err) &&
           unique_add(gathered->unique, hash, line, err);
}

void survey_gathered_finish(struct survey_gathered *gathered)
{
    struct survey_column *column = gathered->column;
    column->unique = *unique_counts(gathered->unique);
    column->values = gathered->values;
    column->samples = (const char (*)[SURVEY_SAMPLE])gathered->samples;
    if (column->value_count <= SURVEY_VALUES)
        column->distinct = column->value_count;
    else if (column->unique.state == UNIQUE_MEASURED)
        column->distinct = column->unique.values - column->unique.repeated;
    else
        column->distinct = estimate(gathered);
}
