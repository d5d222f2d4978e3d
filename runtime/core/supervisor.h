/* supervisor: what a service tells the program that runs it, by the protocol of sd_notify(3): datagrams to $NOTIFY_SOCKET.
 *
 * Nothing waits: where the socket is full, the error is retryable. Where there is no supervisor, all is done at once and well.
 */
#ifndef UPJOB_CORE_SUPERVISOR_H
#define UPJOB_CORE_SUPERVISOR_H

#include <stdbool.h>
#include <stdint.h>

#include "core/err.h"

/* Whether there is a supervisor to tell. */
bool supervisor_present(void);
/* Each: ERR_CONFIG when NOTIFY_SOCKET is no address, ERR_SYSTEM when it cannot be told. */
bool supervisor_ready(struct err *err) MUST_CHECK;
/* The configuration is read again; ready is to follow. */
bool supervisor_reloading(struct err *err) MUST_CHECK;
bool supervisor_stopping(struct err *err) MUST_CHECK;
/* What it is doing, for `systemctl status`: a line. */
bool supervisor_status(const char *text, struct err *err) MUST_CHECK;
/* It is alive. */
bool supervisor_ping(struct err *err) MUST_CHECK;
/* Microseconds within which the supervisor wants to be pinged by this process; 0: it does not. */
uint64_t supervisor_watchdog(void);

#endif
