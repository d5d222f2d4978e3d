/* keyhash: a hash of customers' keys and rows that nobody outside can aim at.
 *
 * SipHash-2-4 with a result of 128 bits under a secret of 128 bits. Who does not know the secret cannot choose keys that
 * collide, neither to hide a duplicate nor to have a unique row taken for one: the results are as good as drawn by lot. The
 * probability that any two of n different keys share a result is below n²/2^129: 4e-26 for five million keys, 2e-21 for a
 * thousand million; a bad bit of memory is likelier by far. So equal results are taken as equal keys, and no row is
 * read again. Of rows 64 bits are enough, of SipHash-1-3, which takes half the time: one changed row in 2^64 would be taken
 * for the same.
 */
#ifndef UPJOB_CORE_KEYHASH_H
#define UPJOB_CORE_KEYHASH_H

#include <stddef.h>
#include <stdint.h>

#include "core/err.h"

/* Hashes under different secrets cannot be compared. It is kept only beside hashes that are kept (core/keyset.h). */
struct keyhash {
    uint64_t secret[2];
};

/* A fresh secret from the system's generator. */
bool keyhash_init(struct keyhash *hash, struct err *err) MUST_CHECK;
void keyhash_of(const struct keyhash *hash, const void *bytes, size_t len, uint64_t out[2]);
uint64_t keyhash_short(const struct keyhash *hash, const void *bytes, size_t len);

#endif
