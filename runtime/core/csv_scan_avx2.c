/* The scan for processors with AVX2, carry-less multiplication and bit instructions: x86-64 of 2013 and later. */
#include "core/csv_scan_masks.h"

#if defined(__x86_64__)

#include <immintrin.h>

#define TARGET     __attribute__((target("avx2,pclmul,bmi,bmi2,popcnt")))
#define PATH(name) avx2_##name

struct needles {
    __m256i quote, delimiter, lf, cr;
};

TARGET static inline struct needles needles_of(const struct csv_scan *scan)
{
    return (struct needles){_mm256_set1_epi8((char)scan->quote), _mm256_set1_epi8((char)scan->delimiter),
                            _mm256_set1_epi8('\n'), _mm256_set1_epi8('\r')};
}

TARGET static inline uint64_t equal(__m256i low, __m256i high, __m256i needle)
{
    uint32_t a = (uint32_t)_mm256_movemask_epi8(_mm256_cmpeq_epi8(low, needle));
    uint32_t b = (uint32_t)_mm256_movemask_epi8(_mm256_cmpeq_epi8(high, needle));
    return a | (uint64_t)b << 32;
}

TARGET static inline struct block block_at(const char *bytes, const struct needles *needles)
{
    __m256i low = _mm256_loadu_si256((const __m256i *)(const void *)bytes);
    __m256i high = _mm256_loadu_si256((const __m256i *)(const void *)(bytes + 32));
    return (struct block){equal(low, high, needles->quote), equal(low, high, needles->delimiter), equal(low, high, needles->lf),
                          equal(low, high, needles->cr)};
}

TARGET static inline uint64_t prefix_xor(uint64_t bits)
{
    __m128i product = _mm_clmulepi64_si128(_mm_set_epi64x(0, (long long)bits), _mm_set1_epi8((char)0xFF), 0);
    return (uint64_t)_mm_cvtsi128_si64(product);
}

TARGET static inline unsigned count_bits(uint64_t bits)
{
    return (unsigned)_mm_popcnt_u64(bits);
}

TARGET static inline unsigned first_bit(uint64_t bits)
{
    return (unsigned)_tzcnt_u64(bits);
}

TARGET static inline unsigned last_bit(uint64_t bits)
{
    return 63 - (unsigned)__builtin_clzll(bits);
}

#include "core/csv_scan_kernel.inc"

const struct csv_scan_path csv_scan_avx2 = {"avx2", avx2_index, avx2_count};

#endif
