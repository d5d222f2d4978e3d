/* service: puts the parts of the embedded service together, and takes them apart. */
#include "local/service.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/log.h"
#include "core/sql.h"
#include "local/profiles.h"

/* ---- files that no job needs any more ---- */

struct removal {
    struct local *service;
    char object[NAME_SIZE];
};

static void remove_object(void *arg)
{
    struct removal *removal = arg;
    struct err e;
    err_clear(&e);
    if (!objects_remove(removal->service->objects, removal->object, &e))
        log_write(LOG_WARN, "%s", e.message);
    free(removal);
}

void service_remove_object(struct local *service, const char *object)
{
    struct removal *removal = object ? calloc(1, sizeof *removal) : NULL;
    if (!removal)
        return;
    removal->service = service;
    snprintf(removal->object, sizeof removal->object, "%s", object);
    /* One that is not taken on is swept at the next start. */
    if (!worker_post(service->objects_worker, remove_object, NULL, removal))
        free(removal);
}

/* ---- what an ingestion reports: written down on the state worker's thread ---- */

#define WRITE_AGAIN_MS 1000

struct report {
    struct local *service;
    char job_id[NAME_SIZE];
    char status[32], reason[32];
    struct job_counts counts;
    bool written;
    int tries;
    struct loop_timer *timer; /* until it is tried again */
    struct report *next;
};

static void write_report(void *arg)
{
    struct report *report = arg;
    struct local *service = report->service;
    char *object = NULL;
    struct err e;
    err_clear(&e);
    report->written = report->status[0] ? state_end_job(service->state, report->job_id, report->status, report->reason[0] ? report->reason : NULL,
                                                        &report->counts, clock_now(&service->clock), &object, &e)
                                        : state_set_counts(service->state, report->job_id, &report->counts, &e);
    /* The uploaded file goes once the end is written: until then a restart would need it. */
    service_remove_object(service, object);
    if (!report->written && report->tries++ == 0)
        log_write(LOG_ERROR, "upload job %s: what has become of it cannot be written down: %s%s", report->job_id, e.message,
                  report->status[0] ? " (tried again every second)" : "");
    free(object);
}

static void answer_stops(struct local *service, const char *job_id)
{
    for (struct exchange **p = &service->stopping; *p;) {
        struct exchange *ex = *p;
        const char *id = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(ex->params, "JobId"));
        if (job_id && strcmp(id, job_id) != 0) {
            p = &ex->next;
            continue;
        }
        *p = ex->next;
        ex->finish(ex);
    }
}

void service_await_end(struct exchange *ex, void (*finish_exchange)(void *ex))
{
    ex->finish = finish_exchange;
    ex->next = ex->service->stopping;
    ex->service->stopping = ex;
}

static void post_report(struct report *report);

static void write_again(void *arg)
{
    struct report *report = arg;
    struct report **p = &report->service->unwritten;
    while (*p != report)
        p = &(*p)->next;
    *p = report->next;
    report->timer = NULL;
    post_report(report);
}

/* An end that could not be written (a full disk) is kept until it can: nobody else knows it. Counts so far are not: more come. */
static void report_written(void *arg)
{
    struct report *report = arg;
    struct local *service = report->service;
    if (report->status[0] && report->written)
        answer_stops(service, report->job_id);
    if (report->status[0] && !report->written)
        report->timer = loop_timer_start(service->loop, WRITE_AGAIN_MS, write_again, report);
    if (!report->timer) {
        free(report);
        return;
    }
    report->next = service->unwritten;
    service->unwritten = report;
}

static void post_report(struct report *report)
{
    /* When the service stops, the next start ingests from the job's last position, and tells the end again. */
    if (!worker_post(report->service->state_worker, write_report, report_written, report))
        free(report);
}

static void take_report(void *arg, const char *job_id, const struct job_counts *counts, const char *status,
                        const char *reason)
{
    struct report *report = calloc(1, sizeof *report);
    if (!report)
        return;
    report->service = arg;
    report->counts = *counts;
    snprintf(report->job_id, sizeof report->job_id, "%s", job_id);
    snprintf(report->status, sizeof report->status, "%s", status ? status : "");
    snprintf(report->reason, sizeof report->reason, "%s", reason ? reason : "");
    post_report(report);
}

/* ---- the data directory ---- */

static bool make_directory(const char *path, struct err *err)
{
    char part[PATH_MAX];
    struct stat info;
    size_t len = strlen(path);
    if (len == 0 || len >= sizeof part)
        return err_set(err, ERR_CONFIG, "the path of the data directory has %zu bytes: it may have 1 to %zu", len,
                       sizeof part - 1);
    memcpy(part, path, len + 1);
    for (char *p = part + 1;; p++) {
        if (*p && *p != '/')
            continue;
        char was = *p;
        *p = '\0';
        if (mkdir(part, 0700) != 0 && errno != EEXIST)
            return err_errno(err, ERR_CONFIG, errno, "cannot make the data directory %s, beginning at %s", path, part);
        if (stat(part, &info) == 0 && !S_ISDIR(info.st_mode))
            return err_set(err, ERR_CONFIG, "%s cannot be the data directory: %s is not a directory", path, part);
        *p = was;
        if (!was)
            break;
    }
    if (access(path, W_OK | X_OK) != 0)
        return err_errno(err, ERR_CONFIG, errno, "the data directory %s cannot be written to", path);
    return true;
}

/* One process at a time; the lock goes with the process, however it ends. */
static bool lock_directory(struct local *service, struct err *err)
{
    char path[PATH_MAX + 8], pid[32] = "";
    snprintf(path, sizeof path, "%s/lock", service->data_dir);
    service->lock_fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (service->lock_fd < 0)
        return err_errno(err, ERR_CONFIG, errno, "the data directory %s cannot be written to", service->data_dir);
    if (flock(service->lock_fd, LOCK_EX | LOCK_NB) != 0) {
        ssize_t n = pread(service->lock_fd, pid, sizeof pid - 1, 0);
        pid[n > 0 ? strcspn(pid, "\n") : 0] = '\0';
        return err_set(err, ERR_CONFIG, "the data directory %s is in use by process %s: choose another with --data, or stop it",
                       service->data_dir, pid);
    }
    int len = snprintf(pid, sizeof pid, "%ld\n", (long)getpid());
    if (ftruncate(service->lock_fd, 0) != 0 || pwrite(service->lock_fd, pid, (size_t)len, 0) != len)
        return err_errno(err, ERR_CONFIG, errno, "the data directory %s cannot be written to", service->data_dir);
    return true;
}

/* ---- start and stop ---- */

static bool create_domains(struct local *service, const char *const *names, struct err *err)
{
    for (; names && *names; names++) {
        cJSON *params = cJSON_CreateObject(), *reply = NULL;
        cJSON_AddStringToObject(params, "DomainName", *names);
        cJSON_AddNumberToObject(params, "DefaultExpirationDays", 366);
        bool ok = operation_validate(operation_find("CreateDomain"), params, err);
        if (ok && !state_create_domain(service->state, params, clock_now(&service->clock), &reply, err)) {
            ok = err_is(err, "BadRequestException"); /* it exists */
            if (ok)
                err_clear(err);
        }
        cJSON_Delete(params);
        cJSON_Delete(reply);
        if (!ok)
            return false;
    }
    return true;
}

static bool needs_object(void *arg, const char *name)
{
    return state_has_object(((struct local *)arg)->state, name);
}

static bool needs_domain(void *arg, int64_t id)
{
    return state_has_domain(((struct local *)arg)->state, id);
}

/* Ingestions that were under way when the last process ended go on. */
static bool resume_jobs(struct local *service, struct err *err)
{
    cJSON *ids = NULL;
    const cJSON *id;
    bool ok = state_running_jobs(service->state, &ids, err);
    cJSON_ArrayForEach(id, ids) {
        struct job_plan plan = {0};
        ok = ok && state_job_plan(service->state, id->valuestring, &plan, err) && ingest_start(service->ingest, &plan, err);
        job_plan_free(&plan);
    }
    cJSON_Delete(ids);
    return ok;
}

/* So do estimates, from their beginning. */
static bool resume_estimates(struct local *service, struct err *err)
{
    struct estimate_task task;
    int64_t number = 0;
    while (state_next_estimate(service->state, &number, &task, err))
        if (!estimates_start(service->estimates, &task, err))
            return false;
    return !err->code[0];
}

static bool open_parts(struct local *service, const struct local_options *options, struct err *err)
{
    struct ingest_events events = {take_report, service};
    service->facts = facts_inferred;
    if (options->facts && !facts_bend(&service->facts, options->facts, err))
        return false;
    if (options->faults || options->throttle) {
        service->faults = faults_new(options->faults, options->throttle ? &service->facts : NULL, err);
        if (!service->faults)
            return false;
    }
    if (!make_directory(options->data_dir, err) || !lock_directory(service, err))
        return false;
    service->objects = objects_open(service->data_dir, options->ephemeral, err);
    if (!service->objects)
        return false;
    service->state = state_open(service->data_dir, service->objects, options->ephemeral, &service->facts, err);
    if (!service->state || !create_domains(service, options->domains, err))
        return false;
    objects_sweep(service->objects, needs_object, service);
    if (!profiles_sweep(service->data_dir, needs_domain, service, err))
        return false;
    service->keys = sigv4_cache_new();
    service->state_worker = worker_new(service->loop, "upjob-state", err);
    service->search_worker = service->state_worker ? worker_new(service->loop, "upjob-search", err) : NULL;
    service->objects_worker = service->search_worker ? worker_new(service->loop, "upjob-objects", err) : NULL;
    service->domains_worker = service->objects_worker ? worker_new(service->loop, "upjob-domains", err) : NULL;
    if (!service->keys || !service->domains_worker)
        return false;
    service->intakes = intakes_new(service->loop);
    if (!service->intakes)
        return err_set(err, ERR_MEMORY, "out of memory");
    service->ingest = ingest_new(service->data_dir, service->objects, options->ephemeral, &service->clock, &events, err);
    if (!service->ingest || !resume_jobs(service, err))
        return false;
    service->estimates = estimates_new(service->loop, service->data_dir, &service->clock, service->state, service->state_worker, err);
    if (!service->estimates || !resume_estimates(service, err))
        return false;
    service->listener = listener_new(service, options, err);
    return service->listener != NULL;
}

struct local *local_start(struct loop *loop, const struct local_options *options, struct err *err)
{
    struct local *service = calloc(1, sizeof *service);
    if (!service) {
        err_set(err, ERR_MEMORY, "out of memory");
        return NULL;
    }
    service->loop = loop;
    service->lock_fd = -1;
    snprintf(service->data_dir, sizeof service->data_dir, "%s", options->data_dir);
    if (open_parts(service, options, err))
        return service;
    local_stop(service);
    /* Whatever is the matter with it, another data directory or more room mends it. */
    if (err_is(err, ERR_SYSTEM) || err_is(err, ERR_DAMAGED))
        snprintf(err->code, sizeof err->code, "%s", ERR_CONFIG);
    return NULL;
}

int local_port(const struct local *local)
{
    return listener_port(local->listener);
}

uint64_t local_fault_seed(const struct local *local)
{
    return local->faults ? faults_seed(local->faults) : 0;
}

/* The order matters: what reports stops before what is reported to, and every exchange that waits for one of them is resumed
 * before the listener sends its last replies. A stop whose ingestion has not ended is answered too: it is on record, and the
 * next start ends the job. */
void local_stop(struct local *local)
{
    if (!local)
        return;
    ingest_halt(local->ingest);
    estimates_halt(local->estimates);
    worker_halt(local->domains_worker);
    intakes_halt(local->intakes);
    worker_halt(local->objects_worker);
    worker_halt(local->state_worker);
    worker_halt(local->search_worker);
    answer_stops(local, NULL);
    while (local->unwritten) {
        struct report *report = local->unwritten;
        local->unwritten = report->next;
        loop_timer_stop(report->timer);
        free(report);
    }
    ingest_free(local->ingest);
    estimates_free(local->estimates);
    listener_free(local->listener);
    intakes_free(local->intakes);
    worker_free(local->domains_worker);
    worker_free(local->objects_worker);
    worker_free(local->state_worker);
    worker_free(local->search_worker);
    state_close(local->state);
    objects_close(local->objects);
    sigv4_cache_free(local->keys);
    faults_free(local->faults);
    if (local->lock_fd >= 0)
        close(local->lock_fd);
    free(local);
}

const struct local_module upjob_local_module __attribute__((visibility("default"))) = {
    local_start, local_port, local_fault_seed, local_stop, facts_table};
