/* ingest_private: what ingest.c (the thread, its list of jobs and of open domains) and ingest_job.c (one job's turns) share. */
#ifndef UPJOB_LOCAL_INGEST_PRIVATE_H
#define UPJOB_LOCAL_INGEST_PRIVATE_H

#include <limits.h>
#include <pthread.h>
#include <stdatomic.h>

#include "local/ingest.h"
#include "local/ingest_plan.h"
#include "local/profiles.h"

/* A domain's store, shared by its jobs. */
struct domain {
    int64_t id;
    struct profiles *profiles;
    int jobs;
    struct domain *next;
};

struct active {
    struct job_plan job;
    struct domain *domain;
    struct ingest_plan *plan;
    struct object_reader *object;
    struct csv_reader *csv;
    struct profile_batch *batch;
    struct ingest_position position; /* that is committed */
    uint64_t batch_end;  /* byte of the object at which the batch ends, and that line */
    long batch_end_line;
    size_t header_count;
    double expires;
    bool opened, purged;
    bool found;          /* it has a position: its ingestion was under way when it was opened */
    bool bound;          /* its header was read, and has what the plan needs */
    bool at_end;         /* of the file: what was collected is its last batch */
    bool collected;      /* the batch is, and is to be committed */
    bool ended;          /* its end was told; it stays while its domain's index has runs to merge */
    bool waits;          /* for room on the disk, and has said so */
    double not_before;   /* steady time of its next turn */
    atomic_bool stop;    /* StopUploadJob */
    struct active *next;
};

struct ingest {
    char data_dir[PATH_MAX];
    struct objects *objects;
    bool ephemeral;
    const struct clock *clock;
    struct ingest_events events;
    pthread_t thread;
    bool running;
    pthread_mutex_t lock;
    pthread_cond_t changed; /* the list, or `current` */
    struct active *jobs;    /* those that wait for their turn, in order */
    struct active *current;
    size_t batches;         /* of jobs that are open; the thread's own */
    struct domain *domains; /* the thread's own, but under the lock while ingest_close_domain looks */
    bool halt;
};

/* ingest.c. A domain's store, opened when it is not; it is closed with the last of its jobs. NULL with *err. */
struct domain *ingest_open_domain(struct ingest *ingest, int64_t id, struct err *err) MUST_CHECK;
void ingest_close_store(struct ingest *ingest, struct domain *domain);

/* ingest_job.c. A turn of a job: false when nothing is left to be done for it. */
bool ingest_turn(struct ingest *ingest, struct active *a) MUST_CHECK;
/* Frees the job, and all that it holds. */
void ingest_free_job(struct ingest *ingest, struct active *a);

#endif
