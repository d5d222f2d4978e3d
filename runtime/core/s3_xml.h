/* s3_xml: the texts in an error document of S3 (Amazon S3, "Error responses"), which may come from anybody. Private to core. */
#ifndef UPJOB_CORE_S3_XML_H
#define UPJOB_CORE_S3_XML_H

#include <stddef.h>

#include "core/redact_values.h"

/* The text between <name> and </name> in `xml` (may be NULL), references resolved and secrets taken out before it is cut to
 * `size`, without characters that steer a terminal; "" when there is none. `secrets` are values that must not be shown. */
void s3_xml_text(const char *xml, const char *name, const struct redact_values *secrets, char *out, size_t size);

#endif
