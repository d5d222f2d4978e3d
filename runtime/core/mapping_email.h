/* mapping_email: e-mail addresses that mail can be sent to: what RFC 5321 and 6531 allow without quotes or address literals, at
 * a domain with a top-level domain. Letters outside ASCII may stand on both sides of the @.
 */
#ifndef UPJOB_CORE_MAPPING_EMAIL_H
#define UPJOB_CORE_MAPPING_EMAIL_H

#include "core/csv.h"

#define EMAIL_MAX_BYTES  320
#define EMAIL_LOCAL_MAX  64  /* before the @ */
#define EMAIL_DOMAIN_MAX 255 /* bytes behind the @ */
#define EMAIL_LABEL_MAX  63  /* between its dots, where it is ASCII */

/* True for most addresses that are good, in ASCII, in one pass. False says nothing. */
bool email_is_plain(struct csv_slice address);

struct email_problem {
    const char *what; /* "it has no @"; NULL: the address is good */
    const char *hint;
    size_t at; /* where the character is that `what` speaks of, else the length */
};
struct email_problem email_problem(struct csv_slice address);

#endif
