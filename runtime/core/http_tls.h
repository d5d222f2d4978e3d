/* http_tls: what is asked of OpenSSL beneath curl. Private to http_transfer. */
#ifndef UPJOB_CORE_HTTP_TLS_H
#define UPJOB_CORE_HTTP_TLS_H

#include <stdbool.h>

/* What arrives is overwritten in OpenSSL's buffer once it was read: a reply may hold a key. `easy` is a CURL handle. False when
 * this libcurl uses another library. */
bool http_tls_prepare(void *easy);

#endif
