/* objects_private: what objects.c (the store, its key, sealing) and objects_file.c (writing and reading one object) share. */
#ifndef UPJOB_LOCAL_OBJECTS_PRIVATE_H
#define UPJOB_LOCAL_OBJECTS_PRIVATE_H

#include <limits.h>

#include "local/objects.h"

#define NONCE_SIZE 12
#define TAG_SIZE 16
#define TEMPORARY_SUFFIX ".part"

struct objects {
    char directory[PATH_MAX]; /* <data>/objects */
    int directory_fd;         /* open throughout, so that syncing it needs no descriptor */
    unsigned char master[32];
    bool ephemeral;
};

/* AES-256-GCM; `out` has room for `len` bytes. False also when the tag is not that of what is opened. */
bool gcm_seal(const unsigned char key[32], const unsigned char nonce[NONCE_SIZE], const void *aad, size_t aad_len,
              const void *plain, size_t len, unsigned char *out, unsigned char tag[TAG_SIZE]) MUST_CHECK;
bool gcm_open(const unsigned char key[32], const unsigned char nonce[NONCE_SIZE], const void *aad, size_t aad_len,
              const void *sealed, size_t len, const unsigned char tag[TAG_SIZE], unsigned char *out) MUST_CHECK;

void object_path(const struct objects *objects, const char *name, const char *suffix, char *out, size_t size);
bool write_whole(int fd, const void *bytes, size_t len) MUST_CHECK;
/* `what` failed with `number` (errno): retryable where it was for want of room or of descriptors, which may come back. Always
 * false. */
bool object_failed(struct err *err, int number, const char *what);

#endif
