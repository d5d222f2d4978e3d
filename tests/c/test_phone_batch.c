/* Many phone numbers: on several threads, the same again, without memory, and whatever bytes they are. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/wait.h>

#include <cmocka.h>
#include <pthread.h>

#include "phoning.h"

enum { NUMBERS = 6000, ROOM = 40 };
static char texts[NUMBERS][ROOM];
static struct csv_slice in[NUMBERS];
static struct phone_result out[NUMBERS];

static uint64_t seed = 1;

static unsigned rnd(unsigned below)
{
    seed ^= seed << 13;
    seed ^= seed >> 7;
    seed ^= seed << 17;
    return (unsigned)((seed >> 16) % below);
}

/* Good and bad ones, some of them several times. */
static int make_numbers(void **state)
{
    (void)state;
    static const char *const forms[] = {"07400 %06u", "+44 20 794%u", "(0161) 4%06u", "+49 151 2%07u", "07%u", "074O0 %06u",
                                        "0044 1632 %06u ext 5", "+1 415 555 %04u", "%u"};
    for (unsigned i = 0; i < NUMBERS; i++) {
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
        int n = snprintf(texts[i], ROOM, forms[rnd(9)], rnd(2) ? rnd(1000000) : 123000 + rnd(100));
#pragma GCC diagnostic pop
        in[i] = (struct csv_slice){texts[i], (size_t)n};
    }
    return 0;
}

static void expect_same(const struct phone_result *a, const struct phone_result *b, size_t i)
{
    if (strcmp(a->e164, b->e164) != 0 || a->fault.reason != b->fault.reason || a->fault.position != b->fault.position ||
        a->fault.country_code != b->fault.country_code)
        fail_msg("%s: \"%s\" (%d), not \"%s\" (%d)", texts[i], a->e164, a->fault.reason, b->e164, b->fault.reason);
}

static void a_batch_gives_what_each_number_gives_alone(void **state)
{
    (void)state;
    struct phone_rules *alone = rules_of("GB");
    struct phone_result expected;
    for (unsigned threads = 1; threads <= 4; threads++) {
        struct phone_rules *rules = rules_with((struct phone_options){.region = "GB", .threads = threads, .remembered = 512});
        for (int again = 0; again < 2; again++) {
            struct err err;
            err_clear(&err);
            memset(out, 0x5A, sizeof out);
            assert_true(phone_batch(rules, in, NUMBERS, out, &err));
            for (size_t i = 0; i < NUMBERS; i++) {
                expected = seen(alone, in[i].data, in[i].len);
                expect_same(&out[i], &expected, i);
            }
        }
        phone_rules_free(rules);
    }
    phone_rules_free(alone);
}

static void an_empty_batch_ends(void **state)
{
    (void)state;
    struct err err;
    struct phone_rules *rules = rules_of("GB");
    assert_true(phone_batch(rules, NULL, 0, NULL, &err));
    phone_rules_free(rules);
}

struct job {
    struct phone_rules *rules;
    size_t wrong;
};

static void *look_at_all(void *arg)
{
    struct job *job = arg;
    struct err err;
    for (size_t i = 0; i < NUMBERS; i++) {
        struct phone_result result;
        if (!phone_e164(job->rules, in[i], &result, &err) || strcmp(result.e164, out[i].e164) != 0)
            job->wrong++;
    }
    return NULL;
}

static void threads_may_share_the_rules(void **state)
{
    (void)state;
    enum { THREADS = 4 };
    pthread_t threads[THREADS];
    struct job jobs[THREADS];
    struct err err;
    struct phone_rules *rules = rules_with((struct phone_options){.region = "GB", .remembered = 256});
    assert_true(phone_batch(rules, in, NUMBERS, out, &err));
    for (int i = 0; i < THREADS; i++) {
        jobs[i] = (struct job){rules, 0};
        assert_int_equal(pthread_create(&threads[i], NULL, look_at_all, &jobs[i]), 0);
    }
    for (int i = 0; i < THREADS; i++) {
        pthread_join(threads[i], NULL);
        assert_int_equal(jobs[i].wrong, 0);
    }
    phone_rules_free(rules);
}

static void rules_of_two_regions_do_not_mix_what_they_remember(void **state)
{
    (void)state;
    struct phone_rules *gb = rules_of("GB"), *fr = rules_of("FR");
    for (int again = 0; again < 2; again++) {
        assert_string_equal(told(gb, "01 42 68 53 00"), "is not a phone number in region GB: no such numbers are given out");
        assert_string_equal(told(fr, "01 42 68 53 00"), "+33142685300");
    }
    phone_rules_free(gb);
    phone_rules_free(fr);
}

/* A result is a number in E.164 or a reason, never both or neither. */
static void expect_whole(const struct phone_rules *rules, struct csv_slice number, const struct phone_result *result)
{
    char text[256];
    bool valid = result->fault.reason == PHONE_VALID;
    size_t len = strlen(result->e164);
    phone_fault_text(rules, &result->fault, text, sizeof text);
    if (result->fault.reason >= PHONE_REASONS || valid != (len > 0) ||
        (valid && (result->e164[0] != '+' || len < 6 || strspn(result->e164 + 1, "0123456789") != len - 1)))
        fail_msg("%.*s: \"%s\": %s", (int)number.len, number.data, result->e164, text);
}

static size_t random_bytes(char *bytes, size_t size)
{
    size_t len = rnd((unsigned)size);
    for (size_t i = 0; i < len; i++)
        bytes[i] = (char)rnd(256);
    return len;
}

static size_t random_pieces(char *bytes, size_t size)
{
    static const char *const pieces[] = {"0", "1", "2", "3", "4", "5", "6", "7", "8", "9", "+", "+44", "00", "(0)", " ", "-", "/",
                                         "x", "ext.", ";ext=", "tel:", ";phone-context=", "#", ",", "O", "٣", "４", "\u200B", ".",
                                         "\u202E", "E+", "\xF0\x9F\x98\x80", "(", ")", "é", "~", "=", "+1", "доб", "\xC3"};
    size_t len = 0;
    for (unsigned left = 1 + rnd(16); left > 0; left--) {
        const char *piece = pieces[rnd(3) ? rnd(10) : rnd(sizeof pieces / sizeof pieces[0])];
        size_t n = strlen(piece);
        if (len + n < size)
            memcpy(bytes + len, piece, n), len += n;
    }
    return len;
}

static void a_million_random_strings_crash_nothing(void **state)
{
    (void)state;
    const size_t wanted = SANITIZED ? 50000 : 1000000;
    struct err err;
    struct phone_rules *rules = rules_of("GB");
    size_t valid = 0;
    for (size_t done = 0; done < wanted; done += NUMBERS) {
        for (size_t i = 0; i < NUMBERS; i++)
            in[i].len = i % 2 ? random_bytes(texts[i], ROOM) : random_pieces(texts[i], ROOM);
        assert_true(phone_batch(rules, in, NUMBERS, out, &err));
        for (size_t i = 0; i < NUMBERS; i++) {
            expect_whole(rules, in[i], &out[i]);
            valid += out[i].fault.reason == PHONE_VALID;
        }
    }
    assert_true(valid > wanted / 1000); /* the pieces do make numbers */
    phone_rules_free(rules);
}

static void long_strings_crash_nothing(void **state)
{
    (void)state;
    struct phone_rules *rules = rules_of("GB");
    size_t size = 1 << 20;
    char *text = malloc(size);
    assert_non_null(text);
    for (int c = 0; c < 3; c++) {
        memset(text, "0+ "[c], size);
        for (size_t len = PHONE_MAX_BYTES - 2; len <= PHONE_MAX_BYTES + 2; len++)
            assert_int_not_equal(seen(rules, text, len).fault.reason, PHONE_VALID);
        assert_int_equal(seen(rules, text, size).fault.reason, PHONE_TOO_LONG);
    }
    free(text);
    phone_rules_free(rules);
}

static void take_all_memory(void)
{
    struct rlimit limit = {0, 0};
    setrlimit(RLIMIT_AS, &limit); /* no more from the system; then what is left of the heap */
    for (size_t size = 1 << 20; size >= 16; size /= 2)
        while (malloc(size))
            ;
}

/* In a process of its own: 0 when it was told that memory is out, and the process goes on. */
static int look_without_memory(struct phone_rules *rules)
{
    struct csv_slice number = {DATA("+44 (0) 7400 123456 with more than a small string holds")};
    struct phone_result result;
    struct err err;
    err_clear(&err);
    take_all_memory();
    for (int i = 0; i < 3; i++)
        if (phone_e164(rules, number, &result, &err) || strcmp(err.code, ERR_MEMORY) != 0)
            return 1;
    return phone_batch(rules, &number, 1, &result, &err) ? 2 : 0;
}

static void without_memory_it_is_an_error_and_no_exception(void **state)
{
    (void)state;
    if (SANITIZED)
        return; /* they end a process that is out of memory */
    struct phone_rules *rules = rules_of("GB");
    int status;
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0)
        _exit(look_without_memory(rules));
    assert_int_equal(waitpid(child, &status, 0), child);
    if (status != 0)
        fail_msg("exit status %d, signal %d", WEXITSTATUS(status), WTERMSIG(status));
    phone_rules_free(rules);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_batch_gives_what_each_number_gives_alone),
        cmocka_unit_test(an_empty_batch_ends),
        cmocka_unit_test(threads_may_share_the_rules),
        cmocka_unit_test(rules_of_two_regions_do_not_mix_what_they_remember),
        cmocka_unit_test(without_memory_it_is_an_error_and_no_exception),
        cmocka_unit_test(long_strings_crash_nothing),
        cmocka_unit_test(a_million_random_strings_crash_nothing),
    };
    return without_libphonenumber() ? 0 : cmocka_run_group_tests(tests, make_numbers, NULL);
}
