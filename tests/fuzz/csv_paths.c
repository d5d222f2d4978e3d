/* The CSV reader by every path of its scan, in pieces of every size, beside the reference.
 *
 * An input is HEAD bytes of how to read and then the text, which so begins at the same place whatever the bytes before it say.
 */
#include "core/csv.h"

#include "core/buf.h"
#include "tests/fuzz/fuzz.h"
#include "tests/reference/csv_compare.h"
#include "tests/reference/csv_generate.h"
#include "tests/reference/csv_sizes.h"

enum { FLAGS, SIZES, DELIMITER, QUOTE, MAX_RECORD, START, SEED, HEAD = SEED + 2 };

size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max_size, unsigned seed);
size_t LLVMFuzzerMutate(uint8_t *data, size_t size, size_t max_size);

static struct csv_options options_of(const uint8_t *head)
{
    unsigned flags = head[FLAGS];
    return (struct csv_options){.no_header = flags & 1,
                                .strict = flags & 2,
                                .pauses = flags & 4,
                                .keep_bom = flags & 8,
                                .delimiter = flags & 16 ? head[DELIMITER] : 0,
                                .quote = flags & 32 ? head[QUOTE] : 0,
                                .max_record = flags & 64 ? head[MAX_RECORD] * (head[SIZES] & 16 ? (size_t)1 : (size_t)13) : 0,
                                .trim = flags & 128,
                                .start_offset = head[START],
                                .start_line = head[START] / 2};
}

static void choose_sizes(const uint8_t *head)
{
    static const size_t reads[] = {64, 100, 256, 1000};
    static const size_t scans[] = {(size_t)128 << 10, 64, 100, 256};
    csv_sizes = (struct csv_sizes){reads[head[SIZES] & 3], scans[head[SIZES] >> 2 & 3]};
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < HEAD)
        return 0;
    struct csv_options options = options_of(data);
    struct err err;
    err_clear(&err);
    if (!csv_options_check(&options, &err)) {
        require_told(&err);
        return 0;
    }
    choose_sizes(data);
    struct buf why;
    buf_init(&why, 1 << 16);
    struct csv_reference *reference = csv_reference_read((const char *)data + HEAD, size - HEAD, &options);
    uint64_t seed = data[SEED] | (uint64_t)data[SEED + 1] << 8;
    bool same = csv_paths_read_the_same(reference, seed, &why);
    REQUIRE(same, "%s", why.data);
    csv_reference_free(reference);
    buf_free(&why);
    return 0;
}

/* ---- making inputs ---- */

/* Bytes that mean something, over others or between them, mostly at the border of a block. */
static size_t put_piece(struct dice *dice, uint8_t *text, size_t len, size_t room, const struct csv_options *options)
{
    char piece[CSV_PIECE_MOST];
    size_t n = csv_generate_piece(dice, options, piece);
    size_t at = dice_below(dice, 4) ? csv_generate_place(dice, len + 1, 64) : dice_below(dice, len + 1);
    bool between = dice_below(dice, 2);
    if (n > room - at || (between && len + n > room))
        return len;
    if (between)
        memmove(text + at + n, text + at, len - at);
    memcpy(text + at, piece, n);
    if (between)
        return len + n;
    return at + n > len ? at + n : len;
}

/* A run of a byte that means nothing, which moves what is behind it to other places in their blocks. */
static size_t put_filler(struct dice *dice, uint8_t *text, size_t len, size_t room)
{
    static const size_t most[] = {2, 2, 33, 70, 200};
    size_t n = 1 + dice_below(dice, most[dice_below(dice, 5)]), at = dice_below(dice, len + 1);
    if (len + n > room)
        return len;
    memmove(text + at + n, text + at, len - at);
    memset(text + at, 'x', n);
    return len + n;
}

static size_t cut_out(struct dice *dice, uint8_t *text, size_t len)
{
    if (len == 0)
        return 0;
    size_t at = dice_below(dice, len), n = 1 + dice_below(dice, dice_below(dice, 4) ? 3 : 100);
    n = n < len - at ? n : len - at;
    memmove(text + at, text + at + n, len - at - n);
    return len - n;
}

/* Some of the text once more, behind it. */
static size_t repeat(struct dice *dice, uint8_t *text, size_t len, size_t room)
{
    if (len == 0)
        return 0;
    size_t at = dice_below(dice, len), n = 1 + dice_below(dice, len - at);
    n = n < room - len ? n : room - len;
    memcpy(text + len, text + at, n);
    return len + n;
}

static size_t mutate_text(struct dice *dice, uint8_t *text, size_t len, size_t room, const struct csv_options *options)
{
    switch (dice_below(dice, 8)) {
    case 0:
        return put_filler(dice, text, len, room);
    case 1:
        return cut_out(dice, text, len);
    case 2:
        return repeat(dice, text, len, room);
    default:
        return put_piece(dice, text, len, room, options);
    }
}

size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max_size, unsigned seed)
{
    struct dice dice = {seed};
    if (max_size < HEAD || size < HEAD || dice_below(&dice, 4) == 0)
        return LLVMFuzzerMutate(data, size, max_size);
    if (dice_below(&dice, 4) == 0)
        data[dice_below(&dice, HEAD)] = (uint8_t)dice_below(&dice, 256);
    struct csv_options options = options_of(data);
    size_t len = size - HEAD;
    for (size_t n = 1 + dice_below(&dice, 4); n > 0; n--)
        len = mutate_text(&dice, data + HEAD, len, max_size - HEAD, &options);
    return HEAD + len;
}
