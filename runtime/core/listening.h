/* listening: sockets that listen, non-blocking and closed in programs that are started. */
#ifndef UPJOB_CORE_LISTENING_H
#define UPJOB_CORE_LISTENING_H

#include <stdbool.h>
#include <sys/types.h>

#include "core/err.h"

/* Each returns a descriptor, or -1 with ERR_CONFIG. */

/* On an IPv4 or IPv6 address; port 0 chooses a free one. *bound is the port. */
int listening_on_port(const char *host, int port, int *bound, struct err *err) MUST_CHECK;
/* At a path, with `mode`. A socket that a program which has ended left there is taken away; anything else there is an error. */
int listening_at_path(const char *path, mode_t mode, struct err *err) MUST_CHECK;
bool listening_is_address(const char *host);
/* True for addresses that only this machine reaches (127.0.0.0/8, ::1). */
bool listening_is_loopback(const char *host);

#endif
