/* secret: bytes that must not leave the process: data keys, access keys, signatures.
 *
 * Memory is locked where the limits allow, left out of core dumps, and overwritten
 * before it is freed. Nothing here ever prints a secret; callers print SECRET_SHOWN.
 */
#ifndef UPJOB_CORE_SECRET_H
#define UPJOB_CORE_SECRET_H

#include <stdbool.h>
#include <stddef.h>

#include "core/err.h"

#define SECRET_SHOWN "<secret>"

struct secret; /* opaque; owned by whoever created it */

/* A copy of `len` bytes, NUL-terminated for the callee's convenience. NULL when memory is out. */
struct secret *secret_new(const void *bytes, size_t len) MUST_CHECK;
/* Overwrites and frees. NULL is allowed. */
void secret_free(struct secret *s);
/* The bytes, valid until secret_free; never keep or copy them without need. */
const char *secret_bytes(const struct secret *s);
size_t secret_len(const struct secret *s);
/* Overwrites memory in a way that the compiler keeps. */
void secret_cleanse(void *bytes, size_t len);
/* realloc and free for memory from malloc that may hold a secret: what is given back is overwritten first. */
void *secret_realloc(void *memory, size_t size);
void secret_release(void *memory);
/* Overwrites the stack that the functions called before have left behind, and the registers: for after they handled a secret. */
void secret_cleanse_stack(void);
/* Equal in constant time. */
bool secret_equal(const void *a, const void *b, size_t len);

/* Once at start: no core dumps of this process, no reading of it by others of the same user. */
void secret_harden_process(void);

#endif
