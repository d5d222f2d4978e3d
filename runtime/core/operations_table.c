/* The rows of the operations: Customer Profiles, API version 2020-08-15, from the public service model. */
#include "core/operations_table.h"

#include "core/operations/shared.inc"

#include "core/operations/calculated_attributes.inc"
#include "core/operations/domains.inc"
#include "core/operations/events.inc"
#include "core/operations/integrations.inc"
#include "core/operations/matching.inc"
#include "core/operations/object_types.inc"
#include "core/operations/profiles.inc"
#include "core/operations/recommenders.inc"
#include "core/operations/segments.inc"
#include "core/operations/upload_jobs.inc"

/* Creations whose names the service makes up have no idempotency token: sent twice, they make two. The others may be
 * sent again. */
const struct operation operations_table[] = {
#include "core/operations/rows.inc"
};
const size_t operations_count = sizeof operations_table / sizeof *operations_table;
