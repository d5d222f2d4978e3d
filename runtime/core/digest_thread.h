/* digest_thread: a digest that is made on a thread of its own, beside what else is done with the bytes.
 *
 * The bytes are copied, so that the digest sees what its owner saw. A thread is started when there is more than one
 * block of them; where none can be started the owner's does the work. It has every signal blocked. One thread at a time may
 * use a digest.
 */
#ifndef UPJOB_CORE_DIGEST_THREAD_H
#define UPJOB_CORE_DIGEST_THREAD_H

#include <stddef.h>

#include "core/digest.h"
#include "core/err.h"

#define DIGEST_THREAD_BLOCK ((size_t)128 << 10) /* bytes; a digest keeps four */

struct digest_thread;

struct digest_thread *digest_thread_new(struct err *err) MUST_CHECK;
/* Waits while the digest is four blocks behind: below a millisecond. */
bool digest_thread_add(struct digest_thread *digest, const void *bytes, size_t len, struct err *err) MUST_CHECK;
/* Ends it: waits for what is left. */
bool digest_thread_text(struct digest_thread *digest, char out[DIGEST_TEXT], struct err *err) MUST_CHECK;
/* NULL is allowed. */
void digest_thread_free(struct digest_thread *digest);

#endif
