#include "core/http_tls.h"

#include <curl/curl.h>
#include <openssl/ssl.h>

static CURLcode cleanse_plaintext(CURL *easy, void *context, void *arg)
{
    (void)easy;
    (void)arg;
    SSL_CTX_set_options(context, SSL_OP_CLEANSE_PLAINTEXT);
    return CURLE_OK;
}

bool http_tls_prepare(void *easy)
{
    return curl_easy_setopt(easy, CURLOPT_SSL_CTX_FUNCTION, cleanse_plaintext) == CURLE_OK;
}
