/* A digest that is made on another thread: it is that of all the bytes, in their order, as they were when they were given. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "core/digest_thread.h"

#define MOST (12 * DIGEST_THREAD_BLOCK)

static unsigned char bytes[MOST];

static int fill(void **state)
{
    uint64_t seed = 1;
    (void)state;
    for (size_t i = 0; i < MOST; i++) {
        seed = seed * 6364136223846793005u + 1442695040888963407u;
        bytes[i] = (unsigned char)(seed >> 56);
    }
    return 0;
}

static void expect_digest(size_t len, size_t piece)
{
    char expected[DIGEST_TEXT], got[DIGEST_TEXT];
    struct err err;
    err_clear(&err);
    struct digest *plain = digest_new(&err);
    struct digest_thread *digest = digest_thread_new(&err);
    assert_non_null(plain);
    assert_non_null(digest);
    assert_true(digest_add(plain, bytes, len, &err) && digest_text(plain, expected, &err));
    for (size_t at = 0; at < len; at += piece) {
        unsigned char given[MOST / 4];
        size_t n = len - at < piece ? len - at : piece;
        memcpy(given, bytes + at, n);
        assert_true(digest_thread_add(digest, given, n, &err));
        memset(given, 0, n); /* the owner's buffer is used for something else */
    }
    assert_true(digest_thread_text(digest, got, &err));
    if (strcmp(got, expected) != 0)
        fail_msg("%zu bytes in pieces of %zu: %s, not %s", len, piece, got, expected);
    digest_free(plain);
    digest_thread_free(digest);
}

static void it_is_that_of_the_bytes_whatever_their_pieces(void **state)
{
    (void)state;
    static const size_t lengths[] = {0, 1, DIGEST_THREAD_BLOCK - 1, DIGEST_THREAD_BLOCK, DIGEST_THREAD_BLOCK + 1,
                                     4 * DIGEST_THREAD_BLOCK, 4 * DIGEST_THREAD_BLOCK + 1, MOST - 3, MOST};
    static const size_t pieces[] = {999, DIGEST_THREAD_BLOCK, DIGEST_THREAD_BLOCK + 1, MOST / 4};
    for (size_t i = 0; i < sizeof lengths / sizeof *lengths; i++)
        for (size_t j = 0; j < sizeof pieces / sizeof *pieces; j++)
            expect_digest(lengths[i], pieces[j]);
}

static void one_that_is_given_up_half_way_is_freed(void **state)
{
    (void)state;
    struct err err;
    err_clear(&err);
    for (size_t len = 0; len < MOST; len += DIGEST_THREAD_BLOCK / 2) {
        struct digest_thread *digest = digest_thread_new(&err);
        assert_non_null(digest);
        assert_true(digest_thread_add(digest, bytes, len, &err));
        digest_thread_free(digest);
    }
    digest_thread_free(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(it_is_that_of_the_bytes_whatever_their_pieces),
        cmocka_unit_test(one_that_is_given_up_half_way_is_freed),
    };
    return cmocka_run_group_tests(tests, fill, NULL);
}
