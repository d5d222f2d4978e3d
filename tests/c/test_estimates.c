/* Segment estimates: how many run, what a halt leaves, and ends that cannot be written down at once. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "local/estimates.h"
#include "local/state_private.h"

#define MOST 100 /* that run at once */

struct fixture {
    char dir[64];
    struct loop *loop;
    struct objects *objects;
    struct state *state;
    struct worker *state_worker;
    struct estimates *estimates;
    struct clock clock;
    const char *asked; /* what ended() looks at */
    char status[32], message[300];
    bool looked;
};

static int set_up(void **state)
{
    struct fixture *f = calloc(1, sizeof *f);
    struct err e;
    cJSON *params = cJSON_Parse("{\"DomainName\":\"acme\",\"DefaultExpirationDays\":30}"), *reply = NULL;
    err_clear(&e);
    strcpy(f->dir, "/tmp/upjob-estimates-XXXXXX");
    if (!mkdtemp(f->dir))
        return -1;
    f->loop = loop_new(&e);
    f->objects = objects_open(f->dir, true, &e);
    f->state = state_open(f->dir, f->objects, true, &facts_inferred, &e);
    f->state_worker = worker_new(f->loop, "state", &e);
    f->estimates = estimates_new(f->loop, f->dir, &f->clock, f->state, f->state_worker, &e);
    worker_hold(f->state_worker, true);
    bool ok = f->estimates && state_create_domain(f->state, params, 1000, &reply, &e);
    cJSON_Delete(params);
    cJSON_Delete(reply);
    *state = f;
    return ok ? 0 : -1;
}

static int tear_down(void **state)
{
    struct fixture *f = *state;
    char command[96];
    estimates_halt(f->estimates);
    worker_halt(f->state_worker);
    estimates_free(f->estimates);
    worker_free(f->state_worker);
    state_close(f->state);
    objects_close(f->objects);
    loop_free(f->loop);
    snprintf(command, sizeof command, "rm -rf %s", f->dir);
    free(f);
    return system(command);
}

static struct estimate_task create(struct fixture *f, const char *query)
{
    struct estimate_task task;
    struct err e;
    char text[400];
    cJSON *reply = NULL;
    err_clear(&e);
    snprintf(text, sizeof text, "{\"DomainName\":\"acme\",\"SegmentQuery\":%s}", query);
    cJSON *params = cJSON_Parse(text);
    assert_non_null(params);
    if (!state_create_estimate(f->state, params, &task, &reply, &e))
        fail_msg("%s", e.message);
    assert_string_equal(cJSON_GetStringValue(cJSON_GetObjectItem(reply, "EstimateId")), task.id);
    cJSON_Delete(params);
    cJSON_Delete(reply);
    return task;
}

static void start(struct fixture *f, struct estimate_task task)
{
    struct err e;
    err_clear(&e);
    assert_true(estimates_start(f->estimates, &task, &e));
}

/* On the state's worker while that runs, else on the test's own thread. */
static void look(void *arg)
{
    struct fixture *f = arg;
    struct err e;
    cJSON *reply = NULL;
    err_clear(&e);
    assert_true(state_get_estimate(f->state, "acme", f->asked, &reply, &e));
    snprintf(f->status, sizeof f->status, "%s", cJSON_GetStringValue(cJSON_GetObjectItem(reply, "Status")));
    const char *message = cJSON_GetStringValue(cJSON_GetObjectItem(reply, "Message"));
    snprintf(f->message, sizeof f->message, "%s", message ? message : "");
    cJSON_Delete(reply);
}

static void looked(void *arg)
{
    ((struct fixture *)arg)->looked = true;
}

static void do_on_state(struct fixture *f, void (*what)(void *arg))
{
    f->looked = false;
    assert_true(worker_post(f->state_worker, what, looked, f));
    while (!f->looked)
        loop_turn(f->loop, true);
}

static const char *status_of(struct fixture *f, const char *id)
{
    f->asked = id;
    do_on_state(f, look);
    return f->status;
}

static void await(struct fixture *f, const char *id, const char *status)
{
    for (int tries = 0; strcmp(status_of(f, id), status) != 0; tries++) {
        if (tries > 10000)
            fail_msg("%s is %s, not %s", id, f->status, status);
        usleep(10000);
    }
}

static void no_more_than_a_hundred_run_and_a_halt_leaves_them_for_the_next_start(void **state)
{
    struct fixture *f = *state;
    struct estimate_task task;
    struct err e;
    int64_t number = 0;
    char ids[MOST][NAME_SIZE];
    err_clear(&e);
    for (int i = 0; i < MOST; i++) {
        assert_true(estimates_have_room(f->estimates));
        task = create(f, "{}");
        memcpy(ids[i], task.id, NAME_SIZE);
        start(f, task);
    }
    assert_false(estimates_have_room(f->estimates));
    estimates_halt(f->estimates);
    assert_true(estimates_have_room(f->estimates));
    for (int i = 0; i < MOST; i++) {
        assert_true(state_next_estimate(f->state, &number, &task, &e));
        assert_string_equal(task.id, ids[i]);
        segment_plan_free(task.plan);
    }
    assert_false(state_next_estimate(f->state, &number, &task, &e));
    assert_string_equal(e.code, "");
    task = create(f, "{}");
    assert_false(estimates_start(f->estimates, &task, &e)); /* and none is begun any more */
}

static void an_estimate_that_has_ended_makes_room(void **state)
{
    struct fixture *f = *state;
    struct estimate_task task = create(f, "{}");
    for (int i = 1; i < MOST; i++)
        start(f, create(f, "{}"));
    start(f, task);
    await(f, task.id, "SUCCEEDED");
    assert_true(estimates_have_room(f->estimates));
}

static void forbid_writing(void *arg)
{
    assert_int_equal(sqlite3_exec(((struct fixture *)arg)->state->db, "PRAGMA query_only = ON", NULL, NULL, NULL), SQLITE_OK);
}

static void allow_writing(void *arg)
{
    assert_int_equal(sqlite3_exec(((struct fixture *)arg)->state->db, "PRAGMA query_only = OFF", NULL, NULL, NULL), SQLITE_OK);
}

static void an_end_that_cannot_be_written_down_is_tried_again(void **state)
{
    struct fixture *f = *state;
    struct estimate_task task = create(f, "{}");
    do_on_state(f, forbid_writing);
    start(f, task);
    for (int i = 0; i < 30; i++) {
        assert_string_equal(status_of(f, task.id), "RUNNING");
        usleep(10000);
    }
    do_on_state(f, allow_writing);
    await(f, task.id, "SUCCEEDED");
}

static void one_whose_source_is_gone_at_the_next_start_has_failed(void **state)
{
    struct fixture *f = *state;
    struct estimate_task task;
    struct err e;
    int64_t number = 0;
    cJSON *reply = NULL;
    cJSON *segment = cJSON_Parse("{\"DomainName\":\"acme\",\"SegmentDefinitionName\":\"gold\",\"DisplayName\":\"x\",\"SegmentGroups\":{}}");
    err_clear(&e);
    assert_true(state_create_segment(f->state, segment, 1000, &reply, &e));
    cJSON_Delete(reply);
    cJSON_Delete(segment);
    struct estimate_task gone = create(f, "{\"Groups\":[{\"SourceSegments\":[{\"SegmentDefinitionName\":\"gold\"}]}]}");
    struct estimate_task there = create(f, "{}");
    assert_true(state_delete_segment(f->state, "acme", "gold", &reply, &e));
    cJSON_Delete(reply);
    segment_plan_free(gone.plan);
    segment_plan_free(there.plan);
    assert_true(state_next_estimate(f->state, &number, &task, &e));
    assert_string_equal(task.id, there.id);
    segment_plan_free(task.plan);
    assert_string_equal(status_of(f, gone.id), "FAILED");
    assert_string_equal(f->message, "SourceSegments: there is no segment definition gold.");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(no_more_than_a_hundred_run_and_a_halt_leaves_them_for_the_next_start, set_up, tear_down),
        cmocka_unit_test_setup_teardown(an_estimate_that_has_ended_makes_room, set_up, tear_down),
        cmocka_unit_test_setup_teardown(an_end_that_cannot_be_written_down_is_tried_again, set_up, tear_down),
        cmocka_unit_test_setup_teardown(one_whose_source_is_gone_at_the_next_start_has_failed, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
