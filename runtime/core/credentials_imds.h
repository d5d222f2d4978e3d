/* credentials_imds: the metadata of an EC2 instance, version 2 only: a session's token comes first. Private
 * to credentials*.c. Rule: AWS SDKs and Tools Reference Guide, "IMDS credential provider". */
#ifndef UPJOB_CORE_CREDENTIALS_IMDS_H
#define UPJOB_CORE_CREDENTIALS_IMDS_H

#include "core/credentials_providers.h"
#include "core/credentials_request.h"

#define IMDS_DISABLED  "AWS_EC2_METADATA_DISABLED"
#define IMDS_MAX_TOKEN 1024

struct imds {
    struct credentials_options options; /* without its strings */
    char endpoint[300];
    char name[340]; /* for errors */
    long timeout_ms;
    struct credentials_attempts attempts;
    char token[IMDS_MAX_TOKEN + 1];      /* "" before the first get */
    char path[200];                      /* that is asked for */
    struct credentials_request *request; /* under way, or NULL */
    void (*done)(void *arg, const char *text, const struct err *err);
    void *arg;
};

bool imds_is_disabled(void);
/* In place. Endpoint, mode, timeout and attempts as the environment and the profile say. */
bool imds_init(struct imds *imds, const struct credentials_search *search, struct err *err) MUST_CHECK;
/* Asks for a path. `done` comes in a turn of the loop, once, with a text that is not empty and valid during
 * the call, or with NULL and an error, whose status is that of the answer. */
bool imds_get(struct imds *imds, const char *path,
              void (*done)(void *arg, const char *text, const struct err *err), void *arg,
              struct err *err) MUST_CHECK;
/* Ends what is under way, without `done`, and the session. */
void imds_close(struct imds *imds);

#endif
