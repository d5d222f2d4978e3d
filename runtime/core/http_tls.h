/* http_tls: what is asked of OpenSSL beneath curl. Private to http_transfer. */
#ifndef UPJOB_CORE_HTTP_TLS_H
#define UPJOB_CORE_HTTP_TLS_H

/* What arrives is to be overwritten in OpenSSL's buffer once it was read: a reply may hold a key. `easy` is a CURL handle. Does
 * nothing when this libcurl uses another library. */
void http_tls_prepare(void *easy);

#endif
