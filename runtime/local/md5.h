/* md5: MD5 of several things at once. One alone goes no faster than each step of the algorithm waits for the one before, some
 * 600 MB/s; where several are at hand, vector instructions take a step of eight of them in hardly more time.
 *
 * What it is for: uploads that come beside each other, whose Content-MD5 is checked.
 */
#ifndef UPJOB_LOCAL_MD5_H
#define UPJOB_LOCAL_MD5_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define MD5_LANES ((size_t)8)

struct md5 {
    uint32_t words[4];
    uint64_t size; /* bytes so far */
    unsigned char rest[64]; /* of them, those that are no whole block yet */
};

struct md5_piece {
    struct md5 *md5; /* of each only one piece at a time */
    const unsigned char *bytes;
    size_t size;
};

void md5_begin(struct md5 *md5);
/* Adds a piece to each of some, MD5_LANES at most. The pieces are changed. Thread-safe. */
void md5_add(struct md5_piece *pieces, size_t count);
void md5_end(struct md5 *md5, unsigned char digest[16]);

/* The ways to do it, NULL-terminated; that of a name, or the best for NULL, is the one from now on: false when this processor
 * does not have it. For tests. */
extern const char *const md5_paths[];
bool md5_select(const char *path);

#endif
