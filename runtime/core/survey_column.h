/* survey_column: what is counted of one column while the rows go by. */
#ifndef UPJOB_CORE_SURVEY_COLUMN_H
#define UPJOB_CORE_SURVEY_COLUMN_H

#include "core/survey.h"

/* Of the estimate of distinct values: 2^10 registers are right within 3 % two times in three. */
#define SURVEY_REGISTERS_LOG 10
#define SURVEY_REGISTERS     (1u << SURVEY_REGISTERS_LOG)

struct survey_gathered {
    struct survey_column *column;
    struct unique *unique;
    uint64_t stride, candidates; /* of samples: every stride-th candidate is kept */
    struct survey_common *values;
    char (*samples)[SURVEY_SAMPLE];
    uint8_t registers[SURVEY_REGISTERS];
};

bool survey_gathered_init(struct survey_gathered *gathered, struct survey_column *column, struct unique_budget *budget,
                          struct err *err) MUST_CHECK;
void survey_gathered_free(struct survey_gathered *gathered);
/* A value that is not blank, with its hash. */
bool survey_gather(struct survey_gathered *gathered, const struct survey_value *value, const uint64_t hash[2], long line,
                   struct err *err) MUST_CHECK;
/* All values have come, and the steps of `unique` are done. */
void survey_gathered_finish(struct survey_gathered *gathered);

#endif
