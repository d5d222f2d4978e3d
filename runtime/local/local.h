/* local: the embedded service: Customer Profiles upload jobs on loopback, with no AWS account.
 *
 * Built as a module of its own (local.so) that is loaded when first used, so that a run that
 * talks to AWS loads neither SQLite nor microhttpd. Its listener is on the caller's loop;
 * database work and ingestion are on threads of its own.
 */
#ifndef UPJOB_LOCAL_LOCAL_H
#define UPJOB_LOCAL_LOCAL_H

#include <stdbool.h>
#include <stdint.h>

#include "core/err.h"
#include "core/loop.h"

struct local;
struct fact;

/* Borrowed for the time of local_start. */
struct local_options {
    const char *data_dir;        /* created with mode 0700 when missing; refused when another process uses it */
    const char *host;            /* address to listen on; NULL: 127.0.0.1 */
    int port;                    /* 0 picks one */
    const char *const *domains;  /* NULL-terminated names to create when missing, or NULL */
    bool ephemeral;              /* nobody will open this data again: commits are not synced to disk */
    const char *faults;          /* bad days to rehearse (faults.h), or NULL */
    bool throttle;               /* the real service's rates */
    double patience;             /* seconds for a whole request, or an upload's head, to come; 0: as long as is usual */
    const char *facts;           /* what is to be otherwise than inferred (facts.h), or NULL */
};

/* NULL with *err: ERR_CONFIG for a port in use, a directory that is not writable, in use, or of a newer
 * version; ERR_VALIDATION for a domain's name; ERR_USAGE for faults or facts that there are not. The caller owns it and stops it before it frees the loop. */
struct local *local_start(struct loop *loop, const struct local_options *options, struct err *err) MUST_CHECK;
int local_port(const struct local *local);
/* What repeats the faults of this run; 0 without faults. */
uint64_t local_fault_seed(const struct local *local);
/* Closes the listener, lets the running turn of an ingestion end, joins the threads. NULL is allowed. */
void local_stop(struct local *local);

/* How the host reaches the module: dlsym(module, LOCAL_MODULE_SYMBOL) is a `const struct local_module *`. */
struct local_module {
    struct local *(*start)(struct loop *, const struct local_options *, struct err *);
    int (*port)(const struct local *);
    uint64_t (*fault_seed)(const struct local *);
    void (*stop)(struct local *);
    const struct fact *facts; /* facts_table */
};
extern const struct local_module upjob_local_module;
#define LOCAL_MODULE_SYMBOL "upjob_local_module"

#endif
