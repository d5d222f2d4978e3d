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

static inline void absorb(struct sip *s, uint64_t word)
{
    s->d ^= word;
    mix(s, 2);
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

void keyhash_of(const struct keyhash *hash, const void *bytes, size_t len, uint64_t out[2])
{
    const unsigned char *at = bytes;
    uint64_t k0 = hash->secret[0], k1 = hash->secret[1];
    struct sip s = {k0 ^ 0x736f6d6570736575u, k1 ^ 0x646f72616e646f6du ^ 0xee, k0 ^ 0x6c7967656e657261u,
                    k1 ^ 0x7465646279746573u};
    for (size_t left = len / 8; left > 0; left--, at += 8)
        absorb(&s, load(at));
    absorb(&s, load_tail(at, len));
    s.c ^= 0xee;
    mix(&s, 4);
    out[0] = s.a ^ s.b ^ s.c ^ s.d;
    s.b ^= 0xdd;
    mix(&s, 4);
    out[1] = s.a ^ s.b ^ s.c ^ s.d;
}
