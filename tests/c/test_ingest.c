/* Ingestion and the profile store, with a clock of the test's own. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <ftw.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "local/ingest.h"
#include "local/profiles.h"

#define DAY 86400.0

static const unsigned char KEY[DATA_KEY_SIZE] = "0123456789abcdef0123456789abcde";

struct fixture {
    char dir[64];
    struct objects *objects;
    struct ingest *ingest;
    struct clock clock;
    double now;
    pthread_mutex_t lock;
    pthread_cond_t told;
    char status[32], reason[32];
    struct job_counts counts;
    int jobs;
};

static double fixed_now(void *arg)
{
    return ((struct fixture *)arg)->now;
}

static void take_report(void *arg, const char *job_id, const struct job_counts *counts, const char *status,
                        const char *reason)
{
    struct fixture *f = arg;
    (void)job_id;
    pthread_mutex_lock(&f->lock);
    f->counts = *counts;
    snprintf(f->status, sizeof f->status, "%s", status ? status : "");
    snprintf(f->reason, sizeof f->reason, "%s", reason ? reason : "");
    pthread_cond_broadcast(&f->told);
    pthread_mutex_unlock(&f->lock);
}

static void start_ingest(struct fixture *f)
{
    struct ingest_events events = {take_report, f};
    struct err e;
    err_clear(&e);
    f->ingest = ingest_new(f->dir, f->objects, true, &f->clock, &events, &e);
    assert_non_null(f->ingest);
}

static int set_up(void **state)
{
    struct fixture *f = calloc(1, sizeof *f);
    struct err e;
    err_clear(&e);
    strcpy(f->dir, "/tmp/upjob-ingest-XXXXXX");
    if (!mkdtemp(f->dir))
        return -1;
    f->now = 1000 * DAY;
    f->clock = (struct clock){fixed_now, f};
    pthread_mutex_init(&f->lock, NULL);
    pthread_cond_init(&f->told, NULL);
    f->objects = objects_open(f->dir, true, &e);
    *state = f;
    start_ingest(f);
    return 0;
}

static int remove_one(const char *path, const struct stat *info, int type, struct FTW *walk)
{
    (void)info, (void)type, (void)walk;
    return remove(path);
}

static int tear_down(void **state)
{
    struct fixture *f = *state;
    ingest_free(f->ingest);
    objects_close(f->objects);
    nftw(f->dir, remove_one, 8, FTW_DEPTH | FTW_PHYS);
    free(f);
    return 0;
}

/* A job over `text`; NULL: nothing was uploaded. */
static struct job_plan make_job(struct fixture *f, const char *fields, const char *text, size_t len, int expiry_days)
{
    struct job_plan job = {0};
    struct err e;
    char name[24];
    err_clear(&e);
    snprintf(name, sizeof name, "object%d", ++f->jobs);
    snprintf(job.job_id, sizeof job.job_id, "job%d", f->jobs);
    strcpy(job.domain, "acme");
    job.domain_id = 1;
    job.inferred = &facts_inferred;
    job.fields = cJSON_Parse(fields);
    job.unique_key = strdup("id");
    job.expiry_days = expiry_days;
    job.started = f->now;
    if (!text)
        return job;
    struct object_writer *w = object_writer_new(f->objects, name, KEY, 0, &e);
    assert_true(object_writer_add(w, text, len, &e) && object_writer_end(w, &job.facts, &e) && object_writer_finish(w, &e));
    object_writer_free(w);
    job.object = strdup(name);
    return job;
}

static void run_job(struct fixture *f, struct job_plan *job)
{
    struct err e;
    err_clear(&e);
    f->status[0] = '\0';
    assert_true(ingest_start(f->ingest, job, &e));
    pthread_mutex_lock(&f->lock);
    while (!f->status[0])
        pthread_cond_wait(&f->told, &f->lock);
    pthread_mutex_unlock(&f->lock);
}

#define FIELDS                                                                                                        \
    "{\"id\":{\"Source\":\"_source.Id\",\"Target\":\"_profile.Attributes.id\"},"                                       \
    "\"mail\":{\"Source\":\"_source.Mail\",\"Target\":\"_profile.EmailAddress\"},"                                     \
    "\"name\":{\"Source\":\"{{_source.First}} {{_source.Last}}\",\"Target\":\"_profile.BusinessName\"}}"

static void ingest_text(struct fixture *f, const char *text, int expiry_days)
{
    struct job_plan job = make_job(f, FIELDS, text, strlen(text), expiry_days);
    run_job(f, &job);
}

static void expect(struct fixture *f, const char *status, long created, long updated, long failed)
{
    assert_string_equal(f->status, status);
    assert_int_equal(f->counts.created, created);
    assert_int_equal(f->counts.updated, updated);
    assert_int_equal(f->counts.failed, failed);
}

/* A value of the profile found by its id, "" when there is none; static. */
static const char *look_up(struct fixture *f, const char *id, const char *member)
{
    static char text[256];
    cJSON *params = cJSON_CreateObject(), *reply = NULL;
    struct err e;
    err_clear(&e);
    cJSON_AddStringToObject(params, "KeyName", "id");
    cJSON_AddItemToObject(params, "Values", cJSON_CreateStringArray(&id, 1));
    assert_true(profiles_search(f->dir, 1, f->objects, params, f->now, &reply, &e));
    const cJSON *item = cJSON_GetArrayItem(cJSON_GetObjectItem(reply, "Items"), 0);
    const char *value = cJSON_GetStringValue(cJSON_GetObjectItem(item, member));
    snprintf(text, sizeof text, "%s", value ? value : "");
    cJSON_Delete(reply);
    cJSON_Delete(params);
    return text;
}

static void the_last_row_of_a_key_wins_and_each_row_counts(void **state)
{
    struct fixture *f = *state;
    ingest_text(f, "Id,Mail,First,Last\n1,a@x,A,B\n2,b@x,,\n1,c@x,C,D\n", 14);
    expect(f, "SUCCEEDED", 2, 1, 0);
    assert_string_equal(look_up(f, "1", "EmailAddress"), "c@x");
    assert_string_equal(look_up(f, "1", "BusinessName"), "C D");
    assert_string_equal(look_up(f, "2", "BusinessName"), "");
}

static void an_empty_cell_leaves_the_stored_value(void **state)
{
    struct fixture *f = *state;
    ingest_text(f, "Id,Mail,First,Last\n1,a@x,A,B\n", 14);
    ingest_text(f, "Id,Mail,First,Last\n1,,C,D\n", 14);
    expect(f, "SUCCEEDED", 0, 1, 0);
    assert_string_equal(look_up(f, "1", "EmailAddress"), "a@x");
    assert_string_equal(look_up(f, "1", "BusinessName"), "C D");
}

/* 12,000 profiles of which two thirds expire: more than a purge removes in one slice. */
static void expired_profiles_are_removed_and_the_others_stay(void **state)
{
    struct fixture *f = *state;
    struct buf text;
    char id[16];
    cJSON *stats;
    struct err e;
    err_clear(&e);
    buf_init(&text, 1 << 20);
    buf_adds(&text, "Id,Mail,First,Last\n");
    for (int i = 0; i < 12000; i++)
        buf_addf(&text, "%d,c%d@x,A,B\n", i, i);
    ingest_text(f, text.data, 10);
    buf_reset(&text);
    buf_adds(&text, "Id,Mail,First,Last\n");
    for (int i = 0; i < 12000; i += 3)
        buf_addf(&text, "%d,d%d@x,A,B\n", i, i);
    ingest_text(f, text.data, 30);
    buf_free(&text);
    expect(f, "SUCCEEDED", 0, 4000, 0);
    f->now += 20 * DAY;
    ingest_text(f, "Id,Mail,First,Last\nnew,n@x,A,B\n1,again@x,A,B\n0,d@x,A,B\n", 5);
    expect(f, "SUCCEEDED", 2, 1, 0);
    assert_true(profiles_stats(f->dir, 1, f->now, &stats, &e));
    assert_int_equal(cJSON_GetObjectItem(stats, "ProfileCount")->valueint, 4002);
    cJSON_Delete(stats);
    for (int i = 0; i < 12000; i += 100) {
        char mail[24];
        snprintf(id, sizeof id, "%d", i);
        snprintf(mail, sizeof mail, i ? "d%d@x" : "d@x", i);
        assert_string_equal(look_up(f, id, "EmailAddress"), i % 3 ? "" : mail);
    }
    f->now += 6 * DAY; /* what came last expires first */
    ingest_text(f, "Id,Mail,First,Last\nnew,n@x,A,B\n", 5);
    expect(f, "SUCCEEDED", 1, 0, 0);
    assert_string_equal(look_up(f, "3", "EmailAddress"), "d3@x");
}

static void an_expired_profile_is_gone_and_created_anew(void **state)
{
    struct fixture *f = *state;
    ingest_text(f, "Id,Mail,First,Last\n1,a@x,A,B\n", 10);
    f->now += 9 * DAY;
    assert_string_equal(look_up(f, "1", "EmailAddress"), "a@x");
    f->now += 2 * DAY;
    assert_string_equal(look_up(f, "1", "EmailAddress"), "");
    ingest_text(f, "Id,Mail,First,Last\n1,,C,D\n", 10);
    expect(f, "SUCCEEDED", 1, 0, 0);
    assert_string_equal(look_up(f, "1", "EmailAddress"), "");
}

static void of_two_expiries_the_later_holds(void **state)
{
    struct fixture *f = *state;
    ingest_text(f, "Id,Mail,First,Last\n1,a@x,A,B\n", 100);
    ingest_text(f, "Id,Mail,First,Last\n1,b@x,A,B\n", 10);
    f->now += 50 * DAY;
    assert_string_equal(look_up(f, "1", "EmailAddress"), "b@x");
}

static void failed_records_are_counted_and_kept(void **state)
{
    struct fixture *f = *state;
    struct err e;
    cJSON *reply = NULL;
    err_clear(&e);
    ingest_text(f, "Id,Mail,First,Last\n1,a@x,A,B\n,b@x,,\n3,\"\n4,d@x,A,B,extra\n5,e@x,A,B\n", 14);
    expect(f, "PARTIALLY_SUCCEEDED", 2, 0, 3);
    assert_true(profiles_failures(f->dir, 1, f->objects, "job1", 10, NULL, &reply, &e));
    const cJSON *items = cJSON_GetObjectItem(reply, "Items");
    static const int lines[] = {3, 4, 5};
    assert_int_equal(cJSON_GetArraySize(items), 3);
    for (int i = 0; i < 3; i++)
        assert_int_equal(cJSON_GetObjectItem(cJSON_GetArrayItem(items, i), "Line")->valueint, lines[i]);
    cJSON_Delete(reply);
}

static void expect_invalid(struct fixture *f, const char *fields, const char *text, size_t len)
{
    struct job_plan job = make_job(f, fields, text, len, 14);
    run_job(f, &job);
    if (strcmp(f->status, "FAILED") != 0 || strcmp(f->reason, "VALIDATION_FAILURE") != 0)
        fail_msg("%s: %s %s", text ? text : "(nothing)", f->status, f->reason);
}

static void what_the_service_refuses_fails_with_validation_failure(void **state)
{
    struct fixture *f = *state;
    static const char bad_target[] = "{\"id\":{\"Source\":\"_source.Id\",\"Target\":\"_profile.Nowhere\"}}";
    static const char bad_key[] = "{\"other\":{\"Source\":\"_source.Id\",\"Target\":\"_profile.FirstName\"}}";
    static const char dotted[] = "{\"id\":{\"Source\":\"_source.a.b\",\"Target\":\"_profile.FirstName\"}}";
    expect_invalid(f, FIELDS, NULL, 0);
    expect_invalid(f, FIELDS, "", 0);
    expect_invalid(f, FIELDS, "Id,Mail,First\n1,a@x,A\n", 22);                  /* a column is missing */
    expect_invalid(f, FIELDS, "\xEF\xBB\xBFId,Mail,First,Last\n1,a@x,A,B\n", 32); /* the first header is not found */
    expect_invalid(f, FIELDS, "Id,Mail,First,Last\n1,\xE9,A,B\n", 27);            /* not UTF-8 */
    expect_invalid(f, FIELDS, "Id,Mail,First,Last\n", 19);                        /* no record */
    expect_invalid(f, bad_target, "Id\n1\n", 5);
    expect_invalid(f, bad_key, "Id\n1\n", 5);
    expect_invalid(f, dotted, "a.b\n1\n", 6);
}

/* ~400,000 rows: several batches; one row in a thousand fails. */
static char *large_file(size_t *len)
{
    struct buf text;
    buf_init(&text, (size_t)64 << 20);
    buf_adds(&text, "Id,Mail,First,Last\n");
    for (int i = 0; i < 400000; i++) {
        int key = (int)((unsigned)i * 2654435761u % 300007u);
        if (i % 1000 == 999)
            buf_adds(&text, ",no@key,\"a\nb\",\n");
        else
            buf_addf(&text, "%d,c%d@x,A,B\n", key, key);
    }
    *len = text.len;
    return buf_take(&text);
}

static long last_failed_line(struct fixture *f, const char *job_id)
{
    struct err e;
    char *token = NULL;
    long line = 0;
    err_clear(&e);
    for (;;) {
        cJSON *reply = NULL;
        assert_true(profiles_failures(f->dir, 1, f->objects, job_id, 300, token, &reply, &e));
        const cJSON *item;
        cJSON_ArrayForEach(item, cJSON_GetObjectItem(reply, "Items"))
            line = cJSON_GetObjectItem(item, "Line")->valueint;
        const char *next = cJSON_GetStringValue(cJSON_GetObjectItem(reply, "NextToken"));
        free(token);
        token = next ? strdup(next) : NULL;
        cJSON_Delete(reply);
        if (!token)
            return line;
    }
}

static void an_ingestion_that_was_broken_off_goes_on_to_the_same_counts(void **state)
{
    struct fixture *f = *state;
    struct err e;
    size_t len;
    char *text = large_file(&len), id[33];
    err_clear(&e);
    struct job_plan job = make_job(f, FIELDS, text, len, 14);
    strcpy(id, job.job_id);
    struct job_plan again = make_job(f, FIELDS, NULL, 0, 14);
    again.object = strdup(job.object);
    again.facts = job.facts;
    strcpy(again.job_id, job.job_id);
    free(text);
    /* Halted after a part of it was committed, as by the end of the process. */
    f->counts.created = 0;
    assert_true(ingest_start(f->ingest, &job, &e));
    pthread_mutex_lock(&f->lock);
    while (f->counts.created == 0)
        pthread_cond_wait(&f->told, &f->lock);
    pthread_mutex_unlock(&f->lock);
    ingest_free(f->ingest);
    assert_string_equal(f->status, "");
    assert_in_range(f->counts.created + f->counts.updated, 1, 399000);
    start_ingest(f);
    run_job(f, &again);
    /* 399,600 good rows; distinct keys among them are what a first pass would create. */
    char *seen = calloc(300007, 1);
    long distinct = 0;
    for (int i = 0; i < 400000; i++) {
        int key = (int)((unsigned)i * 2654435761u % 300007u);
        if (i % 1000 != 999 && !seen[key])
            distinct++, seen[key] = 1;
    }
    free(seen);
    expect(f, "PARTIALLY_SUCCEEDED", distinct, 399600 - distinct, 400);
    /* The last row fails; 399 records before it hold a line end of their own, and the header is line 1. */
    assert_int_equal(last_failed_line(f, id), 1 + 399 + 400000);
}

/* Adds the rows from..to of "k0,m0@x,A,B", "k1,…", in which every key comes twice. */
static size_t add_lines(struct buf *text, int from, int to)
{
    for (int i = from; i < to; i++)
        buf_addf(text, "k%d,m%d@x,A,B\n", i / 2, i);
    return text->len;
}

/* In parts of one key each: `parts` of them. */
static void commit_parts(struct profiles *p, const char *job_id, uint64_t from, uint64_t end, int rows, int parts)
{
    struct err e;
    struct ingest_position position = {.offset = from, .line = 2};
    struct batch_commit what = {.job_id = job_id, .end = end, .end_line = rows + 2, .now = 1000 * DAY, .expires = 1014 * DAY};
    char key[16];
    bool more;
    err_clear(&e);
    struct profile_batch *batch = profile_batch_new(p, &e);
    int target = profiles_target(p, "Attributes.id", &e);
    for (int i = 0; i < rows; i++) {
        struct profile_value value = {target, {key, (size_t)snprintf(key, sizeof key, "k%d", i / 2)}};
        assert_true(profile_batch_add(batch, target, value.value, &value, 1, &e));
    }
    for (int i = 1; i <= parts; i++) {
        assert_true(profile_batch_commit(batch, &what, &position, &more, &e));
        assert_true(more);
        assert_int_equal(position.counts.created, i);
        assert_int_equal(position.counts.updated, i);
        assert_int_equal(position.offset, from);
    }
    profile_batch_free(batch);
}

static void a_batch_that_was_committed_in_part_goes_on_to_the_same_counts(void **state)
{
    struct fixture *f = *state;
    struct buf text;
    struct err e;
    err_clear(&e);
    buf_init(&text, 1 << 20);
    buf_adds(&text, "Id,Mail,First,Last\n");
    uint64_t from = text.len, end = add_lines(&text, 0, 600);
    add_lines(&text, 600, 1000);
    struct job_plan job = make_job(f, FIELDS, text.data, text.len, 14);
    buf_free(&text);
    struct profiles *p = profiles_open(f->dir, 1, true, &e);
    commit_parts(p, job.job_id, from, end, 600, 100);
    profiles_close(p);
    run_job(f, &job);
    expect(f, "SUCCEEDED", 500, 500, 0);
    assert_string_equal(look_up(f, "k499", "EmailAddress"), "m999@x");
}

static void a_stopped_ingestion_ends_soon_and_keeps_what_it_did(void **state)
{
    struct fixture *f = *state;
    struct err e;
    size_t len;
    char *text = large_file(&len), id[33];
    err_clear(&e);
    struct job_plan job = make_job(f, FIELDS, text, len, 14);
    strcpy(id, job.job_id);
    free(text);
    f->status[0] = '\0';
    f->counts.created = 0;
    assert_true(ingest_start(f->ingest, &job, &e));
    pthread_mutex_lock(&f->lock);
    while (f->counts.created == 0)
        pthread_cond_wait(&f->told, &f->lock);
    pthread_mutex_unlock(&f->lock);
    ingest_stop_job(f->ingest, id);
    pthread_mutex_lock(&f->lock);
    while (!f->status[0])
        pthread_cond_wait(&f->told, &f->lock);
    pthread_mutex_unlock(&f->lock);
    assert_string_equal(f->status, "STOPPED");
    assert_in_range(f->counts.created + f->counts.updated, 1, 399599);
}

static void a_closed_domain_can_be_removed(void **state)
{
    struct fixture *f = *state;
    struct err e;
    err_clear(&e);
    ingest_text(f, "Id,Mail,First,Last\n1,a@x,A,B\n", 14);
    ingest_close_domain(f->ingest, 1);
    assert_true(profiles_remove(f->dir, 1, &e));
    assert_string_equal(look_up(f, "1", "EmailAddress"), "");
}

int main(void)
{
#define WITH_STORE(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        WITH_STORE(the_last_row_of_a_key_wins_and_each_row_counts),
        WITH_STORE(an_empty_cell_leaves_the_stored_value),
        WITH_STORE(expired_profiles_are_removed_and_the_others_stay),
        WITH_STORE(an_expired_profile_is_gone_and_created_anew),
        WITH_STORE(of_two_expiries_the_later_holds),
        WITH_STORE(failed_records_are_counted_and_kept),
        WITH_STORE(what_the_service_refuses_fails_with_validation_failure),
        WITH_STORE(an_ingestion_that_was_broken_off_goes_on_to_the_same_counts),
        WITH_STORE(a_batch_that_was_committed_in_part_goes_on_to_the_same_counts),
        WITH_STORE(a_stopped_ingestion_ends_soon_and_keeps_what_it_did),
        WITH_STORE(a_closed_domain_can_be_removed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
