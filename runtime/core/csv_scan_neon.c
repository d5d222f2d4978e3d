/* The scan for 64-bit ARM. */
#include "core/csv_scan_masks.h"

#if defined(__aarch64__)

#include <arm_neon.h>

#define TARGET
#define PATH(name)  neon_##name
#define prefix_xor  plain_prefix_xor
#define first_bit   plain_first_bit
#define last_bit    plain_last_bit

struct needles {
    uint8x16_t quote, delimiter, lf, cr;
};

static inline unsigned count_bits(uint64_t bits)
{
    return vaddv_u8(vcnt_u8(vcreate_u8(bits)));
}

static inline struct needles needles_of(const struct csv_scan *scan)
{
    return (struct needles){vdupq_n_u8(scan->quote), vdupq_n_u8(scan->delimiter), vdupq_n_u8('\n'), vdupq_n_u8('\r')};
}

/* Each byte that is equal keeps the bit of its place in a group of eight; adding neighbours thrice puts these together. */
static inline uint64_t equal(const uint8x16_t *parts, uint8x16_t needle)
{
    static const uint8_t places[16] = {1, 2, 4, 8, 16, 32, 64, 128, 1, 2, 4, 8, 16, 32, 64, 128};
    uint8x16_t place = vld1q_u8(places), bits[4];
    for (int i = 0; i < 4; i++)
        bits[i] = vandq_u8(vceqq_u8(parts[i], needle), place);
    uint8x16_t sum = vpaddq_u8(vpaddq_u8(bits[0], bits[1]), vpaddq_u8(bits[2], bits[3]));
    sum = vpaddq_u8(sum, sum);
    return vgetq_lane_u64(vreinterpretq_u64_u8(sum), 0);
}

static inline struct block block_at(const char *bytes, const struct needles *needles)
{
    uint8x16_t parts[4];
    for (int i = 0; i < 4; i++)
        parts[i] = vld1q_u8((const uint8_t *)bytes + i * 16);
    return (struct block){equal(parts, needles->quote), equal(parts, needles->delimiter), equal(parts, needles->lf),
                          equal(parts, needles->cr)};
}

#include "core/csv_scan_kernel.inc"

const struct csv_scan_path csv_scan_neon = {"neon", neon_index, neon_count};

#endif
