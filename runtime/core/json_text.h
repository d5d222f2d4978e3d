/* json_text: JSON as text in which every number reads back as the one it is.
 *
 * cJSON writes 15 digits where these come near enough to its mind, so that 9007199254740991 becomes …990 and
 * 0.1 + 0.2 becomes 0.3; here these are written with the 16 or 17 digits that they need.
 */
#ifndef UPJOB_CORE_JSON_TEXT_H
#define UPJOB_CORE_JSON_TEXT_H

#include <cjson/cJSON.h>
#include <stdbool.h>

#include "core/err.h"

/* The text of `tree`, to be freed with cJSON_free; NULL when memory is out. */
char *json_text(const cJSON *tree, bool pretty) MUST_CHECK;

#endif
