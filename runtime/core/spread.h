/* spread: a loop over many independent things, on several threads.
 *
 * The threads are started with the first run that has work for them, sleep between runs and end with spread_free. They have every
 * signal blocked. The caller's thread works too, and waits: it is for a worker thread, not for that of the event loop.
 */
#ifndef UPJOB_CORE_SPREAD_H
#define UPJOB_CORE_SPREAD_H

#include <stddef.h>

struct spread;

/* `threads` includes the caller's; 0: as many as there are processors that the process may use. NULL when memory is out. */
struct spread *spread_new(unsigned threads);
/* NULL is allowed. No run may be under way. */
void spread_free(struct spread *spread);
unsigned spread_threads(const struct spread *spread);

/* Calls `work(arg, from, to)` for parts of 0..count, each of at most `part`, on several threads at once; returns when all are
 * done. Runs of different threads follow one another. Where no thread can be started the caller does it alone. */
void spread_run(struct spread *spread, size_t count, size_t part, void (*work)(void *arg, size_t from, size_t to), void *arg);

#endif
