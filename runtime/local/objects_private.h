/* objects_private: what objects.c (the store, its key, sealing), objects_file.c (writing and reading one object) and
 * objects_output.c (how it gets to the disk) share. */
#ifndef UPJOB_LOCAL_OBJECTS_PRIVATE_H
#define UPJOB_LOCAL_OBJECTS_PRIVATE_H

#include <limits.h>

#include "local/objects.h"

#define NONCE_SIZE 12
#define TAG_SIZE 16
#define TEMPORARY_SUFFIX ".part"
#define SEALED_CHUNK (OBJECT_CHUNK + TAG_SIZE)

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
/* `what` failed with `number` (errno): retryable where it was for want of room or of descriptors, which may come back. Always
 * false. */
bool object_failed(struct err *err, int number, const char *what);

/* ---- objects_output.c ---- */

#define OBJECT_OUTPUT_ROOM SEALED_CHUNK /* the most that is added at once */

struct object_output {
    int fd; /* borrowed */
    bool direct;   /* past the page cache */
    size_t block;  /* that is written at once; 0: what is added is */
    size_t len;    /* of what waits in the buffer */
    unsigned char *buffer;
};

bool object_output_begin(struct object_output *output, int fd, bool direct, struct err *err) MUST_CHECK;
/* Where what is added next is to be put. */
unsigned char *object_output_room(struct object_output *output);
bool object_output_add(struct object_output *output, size_t len, struct err *err) MUST_CHECK;
bool object_output_end(struct object_output *output, struct err *err) MUST_CHECK;
void object_output_free(struct object_output *output);

#endif
