/* connections: the connections that a listening socket on the loop takes for a microhttpd daemon.
 *
 * No more are taken than are allowed; the rest wait in the system's queue until one ends. microhttpd's own listening would try for
 * ever, or stop for good, where no descriptor is to be had. A connection on which no whole request comes in time is ended, however
 * steadily its bytes drip. Loop's thread only.
 */
#ifndef UPJOB_CORE_CONNECTIONS_H
#define UPJOB_CORE_CONNECTIONS_H

#include <microhttpd.h>
#include <stdbool.h>

#include "core/err.h"
#include "core/loop.h"

struct connections;

/* Takes nothing yet. `socket` listens and does not block; it is the connections' own from now on, also on failure. At most `most`
 * are taken at a time. `patience`: seconds for a whole request to come, 0: as long as is usual. */
struct connections *connections_new(struct loop *loop, int socket, unsigned most, double patience, struct err *err) MUST_CHECK;
/* Takes connections for `daemon` from now on, which has connections_notify as MHD_OPTION_NOTIFY_CONNECTION. `taken` is called
 * after each. */
bool connections_start(struct connections *connections, struct MHD_Daemon *daemon, void (*taken)(void *arg), void *arg,
                       struct err *err) MUST_CHECK;
/* Takes no more; the daemon can be stopped then. */
void connections_stop(struct connections *connections);
/* After the daemon was stopped. NULL is allowed. */
void connections_free(struct connections *connections);

void connections_notify(void *connections, struct MHD_Connection *connection, void **context,
                        enum MHD_ConnectionNotificationCode code);
/* Whether a request is waited for on this connection, as it is at first. */
void connection_waits(struct MHD_Connection *connection, bool waits);
int connection_socket(struct MHD_Connection *connection);

#endif
