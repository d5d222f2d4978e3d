/* httpd: a microhttpd daemon on the loop, through its epoll descriptor, and the connections that are taken for it. Loop's thread
 * only. It does not keep a program going.
 */
#ifndef UPJOB_CORE_HTTPD_H
#define UPJOB_CORE_HTTPD_H

#include <microhttpd.h>
#include <stdbool.h>

#include "core/err.h"
#include "core/loop.h"

struct httpd;

struct httpd_options {
    int socket;               /* that listens; the daemon's own from now on, also on failure */
    unsigned most;            /* connections at a time */
    double patience;          /* connections_new */
    unsigned idle_seconds;    /* after which a connection is ended on which nothing moves */
    size_t connection_memory; /* bytes for the head of a request and of its reply */
    MHD_AccessHandlerCallback handle;
    MHD_RequestCompletedCallback completed;                                    /* or NULL */
    void *(*came)(void *arg, const char *uri, struct MHD_Connection *connection); /* or NULL: MHD_OPTION_URI_LOG_CALLBACK */
    void *arg;                                                                 /* of these */
};

struct httpd *httpd_new(struct loop *loop, const struct httpd_options *options, struct err *err) MUST_CHECK;
/* Goes on with what is ready, now. */
void httpd_run(struct httpd *httpd);
/* At the end of this turn, or of the next one: after a connection was resumed. */
void httpd_run_soon(struct httpd *httpd);
/* Whether httpd_run_soon was called, and it has not gone on since. */
bool httpd_is_due(const struct httpd *httpd);
/* It goes on only by httpd_run from now on, takes no connections, and ends those that are left with httpd_free. None may be suspended
 * then. NULL is allowed. */
void httpd_stop(struct httpd *httpd);
void httpd_free(struct httpd *httpd);

#endif
