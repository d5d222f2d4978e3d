/* The store of objects.h: its key, and what is wrapped and sealed under it. Objects themselves are in objects_file.c. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <openssl/evp.h>
#include <openssl/rand.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/secret.h"
#include "local/names.h"
#include "local/objects_private.h"

/* ---- AES-256-GCM ---- */

bool gcm_seal(const unsigned char key[32], const unsigned char nonce[NONCE_SIZE], const void *aad, size_t aad_len,
                     const void *plain, size_t len, unsigned char *out, unsigned char tag[TAG_SIZE])
{
    EVP_CIPHER_CTX *ctx = EVP_CIPHER_CTX_new();
    int n = 0;
    bool ok = ctx && EVP_EncryptInit_ex(ctx, EVP_aes_256_gcm(), NULL, key, nonce) == 1 &&
              EVP_EncryptUpdate(ctx, NULL, &n, aad, (int)aad_len) == 1 &&
              EVP_EncryptUpdate(ctx, out, &n, plain, (int)len) == 1 && EVP_EncryptFinal_ex(ctx, out + n, &n) == 1 &&
              EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_GCM_GET_TAG, TAG_SIZE, tag) == 1;
    EVP_CIPHER_CTX_free(ctx);
    return ok;
}

bool gcm_open(const unsigned char key[32], const unsigned char nonce[NONCE_SIZE], const void *aad, size_t aad_len,
                     const void *sealed, size_t len, const unsigned char tag[TAG_SIZE], unsigned char *out)
{
    EVP_CIPHER_CTX *ctx = EVP_CIPHER_CTX_new();
    int n = 0;
    bool ok = ctx && EVP_DecryptInit_ex(ctx, EVP_aes_256_gcm(), NULL, key, nonce) == 1 &&
              EVP_DecryptUpdate(ctx, NULL, &n, aad, (int)aad_len) == 1 &&
              EVP_DecryptUpdate(ctx, out, &n, sealed, (int)len) == 1 &&
              EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_GCM_SET_TAG, TAG_SIZE, (void *)tag) == 1 &&
              EVP_DecryptFinal_ex(ctx, out + n, &n) == 1;
    EVP_CIPHER_CTX_free(ctx);
    return ok;
}

/* ---- the store ---- */

static bool write_whole(int fd, const void *bytes, size_t len)
{
    const char *p = bytes;
    while (len > 0) {
        ssize_t n = write(fd, p, len);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return false;
        p += n;
        len -= (size_t)n;
    }
    return true;
}

bool object_failed(struct err *err, int number, const char *what)
{
    err->retryable = number == EMFILE || number == ENFILE || number == ENOSPC || number == EDQUOT || number == ENOMEM;
    return err_errno(err, ERR_SYSTEM, number, "%s", what);
}

static bool sync_directory(const char *path)
{
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    bool ok = fd >= 0 && fsync(fd) == 0;
    if (fd >= 0)
        close(fd);
    return ok;
}

void object_path(const struct objects *objects, const char *name, const char *suffix, char *out, size_t size)
{
    snprintf(out, size, "%s/%s%s", objects->directory, name, suffix);
}

/* Made under a temporary name and renamed: a key file is there whole or not at all. */
static bool make_key(struct objects *objects, const char *data_dir, const char *path, struct err *err)
{
    char temporary[PATH_MAX + 16];
    snprintf(temporary, sizeof temporary, "%s" TEMPORARY_SUFFIX, path);
    int fd = open(temporary, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (fd < 0)
        return err_errno(err, ERR_CONFIG, errno, "cannot make the key file %s", path);
    bool ok = RAND_bytes(objects->master, sizeof objects->master) == 1 &&
              write_whole(fd, objects->master, sizeof objects->master) && fsync(fd) == 0;
    ok = close(fd) == 0 && ok && rename(temporary, path) == 0 && sync_directory(data_dir);
    return ok || err_errno(err, ERR_CONFIG, errno, "cannot make the key file %s", path);
}

/* A key is made for a new directory only: a second one would make what the first protects unreadable for good. */
static bool holds_data(const char *data_dir)
{
    char path[PATH_MAX];
    snprintf(path, sizeof path, "%s/jobs.db", data_dir);
    return access(path, F_OK) == 0;
}

static bool load_key(struct objects *objects, const char *data_dir, struct err *err)
{
    char path[PATH_MAX];
    struct stat info;
    snprintf(path, sizeof path, "%s/key", data_dir);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0 && errno == ENOENT)
        return !holds_data(data_dir) ? make_key(objects, data_dir, path, err)
                                     : err_set(err, ERR_CONFIG, "the key file %s is missing: without it nothing can be read of the "
                                               "uploads in this data directory. Put it back, or start with another --data", path);
    if (fd < 0)
        return err_errno(err, ERR_CONFIG, errno, "cannot read the key file %s", path);
    bool ok = fstat(fd, &info) == 0 && info.st_size == (off_t)sizeof objects->master &&
              read(fd, objects->master, sizeof objects->master) == (ssize_t)sizeof objects->master;
    close(fd);
    if (!ok)
        return err_set(err, ERR_CONFIG, "the key file %s is damaged: what it protects cannot be read", path);
    if (info.st_mode & 077)
        return err_set(err, ERR_CONFIG, "the key file %s can be read by others: chmod 600 it", path);
    return true;
}

/* What a process that was killed was writing. */
static void remove_temporary(const char *directory)
{
    DIR *dir = opendir(directory);
    struct dirent *entry;
    size_t suffix = strlen(TEMPORARY_SUFFIX);
    while (dir && (entry = readdir(dir))) {
        size_t len = strlen(entry->d_name);
        if (len > suffix && strcmp(entry->d_name + len - suffix, TEMPORARY_SUFFIX) == 0)
            unlinkat(dirfd(dir), entry->d_name, 0);
    }
    if (dir)
        closedir(dir);
}

void objects_sweep(struct objects *objects, bool (*needed)(void *arg, const char *name), void *arg)
{
    DIR *dir = opendir(objects->directory);
    struct dirent *entry;
    while (dir && (entry = readdir(dir)))
        if (name_is(entry->d_name) && !needed(arg, entry->d_name))
            unlinkat(dirfd(dir), entry->d_name, 0);
    if (dir)
        closedir(dir);
}

struct objects *objects_open(const char *data_dir, bool ephemeral, struct err *err)
{
    struct objects *objects = calloc(1, sizeof *objects);
    if (!objects) {
        err_set(err, ERR_MEMORY, "out of memory");
        return NULL;
    }
    objects->ephemeral = ephemeral;
    objects->directory_fd = -1;
    snprintf(objects->directory, sizeof objects->directory, "%s/objects", data_dir);
    if (mkdir(objects->directory, 0700) != 0 && errno != EEXIST) {
        err_errno(err, ERR_CONFIG, errno, "cannot make the directory %s", objects->directory);
    } else if ((objects->directory_fd = open(objects->directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC)) < 0) {
        err_errno(err, ERR_CONFIG, errno, "cannot read the directory %s", objects->directory);
    } else if (load_key(objects, data_dir, err)) {
        remove_temporary(objects->directory);
        return objects;
    }
    objects_close(objects);
    return NULL;
}

void objects_close(struct objects *objects)
{
    if (!objects)
        return;
    if (objects->directory_fd >= 0)
        close(objects->directory_fd);
    secret_cleanse(objects->master, sizeof objects->master);
    free(objects);
}

bool objects_new_key(unsigned char key[DATA_KEY_SIZE], struct err *err)
{
    return RAND_priv_bytes(key, DATA_KEY_SIZE) == 1 || err_set(err, ERR_INTERNAL, "no random bytes are to be had");
}

bool objects_wrap(const struct objects *objects, const char *name, const unsigned char key[DATA_KEY_SIZE],
                  unsigned char wrapped[WRAPPED_KEY_SIZE], struct err *err)
{
    return (RAND_bytes(wrapped, NONCE_SIZE) == 1 &&
            gcm_seal(objects->master, wrapped, name, strlen(name), key, DATA_KEY_SIZE, wrapped + NONCE_SIZE,
                     wrapped + NONCE_SIZE + DATA_KEY_SIZE)) ||
           err_set(err, ERR_INTERNAL, "a data key could not be wrapped");
}

bool objects_unwrap(const struct objects *objects, const char *name, const unsigned char wrapped[WRAPPED_KEY_SIZE],
                    unsigned char key[DATA_KEY_SIZE], struct err *err)
{
    return gcm_open(objects->master, wrapped, name, strlen(name), wrapped + NONCE_SIZE, DATA_KEY_SIZE,
                    wrapped + NONCE_SIZE + DATA_KEY_SIZE, key) ||
           err_set(err, ERR_INTERNAL, "a data key cannot be unwrapped: the key file is another one, or the data was changed");
}

void object_key_texts(const unsigned char key[DATA_KEY_SIZE], char text[64], char md5[40])
{
    unsigned char digest[EVP_MAX_MD_SIZE];
    unsigned len = 0;
    EVP_EncodeBlock((unsigned char *)text, key, DATA_KEY_SIZE);
    md5[0] = '\0';
    if (EVP_Digest(key, DATA_KEY_SIZE, digest, &len, EVP_md5(), NULL) == 1)
        EVP_EncodeBlock((unsigned char *)md5, digest, (int)len);
}

bool objects_seal(const struct objects *objects, const char *context, const void *plain, size_t len, struct buf *out,
                  struct err *err)
{
    unsigned char *room = (unsigned char *)buf_reserve(out, NONCE_SIZE + len + TAG_SIZE);
    if (!room || RAND_bytes(room, NONCE_SIZE) != 1 ||
        !gcm_seal(objects->master, room, context, strlen(context), plain, len, room + NONCE_SIZE,
                  room + NONCE_SIZE + len))
        return err_set(err, ERR_INTERNAL, "a token could not be sealed");
    out->len += NONCE_SIZE + len + TAG_SIZE;
    return true;
}

bool objects_unseal(const struct objects *objects, const char *context, const void *sealed, size_t len, struct buf *out,
                    struct err *err)
{
    const unsigned char *bytes = sealed;
    size_t plain = len > NONCE_SIZE + TAG_SIZE ? len - NONCE_SIZE - TAG_SIZE : 0;
    unsigned char *room = plain ? (unsigned char *)buf_reserve(out, plain) : NULL;
    if (!room || !gcm_open(objects->master, bytes, context, strlen(context), bytes + NONCE_SIZE, plain,
                           bytes + NONCE_SIZE + plain, room))
        return err_set(err, "BadRequestException", "The token is not one that this service gave out for this request.");
    out->len += plain;
    out->data[out->len] = '\0';
    return true;
}

bool objects_remove(struct objects *objects, const char *name, struct err *err)
{
    char path[PATH_MAX + 300];
    object_path(objects, name, "", path, sizeof path);
    return unlink(path) == 0 || errno == ENOENT || err_errno(err, ERR_SYSTEM, errno, "the file %s cannot be removed", path);
}
