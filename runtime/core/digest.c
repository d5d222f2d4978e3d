#include "core/digest.h"

#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct digest {
    EVP_MD_CTX *md5;
};

struct digest *digest_new(struct err *err)
{
    struct digest *digest = calloc(1, sizeof *digest);
    if (digest && (digest->md5 = EVP_MD_CTX_new()) && EVP_DigestInit_ex(digest->md5, EVP_md5(), NULL) == 1)
        return digest;
    digest_free(digest);
    err_set(err, ERR_MEMORY, "cannot compute the file's MD5: out of memory");
    return NULL;
}

void digest_prepare(void)
{
    struct err ignored;
    err_clear(&ignored);
    digest_free(digest_new(&ignored));
}

bool digest_add(struct digest *digest, const void *bytes, size_t len, struct err *err)
{
    return EVP_DigestUpdate(digest->md5, bytes, len) == 1 || err_set(err, ERR_INTERNAL, "cannot compute the file's MD5");
}

bool digest_text(struct digest *digest, char out[DIGEST_TEXT], struct err *err)
{
    unsigned char md5[EVP_MAX_MD_SIZE];
    if (EVP_DigestFinal_ex(digest->md5, md5, NULL) != 1)
        return err_set(err, ERR_INTERNAL, "cannot compute the file's MD5");
    EVP_EncodeBlock((unsigned char *)out, md5, 16);
    return true;
}

void digest_free(struct digest *digest)
{
    if (!digest)
        return;
    EVP_MD_CTX_free(digest->md5);
    free(digest);
}

bool digest_is_text(const char *text)
{
    static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    return strlen(text) == DIGEST_TEXT - 1 && strspn(text, alphabet) == 22 && strcmp(text + 22, "==") == 0;
}

void digest_sha1_hex(const char *text, char out[41])
{
    unsigned char sum[20] = {0};
    EVP_Digest(text, strlen(text), sum, NULL, EVP_sha1(), NULL);
    for (size_t i = 0; i < sizeof sum; i++)
        sprintf(out + 2 * i, "%02x", sum[i]);
}
