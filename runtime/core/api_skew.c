#include "core/api_skew.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define TOLERATED 240.0  /* seconds */
#define LONGEST_TRIP 900.0 /* seconds */

bool api_skew_enabled(void)
{
    const char *off = getenv("AWS_DISABLE_CLOCK_SKEW_CORRECTION");
    return !off || strcasecmp(off, "true") != 0;
}

bool api_skew_is_suspected(const char *code)
{
    static const char *const codes[] = {"AuthFailure",       "InvalidSignatureException", "RequestExpired",
                                        "RequestInTheFuture", "RequestTimeTooSkewed",      "SignatureDoesNotMatch"};
    for (size_t i = 0; i < sizeof codes / sizeof *codes; i++)
        if (strcmp(codes[i], code) == 0)
            return true;
    return false;
}

bool api_skew_learn(const struct http_response *response, double *offset)
{
    const char *date = http_response_header(response, "Date");
    if (!date || http_response_header(response, "Age") || response->ended - response->started > LONGEST_TRIP)
        return false;
    double server = http_date(date);
    double middle = (response->started + response->ended) / 2;
    if (server < 0 || fabs(server - (middle + *offset)) <= TOLERATED)
        return false;
    *offset = server - middle;
    return true;
}
