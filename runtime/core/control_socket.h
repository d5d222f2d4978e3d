/* control_socket: the unix socket in a state directory by which a daemon is spoken to.
 *
 * Mode 0600, and both ends look at who the other one is: only the same user and root are spoken with. The path of the directory
 * may be longer than the address of a socket: it is then reached through /proc.
 */
#ifndef UPJOB_CORE_CONTROL_SOCKET_H
#define UPJOB_CORE_CONTROL_SOCKET_H

#include <stdbool.h>
#include <sys/stat.h>

#include "core/err.h"

#define CONTROL_SOCKET "control.sock"
#define ERR_NO_DAEMON "NoDaemon" /* nobody listens */

/* A socket that listens, does not block and is closed on exec; -1 with ERR_CONFIG when a daemon listens there already. What a
 * dead one has left is replaced. *info: of the socket's file. */
int control_socket_listen(const char *directory, struct stat *info, struct err *err) MUST_CHECK;
/* Removes the socket's file, if it is this one still. */
void control_socket_remove(const char *directory, const struct stat *info);
/* A connection that does not block; -1 with ERR_NO_DAEMON, or what else speaks against it. */
int control_socket_connect(const char *directory, struct err *err) MUST_CHECK;
/* Whether who accepted is trusted: its user is ours or root. */
bool control_socket_trusts(int fd);

#endif
