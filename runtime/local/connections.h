/* connections: the listening socket on the loop, and the connections that it takes for a microhttpd daemon.
 *
 * As many are taken as there are descriptors for, counting one more for a file that each may write, and some that stay free for
 * stores; the rest wait in the system's queue until one ends. microhttpd's own listening would try for ever, or stop for good,
 * where no descriptor is to be had. A connection on which no whole request comes in time is ended, however steadily its bytes
 * drip. Loop's thread only.
 */
#ifndef UPJOB_LOCAL_CONNECTIONS_H
#define UPJOB_LOCAL_CONNECTIONS_H

#include <microhttpd.h>
#include <stdbool.h>

#include "core/err.h"
#include "core/loop.h"

struct connections;

/* Binds and listens; takes nothing yet. `patience`: seconds for a whole request to come, 0: as long as is usual. ERR_CONFIG for a
 * host that is no address, or a port in use. The limit of open files is raised as far as it may be and is of use. */
struct connections *connections_new(struct loop *loop, const char *host, int port, double patience, struct err *err) MUST_CHECK;
int connections_port(const struct connections *connections);
unsigned connections_most(const struct connections *connections);
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
