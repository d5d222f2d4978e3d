/* csv_scan_masks: what the paths of the scan share. Private to csv_scan*.c. */
#ifndef UPJOB_CORE_CSV_SCAN_MASKS_H
#define UPJOB_CORE_CSV_SCAN_MASKS_H

#include <string.h>

#include "core/csv_scan.h"

/* Where in a block of 64 bytes each of them stands: bit i is byte i. */
struct block {
    uint64_t quotes, delimiters, lf, cr;
};

/* Bits below bit n; n < 64. */
#define BELOW(n) (((uint64_t)1 << (n)) - 1)

struct csv_scan_path {
    const char *name;
    size_t (*index)(struct csv_scan *scan, const char *text, size_t from, size_t to);
    size_t (*count)(struct csv_scan *scan, const char *text, size_t from, size_t to, struct csv_scan_count *count);
};

extern const struct csv_scan_path csv_scan_portable;
#if defined(__x86_64__)
extern const struct csv_scan_path csv_scan_sse2, csv_scan_avx2;
#elif defined(__aarch64__)
extern const struct csv_scan_path csv_scan_neon;
#endif

/* For processors without instructions for them. */
static inline uint64_t plain_prefix_xor(uint64_t bits)
{
    for (int by = 1; by < 64; by *= 2)
        bits ^= bits << by;
    return bits;
}

static inline unsigned plain_count_bits(uint64_t bits)
{
    bits -= bits >> 1 & 0x5555555555555555;
    bits = (bits & 0x3333333333333333) + (bits >> 2 & 0x3333333333333333);
    bits = (bits + (bits >> 4)) & 0x0F0F0F0F0F0F0F0F;
    return (unsigned)(bits * 0x0101010101010101 >> 56);
}

static inline unsigned plain_first_bit(uint64_t bits)
{
    return bits ? (unsigned)__builtin_ctzll(bits) : 64;
}

static inline unsigned plain_last_bit(uint64_t bits)
{
    return 63 - (unsigned)__builtin_clzll(bits);
}

#endif
