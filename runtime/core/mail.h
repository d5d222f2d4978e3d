/* mail: a message of plain text as RFC 5322 and MIME have it. Nothing that is put into a header can begin another one: line ends
 * and other controls are refused.
 */
#ifndef UPJOB_CORE_MAIL_H
#define UPJOB_CORE_MAIL_H

#include <time.h>

#include "core/buf.h"
#include "core/err.h"

#define MAIL_ADDRESS 321 /* RFC 5321: 64 + 1 + 255 characters, and a NUL */

/* "ops@example.com" or "Name <ops@example.com>": the address alone, in ASCII. ERR_USAGE when there is none. */
bool mail_address(const char *text, char out[MAIL_ADDRESS], struct err *err) MUST_CHECK;

/* Borrowed. */
struct mail {
    const char *from;      /* as mail_address takes it */
    const char *const *to; /* likewise */
    size_t to_count;
    const char *subject, *text; /* UTF-8; the text's lines may end with LF or CR LF */
    const char *id; /* of this message among all of this sender: the left part of its Message-ID, in letters and digits */
    time_t time;
};

/* Adds the whole message to `out`, with CR LF at the ends of its lines and none longer than 78 characters unless one word is.
 * ERR_USAGE for what cannot be in a header. */
bool mail_write(const struct mail *mail, struct buf *out, struct err *err) MUST_CHECK;

#endif
