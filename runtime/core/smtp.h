/* smtp: sends a message through a mail server (libcurl's SMTP), on a thread of its own: TLS 1.2 or newer, peer and host verified.
 * A password goes over no connection that others may read: without TLS only to loopback.
 */
#ifndef UPJOB_CORE_SMTP_H
#define UPJOB_CORE_SMTP_H

#include <stddef.h>

#include "core/err.h"
#include "core/loop.h"

/* Borrowed for the time of smtp_start. */
struct smtp_request {
    const char *server;         /* "smtps://host[:port]", or "smtp://host[:port]" */
    bool starttls;              /* of smtp://: the connection must become TLS before anything is said */
    const char *from;           /* addresses alone, as mail_address gives them */
    const char *const *to;
    size_t to_count;
    const char *username, *password; /* or NULL */
    const void *message;        /* with CR LF; copied */
    size_t message_len;
    long timeout_ms;            /* of the whole call; 0: 60 s */
};

/* ERR_USAGE (with what is wrong) for a server that cannot be one, or a password without TLS. */
bool smtp_check(const struct smtp_request *request, struct err *err) MUST_CHECK;

struct smtp_call;
/* For a program that has made its http, which starts libcurl. `done` is called in a turn of the loop, once; e->code is "" when
 * the server has taken the message, for all of its receivers. Otherwise ERR_CONNECTION, ERR_TIMEOUT, or "MailRefused" with the
 * server's code in e->status; retryable as that says (4xx). */
struct smtp_call *smtp_start(struct loop *loop, const struct smtp_request *request, void (*done)(void *arg, const struct err *e),
                             void *arg, struct err *err) MUST_CHECK;
/* Ends it within some milliseconds; `done` is not called. The server has the message whole or not at all. */
void smtp_cancel(struct smtp_call *call);

#endif
