/* s3_get: one signed GET of a range of an object. Private to s3. */
#ifndef UPJOB_CORE_S3_GET_H
#define UPJOB_CORE_S3_GET_H

#include "core/http_transfer.h"
#include "core/s3_access.h"
#include "core/s3_reply.h"

struct curl_slist;

/* In place within its owner; s3_get_init first, s3_get_end last. */
struct s3_get {
    struct s3_access *access;
    const struct s3_place *place;
    long connect_timeout_ms, stall_timeout_ms;
    /* In callbacks of curl, where no request may be started: the head of an answer with 200 or 206 is there, and bytes behind it.
     * False ends the transfer: the owner has noted why. */
    bool (*head)(void *arg);
    bool (*take)(void *arg, const char *bytes, size_t len);
    /* The request has ended: with an answer (reply.status), or without one, as *e says. */
    void (*done)(void *arg, const struct err *e);
    void *arg;
    /* Kept by the unit. */
    struct http_transfer transfer;
    struct curl_slist *headers;
    struct credentials_wait *keys;
    struct redact_values secrets;
    struct s3_reply reply;
    uint64_t first, last; /* that were asked for */
    char etag[S3_ETAG];
    double started, ended; /* epoch seconds */
};

void s3_get_init(struct s3_get *get);
/* Asks for the bytes from first to last, both included; with `etag`, only when it is that one. */
bool s3_get_start(struct s3_get *get, uint64_t first, uint64_t last, const char *etag, struct err *e) MUST_CHECK;
/* Ends what is under way, without done. */
void s3_get_cancel(struct s3_get *get);
void s3_get_end(struct s3_get *get);

#endif
