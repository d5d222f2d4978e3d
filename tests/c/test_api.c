/* Calls of the API against a server that answers, is silent, or goes away. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <string.h>
#include <time.h>

#include "core/api.h"
#include "core/api_turns.h"
#include "tests/c/server.h"

#define REPLY(status, body) "HTTP/1.1 " status "\r\nContent-Length: 12\r\n\r\n" body
#define CREATED REPLY("200 OK", "{\"JobId\":1 }") /* 12 bytes of body */
#define BUSY REPLY("503 Busy", "{          }")

struct fixture {
    struct loop *loop;
    struct http *http;
    struct api_client *client;
    struct server server;
    struct api_operation_rate rates[1]; /* of the client; none when its operation is NULL */
    int max_attempts; /* of a call; 0: the client's */
    bool free_client; /* when the call ends, as Lua does once a client was closed */
    bool done, succeeded;
    int status_code;
    struct err err;
};

static int set_up(void **state)
{
    struct fixture *f = calloc(1, sizeof *f);
    struct err e;
    err_clear(&e);
    setenv("HOME", "/nonexistent", 1);
    f->loop = loop_new(&e);
    f->http = http_new(f->loop, &e);
    *state = f;
    return f->loop && f->http ? 0 : -1;
}

static int tear_down(void **state)
{
    struct fixture *f = *state;
    api_client_free(f->client);
    http_free(f->http);
    loop_free(f->loop);
    free(f);
    return 0;
}

static void make_client(struct fixture *f, long read_timeout_ms)
{
    char url[64];
    struct err e;
    err_clear(&e);
    snprintf(url, sizeof url, "http://127.0.0.1:%d", f->server.port);
    struct api_options options = {.region = "us-east-1", .endpoint_url = url, .access_key_id = "AKID",
                                  .secret_access_key = "secret", .max_attempts = 3, .read_timeout_ms = read_timeout_ms,
                                  .rates = f->rates, .rate_count = f->rates[0].operation ? 1 : 0};
    f->client = api_client_new(f->http, f->loop, &options, &e);
    assert_string_equal(e.message, "");
}

static void call_done(void *arg, struct api_reply *reply, const struct err *e)
{
    struct fixture *f = arg;
    f->done = true;
    f->succeeded = reply->output != NULL;
    const cJSON *status = cJSON_GetObjectItemCaseSensitive(reply->output, "StatusCode");
    f->status_code = status ? status->valueint : 0;
    f->err = *e;
    if (f->free_client) {
        api_client_free(f->client);
        f->client = NULL;
    }
}

/* Makes a call and runs it to its end. */
static void run(struct fixture *f, const char *operation, const char *params, long timeout_ms)
{
    struct err e;
    cJSON *input = cJSON_Parse(params);
    assert_non_null(input);
    err_clear(&e);
    f->done = false;
    struct api_call *call = api_call_start(f->client, operation_find(operation), input, timeout_ms, f->max_attempts,
                                           call_done, f, &e);
    cJSON_Delete(input);
    assert_string_equal(e.message, "");
    assert_non_null(call);
    while (!f->done)
        loop_turn(f->loop, true);
}

static void create(struct fixture *f, long timeout_ms)
{
    run(f, "CreateUploadJob",
        "{\"DomainName\":\"d\",\"DisplayName\":\"n\",\"UniqueKey\":\"k\","
        "\"Fields\":{\"k\":{\"Source\":\"_source.k\",\"Target\":\"_profile.Attributes.k\"}}}",
        timeout_ms);
}

static void a_member_that_is_the_replys_status_is_filled(void **state)
{
    struct fixture *f = *state;
    static const char *const replies[] = {CREATED, NULL};
    server_start(&f->server, replies);
    make_client(f, 0);
    run(f, "GetSegmentEstimate", "{\"DomainName\":\"d\",\"EstimateId\":\"e\"}", 0);
    assert_true(f->succeeded);
    assert_int_equal(f->status_code, 200);
    server_stop(&f->server);
}

static const char *authorization(const struct fixture *f)
{
    const char *line = strstr(f->server.head[0], "\r\nAuthorization: ");
    assert_non_null(line);
    return line;
}

static void what_is_sent_is_signed_as_the_sdks_sign_it(void **state)
{
    struct fixture *f = *state;
    static const char *const replies[] = {CREATED, NULL};
    server_start(&f->server, replies);
    make_client(f, 0);
    run(f, "TagResource", "{\"resourceArn\":\"arn:aws:profile:x\",\"tags\":{\"a\":\"b\"}}", 0);
    assert_non_null(strstr(authorization(f), "SignedHeaders=content-length;content-type;host;x-amz-content-sha256;x-amz-date,"));
    /* of {"tags":{"a":"b"}} */
    assert_non_null(strstr(f->server.head[0], "\r\nX-Amz-Content-Sha256: "
                                              "0d99abb21f45dd039896839939a79ce74e4f9ae9cfd93debb0a832a171e93907\r\n"));
    server_stop(&f->server);
}

static void a_post_without_a_body_says_that_it_has_none(void **state)
{
    struct fixture *f = *state;
    static const char *const replies[] = {CREATED, NULL};
    server_start(&f->server, replies);
    make_client(f, 0);
    run(f, "GetObjectTypeAttributeStatistics",
        "{\"DomainName\":\"d\",\"ObjectTypeName\":\"o\",\"AttributeName\":\"a\"}", 0);
    assert_non_null(strstr(f->server.head[0], "\r\nContent-Length: 0\r\n"));
    assert_non_null(strstr(authorization(f), "SignedHeaders=host;x-amz-content-sha256;x-amz-date,"));
    server_stop(&f->server);
}

static void expect_unknown(struct fixture *f, const char *code)
{
    assert_string_equal(f->err.code, code);
    assert_false(f->err.retryable);
    assert_true(f->err.unknown_outcome);
    assert_non_null(strstr(f->err.message, "not known: look with ListUploadJobs"));
    server_stop(&f->server);
    assert_int_equal(f->server.count, 1);
}

static void a_create_without_an_answer_is_not_sent_again(void **state)
{
    struct fixture *f = *state;
    static const char *const replies[] = {"", CREATED, NULL};
    server_start(&f->server, replies);
    make_client(f, 1000);
    create(f, 0);
    expect_unknown(f, ERR_TIMEOUT);
}

static void a_create_that_its_whole_timeout_ends_has_an_unknown_outcome(void **state)
{
    struct fixture *f = *state;
    static const char *const replies[] = {"", CREATED, NULL};
    server_start(&f->server, replies);
    make_client(f, 0);
    create(f, 1500);
    expect_unknown(f, ERR_TIMEOUT);
}

static void a_create_whose_connection_is_lost_is_not_sent_again(void **state)
{
    struct fixture *f = *state;
    static const char *const replies[] = {"!", CREATED, NULL};
    server_start(&f->server, replies);
    make_client(f, 0);
    create(f, 0);
    expect_unknown(f, ERR_CONNECTION);
}

static void a_create_whose_reply_cannot_be_read_has_an_unknown_outcome(void **state)
{
    struct fixture *f = *state;
    static const char *const replies[] = {REPLY("200 OK\r\nConnection: close", "<html></html"), CREATED, NULL};
    server_start(&f->server, replies);
    make_client(f, 0);
    create(f, 0);
    assert_int_equal(f->err.status, 200);
    expect_unknown(f, ERR_RESPONSE);
}

/* curl itself sends a request again when a connection that it reused turns out to be dead. */
static void a_create_over_a_connection_that_dies_is_not_sent_again_by_curl(void **state)
{
    struct fixture *f = *state;
    static const char *const replies[] = {REPLY("200 OK", "{\"Items\":[]}"), "!", CREATED, NULL};
    server_start(&f->server, replies);
    make_client(f, 0);
    run(f, "ListUploadJobs", "{\"DomainName\":\"d\"}", 0);
    assert_true(f->succeeded);
    create(f, 0);
    assert_string_equal(f->err.code, ERR_CONNECTION);
    assert_true(f->err.unknown_outcome);
    server_stop(&f->server);
    assert_int_equal(f->server.count, 2);
}

static void a_create_that_never_left_may_be_sent_again(void **state)
{
    struct fixture *f = *state;
    static const char *const none[] = {NULL};
    server_start(&f->server, none);
    make_client(f, 0);
    server_stop(&f->server); /* nobody listens any more */
    create(f, 0);
    assert_string_equal(f->err.code, ERR_CONNECTION);
    assert_true(f->err.retryable);
    assert_false(f->err.unknown_outcome);
}

static void what_was_answered_or_may_be_sent_twice_is_tried_again(void **state)
{
    struct fixture *f = *state;
    static const char *const replies[] = {BUSY, CREATED, "!", CREATED, NULL};
    server_start(&f->server, replies);
    make_client(f, 0);
    create(f, 0);
    assert_string_equal(f->err.message, "");
    assert_true(f->succeeded);
    run(f, "GetUploadJob", "{\"DomainName\":\"d\",\"JobId\":\"0123456789abcdef0123456789abcdef\"}", 0);
    assert_string_equal(f->err.message, "");
    assert_true(f->succeeded);
    server_stop(&f->server);
    assert_int_equal(f->server.count, 4);
}

/* ---- clock ---- */

#define SKEWED(date) "HTTP/1.1 403 Forbidden\r\nDate: " date "\r\nx-amzn-ErrorType: InvalidSignatureException\r\n" \
                     "Content-Length: 2\r\n\r\n{}"
#define LIST "{\"DomainName\":\"d\"}"

static void a_call_refused_for_a_wrong_clock_is_signed_again_by_the_services(void **state)
{
    struct fixture *f = *state;
    static const char *const replies[] = {SKEWED("Fri, 02 Jan 2099 03:00:00 GMT"), CREATED, CREATED, NULL};
    server_start(&f->server, replies);
    make_client(f, 0);
    create(f, 0);
    assert_string_equal(f->err.message, "");
    run(f, "ListUploadJobs", LIST, 0); /* what was learned holds for the next call */
    assert_true(f->succeeded);
    server_stop(&f->server);
    assert_null(strstr(f->server.head[0], "Date: 20990102T"));
    assert_non_null(strstr(f->server.head[1], "Date: 20990102T"));
    assert_non_null(strstr(f->server.head[2], "Date: 20990102T"));
}

static void a_call_that_is_made_once_has_its_clock_corrected_all_the_same(void **state)
{
    struct fixture *f = *state;
    static const char *const replies[] = {SKEWED("Fri, 02 Jan 2099 03:00:00 GMT"), CREATED, NULL};
    server_start(&f->server, replies);
    make_client(f, 0);
    f->max_attempts = 1;
    assert_true(api_client_clock_offset(f->client) == 0);
    create(f, 0);
    assert_string_equal(f->err.message, "");
    assert_true(f->succeeded);
    assert_true(api_client_clock_offset(f->client) > 1e9);
    server_stop(&f->server);
    assert_int_equal(f->server.count, 2);
}

static void a_clock_is_corrected_once_in_a_call(void **state)
{
    struct fixture *f = *state;
    static const char *const replies[] = {SKEWED("Fri, 02 Jan 2099 03:00:00 GMT"),
                                          SKEWED("Fri, 02 Jan 2032 03:00:00 GMT"), CREATED, NULL};
    server_start(&f->server, replies);
    make_client(f, 0);
    create(f, 0);
    assert_string_equal(f->err.code, "InvalidSignatureException");
    server_stop(&f->server);
    assert_int_equal(f->server.count, 2);
}

static void a_signature_refused_without_skew_is_not_sent_again(void **state)
{
    struct fixture *f = *state;
    static char reply[300];
    static const char *const replies[] = {reply, CREATED, NULL};
    char date[64];
    time_t now = time(NULL);
    strftime(date, sizeof date, "%a, %d %b %Y %H:%M:%S GMT", gmtime(&now));
    snprintf(reply, sizeof reply, SKEWED("%s"), date);
    server_start(&f->server, replies);
    make_client(f, 0);
    create(f, 0);
    assert_string_equal(f->err.code, "InvalidSignatureException");
    server_stop(&f->server);
    assert_int_equal(f->server.count, 1);
}

/* ---- credentials ---- */

static void a_call_that_times_out_waiting_for_keys_may_be_the_last_of_its_client(void **state)
{
    struct fixture *f = *state;
    static const char *const silent[] = {"", NULL};
    char url[64];
    struct err e;
    err_clear(&e);
    server_start(&f->server, silent);
    snprintf(url, sizeof url, "http://127.0.0.1:%d/keys", f->server.port);
    setenv("AWS_CONTAINER_CREDENTIALS_FULL_URI", url, 1);
    struct api_options options = {.region = "us-east-1", .endpoint_url = "http://127.0.0.1:9"};
    f->client = api_client_new(f->http, f->loop, &options, &e);
    unsetenv("AWS_CONTAINER_CREDENTIALS_FULL_URI");
    assert_string_equal(e.message, "");
    f->free_client = true;
    run(f, "ListUploadJobs", LIST, 100);
    assert_string_equal(f->err.code, ERR_TIMEOUT);
    assert_non_null(strstr(f->err.message, "no credentials within the given timeout"));
    server_stop(&f->server);
}

/* ---- rates ---- */

static void a_call_beyond_the_rate_waits_for_its_turn(void **state)
{
    struct fixture *f = *state;
    static const char *const replies[] = {CREATED, CREATED, NULL};
    server_start(&f->server, replies);
    f->rates[0] = (struct api_operation_rate){operation_find("CreateUploadJob"), 0.001};
    make_client(f, 0);
    create(f, 0);
    assert_true(f->succeeded);
    create(f, 100);
    assert_string_equal(f->err.code, ERR_TIMEOUT);
    assert_non_null(strstr(f->err.message, "after 0 attempts: it waited for its turn"));
    assert_false(f->err.unknown_outcome);
    run(f, "ListUploadJobs", LIST, 0); /* each operation has its own */
    assert_true(f->succeeded);
    server_stop(&f->server);
    assert_int_equal(f->server.count, 2);
}

static void calls_that_time_out_before_their_turn_do_not_delay_those_behind_them(void **state)
{
    struct fixture *f = *state;
    /* One more for each of those that come at once to a turn that a machine which stood still has saved up. */
    static const char *const replies[] = {CREATED, CREATED, CREATED, CREATED, CREATED, CREATED, CREATED, CREATED, NULL};
    server_start(&f->server, replies);
    f->rates[0] = (struct api_operation_rate){operation_find("CreateUploadJob"), 2};
    make_client(f, 0);
    create(f, 0);
    create(f, 0);
    for (int i = 0; i < 200; i++) /* places of a hundred seconds */
        create(f, 1);
    create(f, 50000);
    assert_string_equal(f->err.message, "");
    assert_true(f->succeeded);
    server_stop(&f->server);
}

struct waiting {
    struct api_turn turn;
    struct waiting *other; /* which leaves then */
    int order, *count;
};

static void turn_came(void *arg)
{
    struct waiting *waiting = arg;
    waiting->order = ++*waiting->count;
    if (waiting->other)
        api_turn_leave(&waiting->other->turn);
}

static void turns_come_in_order_and_one_may_end_the_wait_of_another(void **state)
{
    struct fixture *f = *state;
    struct waiting waiting[6] = {0};
    struct api_turns turns;
    struct err e;
    int count = 0;
    err_clear(&e);
    api_turns_init(&turns, f->loop, 100);
    while (api_turns_take(&turns))
        ;
    for (size_t i = 0; i < 6; i++) {
        waiting[i].count = &count;
        assert_true(api_turns_wait(&turns, &waiting[i].turn, turn_came, &waiting[i], &e));
    }
    assert_false(api_turns_take(&turns)); /* nobody passes those that wait */
    waiting[1].other = &waiting[2];
    waiting[3].other = &waiting[3];
    api_turn_leave(&waiting[0].turn);
    api_turn_leave(&waiting[5].turn);
    api_turn_leave(&waiting[5].turn);
    while (count < 3)
        loop_turn(f->loop, true);
    assert_int_equal(waiting[1].order, 1);
    assert_int_equal(waiting[3].order, 2);
    assert_int_equal(waiting[4].order, 3);
    assert_int_equal(waiting[0].order + waiting[2].order + waiting[5].order, 0);
    assert_null(turns.first);
    assert_null(turns.timer);
}

static void a_server_on_this_machine_has_no_rates_of_its_own(void **state)
{
    struct fixture *f = *state;
    static const char *const replies[] = {CREATED, CREATED, CREATED, NULL};
    server_start(&f->server, replies);
    make_client(f, 0);
    for (int i = 0; i < 3; i++) {
        create(f, 200);
        assert_string_equal(f->err.message, "");
    }
    server_stop(&f->server);
}

int main(void)
{
#define WITH_CLIENT(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        WITH_CLIENT(a_member_that_is_the_replys_status_is_filled),
        WITH_CLIENT(what_is_sent_is_signed_as_the_sdks_sign_it),
        WITH_CLIENT(a_post_without_a_body_says_that_it_has_none),
        WITH_CLIENT(a_create_without_an_answer_is_not_sent_again),
        WITH_CLIENT(a_create_that_its_whole_timeout_ends_has_an_unknown_outcome),
        WITH_CLIENT(a_create_whose_connection_is_lost_is_not_sent_again),
        WITH_CLIENT(a_create_whose_reply_cannot_be_read_has_an_unknown_outcome),
        WITH_CLIENT(a_create_over_a_connection_that_dies_is_not_sent_again_by_curl),
        WITH_CLIENT(a_create_that_never_left_may_be_sent_again),
        WITH_CLIENT(what_was_answered_or_may_be_sent_twice_is_tried_again),
        WITH_CLIENT(a_call_refused_for_a_wrong_clock_is_signed_again_by_the_services),
        WITH_CLIENT(a_call_that_is_made_once_has_its_clock_corrected_all_the_same),
        WITH_CLIENT(a_clock_is_corrected_once_in_a_call),
        WITH_CLIENT(a_signature_refused_without_skew_is_not_sent_again),
        WITH_CLIENT(a_call_that_times_out_waiting_for_keys_may_be_the_last_of_its_client),
        WITH_CLIENT(a_call_beyond_the_rate_waits_for_its_turn),
        WITH_CLIENT(calls_that_time_out_before_their_turn_do_not_delay_those_behind_them),
        WITH_CLIENT(turns_come_in_order_and_one_may_end_the_wait_of_another),
        WITH_CLIENT(a_server_on_this_machine_has_no_rates_of_its_own),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
