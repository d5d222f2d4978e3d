/* The scan without vector instructions: eight bytes at a time. */
#include "core/csv_scan_masks.h"

#define TARGET
#define PATH(name)  portable_##name
#define prefix_xor  plain_prefix_xor
#define count_bits  plain_count_bits
#define first_bit   plain_first_bit
#define last_bit    plain_last_bit

#define EACH_BYTE(byte) ((byte) * (uint64_t)0x0101010101010101)

struct needles {
    uint64_t quote, delimiter, lf, cr;
};

static inline struct needles needles_of(const struct csv_scan *scan)
{
    return (struct needles){EACH_BYTE(scan->quote), EACH_BYTE(scan->delimiter), EACH_BYTE('\n'), EACH_BYTE('\r')};
}

/* Byte i of the text is bits 8i to 8i + 7. */
static inline uint64_t word_at(const char *bytes)
{
    uint64_t word;
    memcpy(&word, bytes, sizeof word);
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
    word = __builtin_bswap64(word);
#endif
    return word;
}

/* Bit i is set where byte i equals the needle's. */
static inline uint64_t equal(uint64_t word, uint64_t needle)
{
    uint64_t differs = word ^ needle;
    uint64_t high = ~(((differs & EACH_BYTE(0x7F)) + EACH_BYTE(0x7F)) | differs) & EACH_BYTE(0x80);
    return (high >> 7) * 0x0102040810204080 >> 56;
}

static inline struct block block_at(const char *bytes, const struct needles *needles)
{
    struct block block = {0, 0, 0, 0};
    for (unsigned i = 0; i < 8; i++) {
        uint64_t word = word_at(bytes + i * 8);
        block.quotes |= equal(word, needles->quote) << (i * 8);
        block.delimiters |= equal(word, needles->delimiter) << (i * 8);
        block.lf |= equal(word, needles->lf) << (i * 8);
        block.cr |= equal(word, needles->cr) << (i * 8);
    }
    return block;
}

#include "core/csv_scan_kernel.inc"

const struct csv_scan_path csv_scan_portable = {"portable", portable_index, portable_count};
