#include "core/keyhash.h"

#include <endian.h>
#include <errno.h>
#include <string.h>
#include <sys/random.h>

struct sip {
    uint64_t a, b, c, d;
};

bool keyhash_init(struct keyhash *hash, struct err *err)
{
    if (getrandom(hash->secret, sizeof hash->secret, 0) == (ssize_t)sizeof hash->secret)
        return true;
    return err_errno(err, ERR_SYSTEM, errno, "the system gives no random bytes");
}

static inline uint64_t rotate(uint64_t word, unsigned bits)
{
    return word << bits | word >> (64 - bits);
}

static inline uint64_t load(const unsigned char *bytes)
{
    uint64_t word;
    memcpy(&word, bytes, sizeof word);
    return le64toh(word);
}

static inline void mix(struct sip *s, unsigned rounds)
{
    while (rounds-- > 0) {
        s->a += s->b;
        s->c += s->d;
        s->b = rotate(s->b, 13) ^ s->a;
        s->d = rotate(s->d, 16) ^ s->c;
        s->a = rotate(s->a, 32) + s->d;
        s->c += s->b;
        s->d = rotate(s->d, 21) ^ s->a;
        s->b = rotate(s->b, 17) ^ s->c;
        s->c = rotate(s->c, 32);
    }
}

static inline void absorb(struct sip *s, uint64_t word, unsigned rounds)
{
    s->d ^= word;
    mix(s, rounds);
    s->a ^= word;
}

/* The last bytes, below the length's lowest byte. */
static uint64_t load_tail(const unsigned char *bytes, size_t len)
{
    uint64_t word = (uint64_t)len << 56;
    for (size_t i = 0; i < len % 8; i++)
        word |= (uint64_t)bytes[i] << (8 * i);
    return word;
}

static inline struct sip begin(const struct keyhash *hash)
{
    uint64_t k0 = hash->secret[0], k1 = hash->secret[1];
    return (struct sip){k0 ^ 0x736f6d6570736575u, k1 ^ 0x646f72616e646f6du, k0 ^ 0x6c7967656e657261u, k1 ^ 0x7465646279746573u};
}

static inline void absorb_all(struct sip *s, const unsigned char *bytes, size_t len, unsigned rounds)
{
    for (size_t left = len / 8; left > 0; left--, bytes += 8)
        absorb(s, load(bytes), rounds);
    absorb(s, load_tail(bytes, len), rounds);
}

void keyhash_of(const struct keyhash *hash, const void *bytes, size_t len, uint64_t out[2])
{
    struct sip s = begin(hash);
    s.b ^= 0xee;
    absorb_all(&s, bytes, len, 2);
    s.c ^= 0xee;
    mix(&s, 4);
    out[0] = s.a ^ s.b ^ s.c ^ s.d;
    s.b ^= 0xdd;
    mix(&s, 4);
    out[1] = s.a ^ s.b ^ s.c ^ s.d;
}

uint64_t keyhash_short(const struct keyhash *hash, const void *bytes, size_t len)
{
    struct sip s = begin(hash);
    absorb_all(&s, bytes, len, 1);
    s.c ^= 0xff;
    mix(&s, 3);
    return s.a ^ s.b ^ s.c ^ s.d;
}
