/* metrics: pages for those who watch a daemon, over HTTP: GET /metrics (Prometheus' text format 0.0.4) and GET /healthz.
 *
 * The owner makes a page when it is asked for one; all who wait for it by then get the same. On addresses that only this machine
 * reaches unless told otherwise: there is no password. Few connections at a time, each for one request, and for some seconds: what
 * is slower is cut off. Loop's thread only.
 */
#ifndef UPJOB_CORE_METRICS_H
#define UPJOB_CORE_METRICS_H

#include <stdbool.h>
#include <stddef.h>

#include "core/err.h"
#include "core/loop.h"

struct metrics;

enum metrics_page { METRICS_PAGE, METRICS_HEALTH, METRICS_PAGES };

struct metrics_options {
    const char *address; /* "127.0.0.1:9464", "[::1]:9464", "unix:/run/upjob/metrics.sock"; port 0 chooses a free one */
    bool anywhere;       /* also an address that the network reaches */
    double patience;     /* seconds for a connection; 0: 10 */
    /* In a turn of the loop: somebody waits for the page. It is called again only after the page was answered. */
    void (*asked)(void *arg, enum metrics_page page);
    void *arg;
};

/* NULL with ERR_CONFIG: the address is none, is refused, or is in use. */
struct metrics *metrics_new(struct loop *loop, const struct metrics_options *options, struct err *err) MUST_CHECK;
/* "http://127.0.0.1:9464/metrics", or "unix:PATH". */
const char *metrics_place(const struct metrics *metrics);
/* Gives the page to all who wait for it; copied. */
void metrics_answer(struct metrics *metrics, enum metrics_page page, unsigned status, const char *text, size_t len);
/* Those who still wait get 503; a socket at a path is gone afterwards. NULL is allowed. */
void metrics_free(struct metrics *metrics);

#endif
