#include "core/webhook.h"

#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/buf.h"
#include "core/secret.h"

#define PREFIX "whsec_"
#define MOST ((size_t)64 << 20)

/* The bytes behind the prefix, in memory for the caller to release; NULL when they are no base64. */
static unsigned char *decode(const char *text, size_t *len)
{
    size_t given = strlen(text), padding = 0;
    unsigned char *bytes = malloc(given / 4 * 3 + 1);
    int decoded = bytes && given > 0 && given % 4 == 0 ? EVP_DecodeBlock(bytes, (const unsigned char *)text, (int)given) : -1;
    while (padding < 2 && padding < given && text[given - 1 - padding] == '=')
        padding++;
    if (decoded > (int)padding) {
        *len = (size_t)decoded - padding;
        return bytes;
    }
    secret_release(bytes);
    return NULL;
}

static bool sign(const unsigned char *key, size_t key_len, const struct buf *text, char out[WEBHOOK_SIGNATURE])
{
    unsigned char mac[EVP_MAX_MD_SIZE];
    unsigned mac_len = 0;
    if (!HMAC(EVP_sha256(), key, (int)key_len, (const unsigned char *)text->data, text->len, mac, &mac_len))
        return false;
    memcpy(out, "v1,", 3);
    EVP_EncodeBlock((unsigned char *)out + 3, mac, (int)mac_len);
    return true;
}

bool webhook_sign(const char *secret, const char *id, int64_t timestamp, const void *body, size_t len,
                  char out[WEBHOOK_SIGNATURE], struct err *err)
{
    bool is_encoded = strncmp(secret, PREFIX, strlen(PREFIX)) == 0;
    size_t key_len = strlen(secret);
    unsigned char *decoded = is_encoded ? decode(secret + strlen(PREFIX), &key_len) : NULL;
    if ((is_encoded && !decoded) || key_len == 0)
        return err_set(err, ERR_USAGE, "the secret of a webhook is a text, or \"" PREFIX "\" and base64");
    struct buf text;
    buf_init(&text, MOST);
    buf_addf(&text, "%s.%lld.", id, (long long)timestamp);
    buf_add(&text, body, len);
    bool ok = !text.failed && sign(decoded ? decoded : (const unsigned char *)secret, key_len, &text, out);
    buf_free(&text);
    if (decoded)
        secret_cleanse(decoded, key_len);
    free(decoded);
    return ok || err_set(err, ERR_MEMORY, "the webhook cannot be signed: out of memory");
}

void webhook_fingerprint(const char *text, char out[WEBHOOK_FINGERPRINT])
{
    unsigned char sum[EVP_MAX_MD_SIZE] = {0};
    EVP_Digest(text, strlen(text), sum, NULL, EVP_sha256(), NULL);
    snprintf(out, WEBHOOK_FINGERPRINT, "%02x%02x%02x%02x", sum[0], sum[1], sum[2], sum[3]);
}
