/* objects: uploaded files, encrypted at rest under their data key (envelope encryption).
 *
 * <data>/key            32 random bytes, mode 0600: wraps data keys (AES-256-GCM, bound to a name)
 * <data>/objects/NAME   header (magic, version, random salt, wrapped data key), then chunks of 64 KiB of
 *                       plain text, each AES-256-GCM under HKDF(data key, salt), with the chunk's index
 *                       and a final flag authenticated: cut, swapped or changed chunks do not open.
 * What fails for want of room or of descriptors is retryable.
 * An object is written to a temporary name, synced, renamed, the directory synced: it is there whole or not at all.
 */
#ifndef UPJOB_LOCAL_OBJECTS_H
#define UPJOB_LOCAL_OBJECTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/buf.h"
#include "core/err.h"

#define OBJECT_CHUNK ((size_t)65536)
#define DATA_KEY_SIZE 32
#define WRAPPED_KEY_SIZE (12 + DATA_KEY_SIZE + 16) /* nonce, cipher text, tag */

struct objects;

/* Opens the key file and the directory under `data_dir`, or makes them where there is no data yet (ERR_CONFIG when there is and
 * the key file is missing); removes temporary files that a killed process left. With `ephemeral`, nothing is synced. */
struct objects *objects_open(const char *data_dir, bool ephemeral, struct err *err) MUST_CHECK;
void objects_close(struct objects *objects);
/* Removes the objects that nobody needs: those that a killed process stored or let go of, and did not come to note or remove. */
void objects_sweep(struct objects *objects, bool (*needed)(void *arg, const char *name), void *arg);

/* A new data key. */
bool objects_new_key(unsigned char key[DATA_KEY_SIZE], struct err *err) MUST_CHECK;
/* Wraps and unwraps a data key for keeping in a database; `name` is authenticated. Thread-safe. */
bool objects_wrap(const struct objects *objects, const char *name, const unsigned char key[DATA_KEY_SIZE],
                  unsigned char wrapped[WRAPPED_KEY_SIZE], struct err *err) MUST_CHECK;
bool objects_unwrap(const struct objects *objects, const char *name,
                    const unsigned char wrapped[WRAPPED_KEY_SIZE], unsigned char key[DATA_KEY_SIZE],
                    struct err *err) MUST_CHECK;

/* The data key as the client sends it: base64 of the key, and of the MD5 of its bytes. */
void object_key_texts(const unsigned char key[DATA_KEY_SIZE], char text[64], char md5[40]);

/* Seals a few bytes that go to a client and come back (page tokens); `context` is authenticated. Thread-safe. */
bool objects_seal(const struct objects *objects, const char *context, const void *plain, size_t len,
                  struct buf *out, struct err *err) MUST_CHECK;
/* False with BadRequestException when it is not one that this service sealed for the context. */
bool objects_unseal(const struct objects *objects, const char *context, const void *sealed, size_t len,
                    struct buf *out, struct err *err) MUST_CHECK;

/* What is known of an object once it is written. */
struct object_facts {
    uint64_t size;            /* plain bytes */
    unsigned char md5[16];    /* of the plain bytes, for Content-MD5: an intake's, no writer's */
    bool utf8;                /* the whole of it is UTF-8 */
    uint64_t utf8_error_at;   /* byte of the first error otherwise */
};

/* Writing: `add` encrypts as bytes come (an intake's thread: writes to the page cache, or past it, and never syncs); `finish`
 * syncs and renames (the objects worker's). Until finish succeeds nothing is visible under `name`, which must be a new one. Always
 * end with object_writer_free, which removes the temporary file if finish was not called or failed. `size`: bytes that are said
 * to come. */
struct object_writer;
struct object_writer *object_writer_new(struct objects *objects, const char *name, const unsigned char key[DATA_KEY_SIZE],
                                        uint64_t size, struct err *err) MUST_CHECK;
bool object_writer_add(struct object_writer *writer, const void *bytes, size_t len, struct err *err) MUST_CHECK;
/* Closes the last chunk and fills the facts; nothing is visible yet. */
bool object_writer_end(struct object_writer *writer, struct object_facts *facts, struct err *err) MUST_CHECK;
bool object_writer_finish(struct object_writer *writer, struct err *err) MUST_CHECK;
void object_writer_free(struct object_writer *writer);

/* Reading: sequential, from a byte offset (a resumed ingestion starts in the middle). One thread at a time. */
struct object_reader;
struct object_reader *object_reader_open(struct objects *objects, const char *name, uint64_t offset,
                                         struct err *err) MUST_CHECK;
/* Up to `size` plain bytes; 0 at the end; -1 with *err (a chunk that does not open says which). */
long object_reader_read(struct object_reader *reader, char *into, size_t size, struct err *err);
void object_reader_free(struct object_reader *reader);

bool objects_remove(struct objects *objects, const char *name, struct err *err) MUST_CHECK; /* absent is fine */

#endif
