/* MD5s that are made side by side, by each way that this processor has, beside OpenSSL's. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <openssl/evp.h>
#include <stdlib.h>
#include <string.h>

#include "local/md5.h"

#define MOST ((size_t)1 << 16)

static uint64_t state = 88172645463325252u;

static size_t draw(size_t below)
{
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return (size_t)(state % below);
}

struct whole {
    unsigned char bytes[MOST];
    size_t size, at;
    struct md5 md5;
};

static void make(struct whole *whole, size_t size)
{
    whole->size = size;
    whole->at = 0;
    for (size_t i = 0; i < size; i++)
        whole->bytes[i] = (unsigned char)draw(256);
    md5_begin(&whole->md5);
}

static void check(struct whole *whole)
{
    unsigned char expected[EVP_MAX_MD_SIZE], digest[16];
    assert_int_equal(EVP_Digest(whole->bytes, whole->size, expected, NULL, EVP_md5(), NULL), 1);
    md5_end(&whole->md5, digest);
    assert_memory_equal(digest, expected, sizeof digest);
}

static size_t left_of(const struct whole *wholes, size_t count)
{
    size_t left = 0;
    for (size_t i = 0; i < count; i++)
        left += wholes[i].size - wholes[i].at;
    return left;
}

/* Pieces of some of them at a time, until all have come. */
static void add_by_pieces(struct whole *wholes, size_t count, size_t longest)
{
    while (left_of(wholes, count) > 0) {
        struct md5_piece pieces[MD5_LANES];
        size_t n = 0;
        for (size_t i = 0; i < count; i++) {
            struct whole *whole = &wholes[i];
            size_t rest = whole->size - whole->at, size = draw(longest + 1);
            if (draw(4) == 0)
                continue;
            size = size < rest ? size : rest;
            pieces[n++] = (struct md5_piece){&whole->md5, whole->bytes + whole->at, size};
            whole->at += size;
        }
        md5_add(pieces, n);
    }
}

static void each_is_that_of_its_own_bytes_however_they_come(void **unused)
{
    struct whole *wholes = calloc(MD5_LANES, sizeof *wholes);
    (void)unused;
    assert_non_null(wholes);
    for (size_t path = 0; md5_paths[path]; path++) {
        if (!md5_select(md5_paths[path]))
            continue;
        for (int round = 0; round < 40; round++) {
            size_t count = 1 + draw(MD5_LANES);
            for (size_t i = 0; i < count; i++)
                make(&wholes[i], draw(round % 2 ? MOST : 300));
            add_by_pieces(wholes, count, round % 3 ? 9000 : 100);
            for (size_t i = 0; i < count; i++)
                check(&wholes[i]);
        }
    }
    assert_true(md5_select(NULL));
    free(wholes);
}

/* What stands behind the last whole block, with the length, takes one block or two. */
static void every_length_up_to_three_blocks_is_padded_right(void **unused)
{
    struct whole *whole = calloc(1, sizeof *whole);
    (void)unused;
    assert_non_null(whole);
    for (size_t size = 0; size <= 192; size++) {
        make(whole, size);
        md5_add(&(struct md5_piece){&whole->md5, whole->bytes, size}, 1);
        check(whole);
    }
    free(whole);
}

static void all_lanes_of_one_length_go_side_by_side_to_their_ends(void **unused)
{
    struct whole *wholes = calloc(MD5_LANES, sizeof *wholes);
    (void)unused;
    assert_non_null(wholes);
    for (size_t path = 0; md5_paths[path]; path++) {
        struct md5_piece pieces[MD5_LANES];
        if (!md5_select(md5_paths[path]))
            continue;
        for (size_t i = 0; i < MD5_LANES; i++) {
            make(&wholes[i], MOST);
            pieces[i] = (struct md5_piece){&wholes[i].md5, wholes[i].bytes, MOST};
        }
        md5_add(pieces, MD5_LANES);
        for (size_t i = 0; i < MD5_LANES; i++)
            check(&wholes[i]);
    }
    assert_true(md5_select(NULL));
    free(wholes);
}

static void a_way_that_is_not_known_is_not_taken(void **unused)
{
    (void)unused;
    assert_false(md5_select("abacus"));
    assert_true(md5_select("portable"));
    assert_true(md5_select(NULL));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_is_that_of_its_own_bytes_however_they_come),
        cmocka_unit_test(every_length_up_to_three_blocks_is_padded_right),
        cmocka_unit_test(all_lanes_of_one_length_go_side_by_side_to_their_ends),
        cmocka_unit_test(a_way_that_is_not_known_is_not_taken),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
