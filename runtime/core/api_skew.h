/* api_skew: the difference between this machine's clock and the service's, which signatures are dated by. Rules: AWS SDKs,
 * "clock skew correction". */
#ifndef UPJOB_CORE_API_SKEW_H
#define UPJOB_CORE_API_SKEW_H

#include <stdbool.h>

#include "core/http.h"

/* False when AWS_DISABLE_CLOCK_SKEW_CORRECTION is true. */
bool api_skew_enabled(void);
/* Whether an error's code can come of a clock that is wrong. */
bool api_skew_is_suspected(const char *code);
/* From the reply's Date: *offset, in seconds to add to this machine's clock, is what it was when it serves (false), or a new one
 * when the corrected clock is more than four minutes off (true). A reply out of a cache (Age) or of a round trip over fifteen
 * minutes tells nothing. */
bool api_skew_learn(const struct http_response *response, double *offset);

#endif
