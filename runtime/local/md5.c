#include "local/md5.h"

#include <stdatomic.h>
#include <string.h>

#define BLOCK ((size_t)64)

/* RFC 1321. A word is one of a lane alone, or one of each lane. */
#define ROTATE(x, n) ((x) << (n) | (x) >> (32 - (n)))
#define F(b, c, d)   ((d) ^ ((b) & ((c) ^ (d))))
#define G(b, c, d)   ((c) ^ ((d) & ((b) ^ (c))))
#define H(b, c, d)   ((b) ^ (c) ^ (d))
#define I(b, c, d)   ((c) ^ ((b) | ~(d)))
#define STEP(f, a, b, c, d, x, k, n) \
    a += f(b, c, d) + ((x) + (k));   \
    a = ROTATE(a, n) + b;
#define FOUR(f, i, x0, x1, x2, x3, n0, n1, n2, n3) \
    STEP(f, a, b, c, d, x[x0], sines[i], n0)       \
    STEP(f, d, a, b, c, x[x1], sines[(i) + 1], n1) \
    STEP(f, c, d, a, b, x[x2], sines[(i) + 2], n2) \
    STEP(f, b, c, d, a, x[x3], sines[(i) + 3], n3)
#define ALL                                        \
    FOUR(F, 0, 0, 1, 2, 3, 7, 12, 17, 22)          \
    FOUR(F, 4, 4, 5, 6, 7, 7, 12, 17, 22)          \
    FOUR(F, 8, 8, 9, 10, 11, 7, 12, 17, 22)        \
    FOUR(F, 12, 12, 13, 14, 15, 7, 12, 17, 22)     \
    FOUR(G, 16, 1, 6, 11, 0, 5, 9, 14, 20)         \
    FOUR(G, 20, 5, 10, 15, 4, 5, 9, 14, 20)        \
    FOUR(G, 24, 9, 14, 3, 8, 5, 9, 14, 20)         \
    FOUR(G, 28, 13, 2, 7, 12, 5, 9, 14, 20)        \
    FOUR(H, 32, 5, 8, 11, 14, 4, 11, 16, 23)       \
    FOUR(H, 36, 1, 4, 7, 10, 4, 11, 16, 23)        \
    FOUR(H, 40, 13, 0, 3, 6, 4, 11, 16, 23)        \
    FOUR(H, 44, 9, 12, 15, 2, 4, 11, 16, 23)       \
    FOUR(I, 48, 0, 7, 14, 5, 6, 10, 15, 21)        \
    FOUR(I, 52, 12, 3, 10, 1, 6, 10, 15, 21)       \
    FOUR(I, 56, 8, 15, 6, 13, 6, 10, 15, 21)       \
    FOUR(I, 60, 4, 11, 2, 9, 6, 10, 15, 21)

static const uint32_t sines[64] = {
    0xd76aa478, 0xe8c7b756, 0x242070db, 0xc1bdceee, 0xf57c0faf, 0x4787c62a, 0xa8304613, 0xfd469501, 0x698098d8, 0x8b44f7af, 0xffff5bb1,
    0x895cd7be, 0x6b901122, 0xfd987193, 0xa679438e, 0x49b40821, 0xf61e2562, 0xc040b340, 0x265e5a51, 0xe9b6c7aa, 0xd62f105d, 0x02441453,
    0xd8a1e681, 0xe7d3fbc8, 0x21e1cde6, 0xc33707d6, 0xf4d50d87, 0x455a14ed, 0xa9e3e905, 0xfcefa3f8, 0x676f02d9, 0x8d2a4c8a, 0xfffa3942,
    0x8771f681, 0x6d9d6122, 0xfde5380c, 0xa4beea44, 0x4bdecfa9, 0xf6bb4b60, 0xbebfbc70, 0x289b7ec6, 0xeaa127fa, 0xd4ef3085, 0x04881d05,
    0xd9d4d039, 0xe6db99e5, 0x1fa27cf8, 0xc4ac5665, 0xf4292244, 0x432aff97, 0xab9423a7, 0xfc93a039, 0x655b59c3, 0x8f0ccc92, 0xffeff47d,
    0x85845dd1, 0x6fa87e4f, 0xfe2ce6e0, 0xa3014314, 0x4e0811a1, 0xf7537e82, 0xbd3af235, 0x2ad7d2bb, 0xeb86d391};

/* ---- one ---- */

static uint32_t read_word(const unsigned char *bytes)
{
    return bytes[0] | (uint32_t)bytes[1] << 8 | (uint32_t)bytes[2] << 16 | (uint32_t)bytes[3] << 24;
}

static void add_blocks(uint32_t words[4], const unsigned char *bytes, size_t count)
{
    for (; count > 0; count--, bytes += BLOCK) {
        uint32_t x[16], a = words[0], b = words[1], c = words[2], d = words[3];
        for (size_t i = 0; i < 16; i++)
            x[i] = read_word(bytes + 4 * i);
        ALL
        words[0] += a;
        words[1] += b;
        words[2] += c;
        words[3] += d;
    }
}

/* ---- several ---- */

typedef uint32_t lanes __attribute__((vector_size(4 * MD5_LANES)));

typedef void (*add_to_all)(uint32_t words[4][MD5_LANES], const unsigned char *const bytes[MD5_LANES], size_t count);

#if defined(__x86_64__)
/* Half a block of each lane, which is eight words, becomes a word of all lanes eight times. */
static inline __attribute__((always_inline)) void turn(const unsigned char *const bytes[MD5_LANES], size_t at, lanes x[8])
{
    lanes row[8], pairs[8], fours[8];
    for (int i = 0; i < 8; i++)
        memcpy(&row[i], bytes[i] + at, sizeof row[i]);
    for (int i = 0; i < 8; i += 2) {
        pairs[i] = __builtin_shufflevector(row[i], row[i + 1], 0, 8, 1, 9, 4, 12, 5, 13);
        pairs[i + 1] = __builtin_shufflevector(row[i], row[i + 1], 2, 10, 3, 11, 6, 14, 7, 15);
    }
    for (int i = 0; i < 8; i += 4)
        for (int k = 0; k < 2; k++) {
            fours[i + 2 * k] = __builtin_shufflevector(pairs[i + k], pairs[i + k + 2], 0, 1, 8, 9, 4, 5, 12, 13);
            fours[i + 2 * k + 1] = __builtin_shufflevector(pairs[i + k], pairs[i + k + 2], 2, 3, 10, 11, 6, 7, 14, 15);
        }
    for (int i = 0; i < 4; i++) {
        x[i] = __builtin_shufflevector(fours[i], fours[4 + i], 0, 1, 2, 3, 8, 9, 10, 11);
        x[4 + i] = __builtin_shufflevector(fours[i], fours[4 + i], 4, 5, 6, 7, 12, 13, 14, 15);
    }
}

static inline __attribute__((always_inline)) void add_side_by_side(uint32_t words[4][MD5_LANES],
                                                                   const unsigned char *const bytes[MD5_LANES], size_t count)
{
    lanes sum[4];
    memcpy(sum, words, sizeof sum);
    for (size_t n = 0; n < count; n++) {
        lanes x[16], a = sum[0], b = sum[1], c = sum[2], d = sum[3];
        turn(bytes, n * BLOCK, x);
        turn(bytes, n * BLOCK + BLOCK / 2, x + 8);
        ALL
        sum[0] += a;
        sum[1] += b;
        sum[2] += c;
        sum[3] += d;
    }
    memcpy(words, sum, sizeof sum);
}

__attribute__((target("avx2"))) static void add_avx2(uint32_t words[4][MD5_LANES], const unsigned char *const bytes[MD5_LANES],
                                                     size_t count)
{
    add_side_by_side(words, bytes, count);
}

__attribute__((target("avx2,avx512f,avx512vl"))) static void add_avx512(uint32_t words[4][MD5_LANES],
                                                                        const unsigned char *const bytes[MD5_LANES], size_t count)
{
    add_side_by_side(words, bytes, count);
}

static bool has_avx2(void)
{
    return __builtin_cpu_supports("avx2");
}

static bool has_avx512(void)
{
    return has_avx2() && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512vl");
}
#endif

static bool always(void)
{
    return true;
}

/* ---- which way ---- */

const char *const md5_paths[] = {"avx512", "avx2", "portable", NULL};

struct path {
    const char *name;
    bool (*supported)(void);
    add_to_all add;
    size_t least; /* lanes for which it is faster than one after the other */
};

/* The best first. */
static const struct path paths[] = {
#if defined(__x86_64__)
    {"avx512", has_avx512, add_avx512, 2},
    {"avx2", has_avx2, add_avx2, 3},
#endif
    {"portable", always, NULL, SIZE_MAX},
};

static _Atomic(const struct path *) chosen;

bool md5_select(const char *name)
{
    for (size_t i = 0; i < sizeof paths / sizeof *paths; i++)
        if ((!name || strcmp(name, paths[i].name) == 0) && paths[i].supported()) {
            atomic_store(&chosen, &paths[i]);
            return true;
        }
    return false;
}

static const struct path *path_in_use(void)
{
    const struct path *path = atomic_load_explicit(&chosen, memory_order_relaxed);
    if (!path && md5_select(NULL))
        path = atomic_load(&chosen);
    return path;
}

/* ---- pieces ---- */

static void take(struct md5_piece *piece, size_t n)
{
    piece->bytes += n;
    piece->size -= n;
    piece->md5->size += n;
}

/* Completes the block that an earlier piece began. */
static void complete(struct md5_piece *piece)
{
    struct md5 *md5 = piece->md5;
    size_t there = md5->size % BLOCK, n = BLOCK - there < piece->size ? BLOCK - there : piece->size;
    if (there == 0)
        return;
    memcpy(md5->rest + there, piece->bytes, n);
    take(piece, n);
    if (there + n == BLOCK)
        add_blocks(md5->words, md5->rest, 1);
}

/* Of pieces that have whole blocks: as many as the shortest has. */
static void add_lanes(const struct path *path, struct md5_piece *const pieces[MD5_LANES], size_t count)
{
    uint32_t words[4][MD5_LANES];
    const unsigned char *bytes[MD5_LANES];
    size_t blocks = SIZE_MAX;
    for (size_t i = 0; i < MD5_LANES; i++) {
        const struct md5_piece *piece = pieces[i < count ? i : 0]; /* lanes that are left over repeat the first, for nothing */
        bytes[i] = piece->bytes;
        blocks = piece->size / BLOCK < blocks ? piece->size / BLOCK : blocks;
        for (size_t k = 0; k < 4; k++)
            words[k][i] = piece->md5->words[k];
    }
    path->add(words, bytes, blocks);
    for (size_t i = 0; i < count; i++) {
        for (size_t k = 0; k < 4; k++)
            pieces[i]->md5->words[k] = words[k][i];
        take(pieces[i], blocks * BLOCK);
    }
}

void md5_begin(struct md5 *md5)
{
    *md5 = (struct md5){.words = {0x67452301, 0xefcdab89, 0x98badcfe, 0x10325476}};
}

void md5_add(struct md5_piece *pieces, size_t count)
{
    const struct path *path = path_in_use();
    struct md5_piece *whole[MD5_LANES];
    size_t n;
    for (size_t i = 0; i < count; i++)
        complete(&pieces[i]);
    do {
        n = 0;
        for (size_t i = 0; i < count; i++)
            if (pieces[i].size >= BLOCK)
                whole[n++] = &pieces[i];
        if (n >= path->least)
            add_lanes(path, whole, n);
    } while (n >= path->least);
    for (size_t i = 0; i < count; i++) {
        size_t blocks = pieces[i].size / BLOCK;
        add_blocks(pieces[i].md5->words, pieces[i].bytes, blocks);
        take(&pieces[i], blocks * BLOCK);
        memcpy(pieces[i].md5->rest + pieces[i].md5->size % BLOCK, pieces[i].bytes, pieces[i].size);
        take(&pieces[i], pieces[i].size);
    }
}

void md5_end(struct md5 *md5, unsigned char digest[16])
{
    unsigned char end[BLOCK + 8] = {0x80};
    uint64_t bits = md5->size * 8;
    size_t padding = BLOCK - (md5->size + 8) % BLOCK; /* 1 to 64 bytes, then the length */
    for (size_t i = 0; i < 8; i++)
        end[padding + i] = (unsigned char)(bits >> (8 * i));
    md5_add(&(struct md5_piece){md5, end, padding + 8}, 1);
    for (size_t i = 0; i < 16; i++)
        digest[i] = (unsigned char)(md5->words[i / 4] >> (8 * (i % 4)));
}
