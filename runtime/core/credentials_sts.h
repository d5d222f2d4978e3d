/* credentials_sts: keys of a role from STS. Private to credentials*.c. Rule: AWS Security Token Service API
 * Reference, AssumeRole and AssumeRoleWithWebIdentity (AWS query protocol: a form goes out, XML comes back).
 */
#ifndef UPJOB_CORE_CREDENTIALS_STS_H
#define UPJOB_CORE_CREDENTIALS_STS_H

#include "core/buf.h"
#include "core/credentials_providers.h"
#include "core/credentials_request.h"

struct sts {
    struct credentials_options options; /* without its strings */
    char region[64];
    char endpoint[512];
    char name[560];                      /* for errors */
    struct credentials_request *request; /* under way, or NULL */
    void (*done)(void *arg, struct credentials *keys, const struct err *err);
    void *arg;
};

/* In place. Finds the endpoint: AWS_ENDPOINT_URL_STS and the others of endpoint.h, else that of the region,
 * without which nothing can be signed. */
bool sts_init(struct sts *sts, const struct credentials_search *search, struct err *err) MUST_CHECK;
/* Begins a form with the action, the role and the session's name (NULL: one of our own). */
void sts_form(struct buf *form, const char *action, const char *role_arn, const char *session_name);
/* Adds "&name=value", escaped. */
void sts_field(struct buf *form, const char *name, const char *value);
/* Sends it, signed with `signer` unless that is NULL. `done` comes in a turn of the loop, once: keys (all but
 * `source`) that it may take, or NULL and an error. The form is copied. */
bool sts_send(struct sts *sts, const struct buf *form, const struct credentials *signer,
              void (*done)(void *arg, struct credentials *keys, const struct err *err), void *arg,
              struct err *err) MUST_CHECK;
void sts_stop(struct sts *sts);

#endif
