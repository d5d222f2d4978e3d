/* service: what the parts of the embedded service share, and one HTTP exchange on its way through them. */
#ifndef UPJOB_LOCAL_SERVICE_H
#define UPJOB_LOCAL_SERVICE_H

#include <cjson/cJSON.h>
#include <limits.h>
#include <stdbool.h>

#include "core/buf.h"
#include "core/http.h"
#include "core/loop.h"
#include "core/operations.h"
#include "core/sigv4.h"
#include "local/clock.h"
#include "local/estimates.h"
#include "local/facts.h"
#include "local/faults.h"
#include "local/ingest.h"
#include "local/intake.h"
#include "local/local.h"
#include "local/names.h"
#include "local/objects.h"
#include "local/state.h"
#include "core/worker.h"

#define LOCAL_ACCESS_KEY "local"
#define LOCAL_SECRET_KEY "local"
#define MAX_API_BODY ((size_t)1 << 20)
#define UPLOAD_PREFIX "/upload-jobs/" /* of the path of upload URLs: /upload-jobs/DOMAIN/JOB/PATH-ID */

struct listener;

struct local {
    struct loop *loop;
    char data_dir[PATH_MAX];
    int lock_fd;
    struct clock clock;
    struct facts facts;           /* as inferred, or bent */
    struct objects *objects;
    struct state *state;
    struct worker *state_worker;  /* owns the state's connection */
    struct worker *search_worker; /* searches, which may take long */
    struct intakes *intakes;      /* threads that write what is uploaded */
    struct worker *objects_worker; /* syncs and removes files, which may take seconds */
    struct worker *domains_worker; /* removes domains, once the turn of an ingestion into one has ended */
    struct estimates *estimates;
    struct ingest *ingest;
    struct sigv4_cache *keys;     /* loop's thread only */
    struct listener *listener;
    struct faults *faults;        /* NULL: none. Loop's thread only */
    struct exchange *stopping;    /* StopUploadJob calls that are answered once the ingestion has ended. Loop's thread only */
    struct report *unwritten;     /* ends of ingestions that could not be written down yet. Loop's thread only */
};

enum phase {
    PHASE_HEAD,     /* the head has come; an upload is checked before its body is read */
    PHASE_CHECKING, /* suspended while the state is asked about an upload's path */
    PHASE_CHECKED,  /* the head is handed over once more before the body, or was refused */
    PHASE_BODY,     /* the body is coming */
    PHASE_WORKING,  /* suspended while a worker answers */
    PHASE_READY,    /* the reply can be queued */
};

struct MHD_Connection;

/* One request and its reply. Owned by the listener; freed when the connection has done with it. */
struct exchange {
    struct local *service;
    struct MHD_Connection *connection;
    enum phase phase;
    bool suspended;
    struct loop_timer *pause; /* that it is suspended for */
    struct exchange *next; /* of those paused, or of those stopping a job */
    struct exchange *next_receiving;
    char method[16];
    char *path, *query; /* as on the wire */
    struct sigv4_header *headers;
    size_t header_count;
    struct buf body;
    char request_id[40];
    bool is_upload;
    bool is_last; /* of its connection, which is closed with the reply */
    /* an API call */
    char region[65]; /* that it was signed for */
    const struct operation *operation;
    cJSON *params;
    int64_t domain_id;
    bool stops_ingestion; /* it is answered when the ingestion has ended, through `finish` */
    void (*finish)(void *ex);
    bool fault_after;  /* once carried out, the call is answered with a fault */
    cJSON *objects;    /* DeleteDomain: names to remove */
    struct segment_plan *plan; /* GetSegmentMembership: the segment's */
    /* an upload */
    struct upload_path upload_path;
    char object[NAME_SIZE]; /* that it is stored as */
    struct intake *intake;
    struct object_facts facts;
    unsigned char content_md5[16];
    bool has_content_md5;
    uint64_t received;            /* bytes of the body */
    uint64_t drop_at, stall_at;   /* faults: UINT64_MAX: never */
    double stalled_since;         /* 0: not stalled */
    bool dropped;                 /* the connection is to be closed, without a reply */
    /* the reply */
    struct err err;
    cJSON *reply;
    int status;
    char etag[40];
    struct buf text;
    char not_signed[104]; /* a header that an S3 error names */
};

/* exchange.c. `uri`: the request's target as it was sent; NULL when memory is out. */
struct exchange *exchange_new(struct local *service, const char *uri);
void exchange_free(struct exchange *ex);
/* False when memory is out. */
bool exchange_add_header(struct exchange *ex, const char *name, const char *value) MUST_CHECK;
/* The value of a header, any case; NULL when absent. */
const char *exchange_header(const struct exchange *ex, const char *name);
/* The decoded value of a query parameter, to be freed; NULL when absent. */
char *exchange_query(const struct exchange *ex, const char *name);
/* Fills ex->err with the HTTP status; always false. */
bool exchange_refuse(struct exchange *ex, int status, const char *code, const char *format, ...) PRINTF_LIKE(4, 5);

/* listener.c. Lets a suspended exchange go on. Loop's thread. */
void exchange_resume(struct exchange *ex);
void exchange_suspend(struct exchange *ex);
/* Suspends it for a while, or until the service stops. */
void exchange_pause(struct exchange *ex, uint64_t ms);
/* Whether the client has closed its side, whatever it sent before that is still unread. */
bool exchange_client_closed(const struct exchange *ex);

/* service.c. Removes a file that no job needs any more, on the objects worker; NULL is allowed. Any thread. */
void service_remove_object(struct local *service, const char *object);
/* Calls `finish(ex)` when the ingestion of its job has ended, and so has been written down. Loop's thread. */
void service_await_end(struct exchange *ex, void (*finish)(void *ex));

struct listener *listener_new(struct local *service, const struct local_options *options, struct err *err) MUST_CHECK;
int listener_port(const struct listener *listener);
/* Sends the replies that are ready, and closes connections; every exchange must have been resumed or paused. */
void listener_free(struct listener *listener);

/* auth.c: false with ex->err filled. */
/* What can be told of a call before its body is there: that it names a key that the service knows. */
bool auth_check_caller(struct exchange *ex) MUST_CHECK;
bool auth_check_call(struct exchange *ex) MUST_CHECK;
bool auth_check_upload(struct exchange *ex) MUST_CHECK;
/* A pre-signed upload URL on the host that the client addressed, good for facts.path_lifetime from `signed_at` on. */
bool auth_presign_upload(struct exchange *ex, const unsigned char key[DATA_KEY_SIZE], double signed_at, struct buf *url) MUST_CHECK;

/* routes_segments.c: the operations of segments, on the state worker's thread; membership then on the search worker's. */
void segments_create(struct exchange *ex);
void segments_get(struct exchange *ex);
void segments_list(struct exchange *ex);
void segments_delete(struct exchange *ex);
void segments_create_estimate(struct exchange *ex);
void segments_get_estimate(struct exchange *ex);
void segments_find(struct exchange *ex);
void segments_membership(struct exchange *ex);

/* routes.c: the API. */
/* A text member of the request, a whole number (0: not given), and the service's time. */
const char *routes_text(const struct exchange *ex, const char *name);
long routes_number(const struct exchange *ex, const char *name);
double routes_now(const struct exchange *ex);
/* The body is there; ends in PHASE_READY or suspends. */
void routes_handle(struct exchange *ex);

/* uploads.c: the S3 face. */
void uploads_begin(struct exchange *ex);   /* the head is there: checks, then PHASE_CHECKING or PHASE_CHECKED */
/* Takes some of the bytes that came, and returns how many; may pause or drop the exchange. */
size_t uploads_body(struct exchange *ex, const void *bytes, size_t len);
void uploads_finish(struct exchange *ex);  /* the body is there: suspends */
void uploads_render(struct exchange *ex);  /* the reply's text, for errors XML */
void routes_render(struct exchange *ex);   /* the reply's text, JSON */

#endif
