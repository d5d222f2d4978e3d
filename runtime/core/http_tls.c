#include "core/http_tls.h"

#include <curl/curl.h>
#include <openssl/ssl.h>
#include <string.h>

static CURLcode cleanse_plaintext(CURL *easy, void *context, void *arg)
{
    (void)easy;
    (void)arg;
    SSL_CTX_set_options(context, SSL_OP_CLEANSE_PLAINTEXT);
    return CURLE_OK;
}

void http_tls_prepare(void *easy)
{
    const char *library = curl_version_info(CURLVERSION_NOW)->ssl_version;
    if (library && strncmp(library, "OpenSSL/", 8) == 0) /* another one's context is something else */
        curl_easy_setopt(easy, CURLOPT_SSL_CTX_FUNCTION, cleanse_plaintext);
}
