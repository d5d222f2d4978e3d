/* The scan with what every x86-64 processor has. */
#include "core/csv_scan_masks.h"

#if defined(__x86_64__)

#include <emmintrin.h>

#define TARGET
#define PATH(name)  sse2_##name
#define prefix_xor  plain_prefix_xor
#define count_bits  plain_count_bits
#define first_bit   plain_first_bit
#define last_bit    plain_last_bit

struct needles {
    __m128i quote, delimiter, lf, cr;
};

static inline struct needles needles_of(const struct csv_scan *scan)
{
    return (struct needles){_mm_set1_epi8((char)scan->quote), _mm_set1_epi8((char)scan->delimiter), _mm_set1_epi8('\n'),
                            _mm_set1_epi8('\r')};
}

static inline uint64_t equal(const __m128i *parts, __m128i needle)
{
    uint64_t bits = 0;
    for (int i = 0; i < 4; i++)
        bits |= (uint64_t)(unsigned)_mm_movemask_epi8(_mm_cmpeq_epi8(parts[i], needle)) << (i * 16);
    return bits;
}

static inline struct block block_at(const char *bytes, const struct needles *needles)
{
    __m128i parts[4];
    for (int i = 0; i < 4; i++)
        parts[i] = _mm_loadu_si128((const __m128i *)(const void *)(bytes + i * 16));
    return (struct block){equal(parts, needles->quote), equal(parts, needles->delimiter), equal(parts, needles->lf),
                          equal(parts, needles->cr)};
}

#include "core/csv_scan_kernel.inc"

const struct csv_scan_path csv_scan_sse2 = {"sse2", sse2_index, sse2_count};

#endif
