/* The hash of keys and rows. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <openssl/evp.h>
#include <openssl/params.h>
#include <stdbool.h>
#include <string.h>

#include "core/keyhash.h"

static void siphash_of_openssl(const struct keyhash *hash, const unsigned char *bytes, size_t len, bool brief, uint64_t out[2])
{
    unsigned int c = 1, d = 3;
    size_t wanted = brief ? 8 : 16;
    const OSSL_PARAM params[] = {OSSL_PARAM_construct_size_t("size", &wanted),
                                 brief ? OSSL_PARAM_construct_uint("c-rounds", &c) : OSSL_PARAM_construct_end(),
                                 OSSL_PARAM_construct_uint("d-rounds", &d), OSSL_PARAM_construct_end()};
    EVP_MAC *mac = EVP_MAC_fetch(NULL, "SIPHASH", NULL);
    EVP_MAC_CTX *context = EVP_MAC_CTX_new(mac);
    size_t size = 0;
    assert_int_equal(EVP_MAC_init(context, (const unsigned char *)hash->secret, sizeof hash->secret, params), 1);
    assert_int_equal(EVP_MAC_update(context, bytes, len), 1);
    assert_int_equal(EVP_MAC_final(context, (unsigned char *)out, &size, 16), 1);
    assert_int_equal(size, wanted);
    EVP_MAC_CTX_free(context);
    EVP_MAC_free(mac);
}

static void the_hash_is_not_siphash(void **state)
{
    (void)state;
    unsigned char text[300];
    struct keyhash hash = {{0x0706050403020100u, 0x0f0e0d0c0b0a0908u}};
    uint64_t ours[2], theirs[2];
    for (size_t i = 0; i < sizeof text; i++)
        text[i] = (unsigned char)(i * 7 + 200);
    for (size_t len = 0; len <= sizeof text; len++) {
        keyhash_of(&hash, text, len, ours);
        siphash_of_openssl(&hash, text, len, false, theirs);
        assert_memory_equal(ours, theirs, sizeof ours);
        ours[0] = keyhash_short(&hash, text, len);
        siphash_of_openssl(&hash, text, len, true, theirs);
        assert_memory_equal(ours, theirs, sizeof *ours);
    }
}

static void two_secrets_are_the_same(void **state)
{
    (void)state;
    struct err err;
    struct keyhash a, b;
    uint64_t x[2], y[2];
    assert_true(keyhash_init(&a, &err));
    assert_true(keyhash_init(&b, &err));
    keyhash_of(&a, "K-1", 3, x);
    keyhash_of(&b, "K-1", 3, y);
    assert_memory_not_equal(x, y, sizeof x);
    keyhash_of(&b, "K-1", 3, x);
    assert_memory_equal(x, y, sizeof x);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_hash_is_not_siphash),
        cmocka_unit_test(two_secrets_are_the_same),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
