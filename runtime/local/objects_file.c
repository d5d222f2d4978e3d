/* Writing and reading one object of objects.h: its header, and chunks that are each sealed on their own. */
#include <errno.h>
#include <fcntl.h>
#include <openssl/evp.h>
#include <openssl/kdf.h>
#include <openssl/rand.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/secret.h"
#include "core/utf8.h"
#include "local/objects_private.h"

#define SALT_SIZE 32
#define HASH_SIZE 32
#define MAGIC "UPJOBOB1" /* the last byte is the format's version */
#define MAGIC_SIZE 8
#define HEADER_SIZE (MAGIC_SIZE + SALT_SIZE + WRAPPED_KEY_SIZE)
#define LARGE ((uint64_t)64 << 20) /* bytes from which on an object goes past the page cache */

/* ---- what chunks share ---- */

static bool derive(const unsigned char key[32], const void *salt, size_t salt_len, const char *info, unsigned char out[32])
{
    size_t len = 32;
    EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_id(EVP_PKEY_HKDF, NULL);
    bool ok = ctx && EVP_PKEY_derive_init(ctx) == 1 && EVP_PKEY_CTX_set_hkdf_md(ctx, EVP_sha256()) == 1 &&
              EVP_PKEY_CTX_set1_hkdf_salt(ctx, salt, (int)salt_len) == 1 &&
              EVP_PKEY_CTX_set1_hkdf_key(ctx, key, 32) == 1 &&
              EVP_PKEY_CTX_add1_hkdf_info(ctx, (const unsigned char *)info, (int)strlen(info)) == 1 &&
              EVP_PKEY_derive(ctx, out, &len) == 1;
    EVP_PKEY_CTX_free(ctx);
    return ok;
}

struct cipher {
    unsigned char key[32];           /* of this object: HKDF(data key, salt) */
    unsigned char header[HASH_SIZE]; /* the header's hash: a chunk of another object does not open */
};

static bool cipher_init(struct cipher *cipher, const unsigned char data_key[DATA_KEY_SIZE],
                        const unsigned char header[HEADER_SIZE])
{
    unsigned len = 0;
    return derive(data_key, header + MAGIC_SIZE, SALT_SIZE, "upjob object", cipher->key) &&
           EVP_Digest(header, HEADER_SIZE, cipher->header, &len, EVP_sha256(), NULL) == 1;
}

/* Nonce: the chunk's index; authenticated beside it: the header's hash, the index again, the final flag. */
static void chunk_names(const struct cipher *cipher, uint64_t index, bool final, unsigned char nonce[NONCE_SIZE],
                        unsigned char aad[HASH_SIZE + 9])
{
    memset(nonce, 0, NONCE_SIZE);
    memcpy(aad, cipher->header, HASH_SIZE);
    for (int i = 0; i < 8; i++)
        nonce[4 + i] = aad[HASH_SIZE + i] = (unsigned char)(index >> (56 - 8 * i));
    aad[HASH_SIZE + 8] = final;
}

/* ---- writing ---- */

struct object_writer {
    struct objects *objects;
    struct cipher cipher;
    char name[256];
    int fd;
    uint64_t chunk; /* index of the one being filled */
    size_t filled;
    bool made, ended, finished;
    struct utf8_state utf8;
    struct object_facts facts;
    struct object_output output;
    unsigned char plain[OBJECT_CHUNK]; /* what was left of the last piece */
};

static bool write_header(struct object_writer *writer, const unsigned char key[DATA_KEY_SIZE], struct err *err)
{
    unsigned char *header = object_output_room(&writer->output);
    memcpy(header, MAGIC, MAGIC_SIZE);
    if (RAND_bytes(header + MAGIC_SIZE, SALT_SIZE) != 1)
        return err_set(err, ERR_INTERNAL, "no random bytes are to be had");
    if (!objects_wrap(writer->objects, writer->name, key, header + MAGIC_SIZE + SALT_SIZE, err))
        return false;
    if (!cipher_init(&writer->cipher, key, header))
        return err_set(err, ERR_INTERNAL, "the object's key cannot be derived");
    return object_output_add(&writer->output, HEADER_SIZE, err);
}

struct object_writer *object_writer_new(struct objects *objects, const char *name, const unsigned char key[DATA_KEY_SIZE],
                                        uint64_t size, struct err *err)
{
    char path[PATH_MAX + 300];
    struct object_writer *writer = calloc(1, sizeof *writer);
    if (!writer) {
        err_set(err, ERR_MEMORY, "out of memory");
        return NULL;
    }
    writer->objects = objects;
    snprintf(writer->name, sizeof writer->name, "%s", name);
    object_path(objects, name, TEMPORARY_SUFFIX, path, sizeof path);
    /* Never a file that is there: two writers of one name would write over each other. */
    writer->fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (writer->fd < 0)
        object_failed(err, errno, "the uploaded file cannot be kept");
    writer->made = writer->fd >= 0;
    bool direct = size >= LARGE && !objects->ephemeral;
    if (writer->made && object_output_begin(&writer->output, writer->fd, direct, err) && write_header(writer, key, err))
        return writer;
    object_writer_free(writer);
    return NULL;
}

static bool write_chunk(struct object_writer *writer, const void *bytes, size_t len, bool final, struct err *err)
{
    unsigned char nonce[NONCE_SIZE], aad[HASH_SIZE + 9], *sealed = object_output_room(&writer->output);
    chunk_names(&writer->cipher, writer->chunk, final, nonce, aad);
    if (!gcm_seal(writer->cipher.key, nonce, aad, sizeof aad, bytes, len, sealed, sealed + len))
        return err_set(err, ERR_INTERNAL, "a chunk could not be encrypted");
    writer->chunk++;
    return object_output_add(&writer->output, len + TAG_SIZE, err);
}

/* From the piece itself where it has more than a whole chunk. */
static bool take_some(struct object_writer *writer, const unsigned char *bytes, size_t len, size_t *taken, struct err *err)
{
    *taken = OBJECT_CHUNK;
    if (writer->filled == 0 && len > OBJECT_CHUNK)
        return write_chunk(writer, bytes, OBJECT_CHUNK, false, err);
    size_t room = OBJECT_CHUNK - writer->filled;
    *taken = len < room ? len : room;
    memcpy(writer->plain + writer->filled, bytes, *taken);
    writer->filled += *taken;
    return true;
}

bool object_writer_add(struct object_writer *writer, const void *bytes, size_t len, struct err *err)
{
    const unsigned char *p = bytes;
    (void)utf8_feed(&writer->utf8, bytes, len);
    writer->facts.size += len;
    while (len > 0) {
        /* A full chunk waits until more comes: only then is it known not to be the last. */
        if (writer->filled == OBJECT_CHUNK) {
            if (!write_chunk(writer, writer->plain, OBJECT_CHUNK, false, err))
                return false;
            writer->filled = 0;
        }
        size_t n;
        if (!take_some(writer, p, len, &n, err))
            return false;
        p += n;
        len -= n;
    }
    return true;
}

bool object_writer_end(struct object_writer *writer, struct object_facts *facts, struct err *err)
{
    if (!write_chunk(writer, writer->plain, writer->filled, true, err) || !object_output_end(&writer->output, err))
        return false;
    writer->facts.utf8 = utf8_finish(&writer->utf8);
    writer->facts.utf8_error_at = writer->facts.utf8 ? 0 : writer->utf8.error_at;
    writer->ended = true;
    *facts = writer->facts;
    return true;
}

bool object_writer_finish(struct object_writer *writer, struct err *err)
{
    char temporary[PATH_MAX + 300], path[PATH_MAX + 300];
    if (!writer->ended)
        return err_set(err, ERR_INTERNAL, "an object was finished before it was ended");
    object_path(writer->objects, writer->name, TEMPORARY_SUFFIX, temporary, sizeof temporary);
    object_path(writer->objects, writer->name, "", path, sizeof path);
    bool sync = !writer->objects->ephemeral;
    bool ok = !sync || fsync(writer->fd) == 0;
    ok = close(writer->fd) == 0 && ok;
    writer->fd = -1;
    ok = ok && rename(temporary, path) == 0;
    writer->finished = ok;
    if (ok && (!sync || fsync(writer->objects->directory_fd) == 0))
        return true;
    object_failed(err, errno, "the uploaded file cannot be kept");
    if (ok)
        unlink(path);
    return false;
}

void object_writer_free(struct object_writer *writer)
{
    char path[PATH_MAX + 300];
    if (!writer)
        return;
    if (writer->fd >= 0)
        close(writer->fd);
    if (writer->made && !writer->finished) {
        object_path(writer->objects, writer->name, TEMPORARY_SUFFIX, path, sizeof path);
        unlink(path);
    }
    object_output_free(&writer->output);
    secret_cleanse(writer, sizeof *writer);
    free(writer);
}

/* ---- reading ---- */

struct object_reader {
    struct cipher cipher;
    int fd;
    uint64_t chunk;   /* index of the next one */
    size_t at, len;   /* what is left of the current one */
    bool last_read;
    unsigned char plain[OBJECT_CHUNK];
    unsigned char sealed[SEALED_CHUNK + 1]; /* one more byte shows whether another chunk follows */
    size_t ahead;     /* bytes of the next chunk that were read already: 0 or 1 */
};

static bool read_header(struct object_reader *reader, struct objects *objects, const char *name, struct err *err)
{
    unsigned char header[HEADER_SIZE], key[DATA_KEY_SIZE];
    bool ok = false;
    if (read(reader->fd, header, sizeof header) != (ssize_t)sizeof header || memcmp(header, MAGIC, MAGIC_SIZE) != 0)
        return err_set(err, ERR_SYSTEM, "the stored file %s is damaged", name);
    if (objects_unwrap(objects, name, header + MAGIC_SIZE + SALT_SIZE, key, err))
        ok = cipher_init(&reader->cipher, key, header) || err_set(err, ERR_INTERNAL, "the object's key cannot be derived");
    secret_cleanse(key, sizeof key);
    return ok;
}

/* Decrypts the next chunk. */
static bool read_chunk(struct object_reader *reader, struct err *err)
{
    unsigned char nonce[NONCE_SIZE], aad[HASH_SIZE + 9];
    size_t got = reader->ahead;
    while (got < sizeof reader->sealed) {
        ssize_t n = read(reader->fd, reader->sealed + got, sizeof reader->sealed - got);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return object_failed(err, errno, "the stored file cannot be read");
        if (n == 0)
            break;
        got += (size_t)n;
    }
    bool final = got <= SEALED_CHUNK;
    size_t sealed = final ? got : SEALED_CHUNK;
    unsigned char next = reader->sealed[SEALED_CHUNK];
    chunk_names(&reader->cipher, reader->chunk, final, nonce, aad);
    if (sealed < TAG_SIZE || !gcm_open(reader->cipher.key, nonce, aad, sizeof aad, reader->sealed, sealed - TAG_SIZE,
                                       reader->sealed + sealed - TAG_SIZE, reader->plain))
        return err_set(err, ERR_SYSTEM, "chunk %llu of the stored file was changed or cut: it does not open",
                       (unsigned long long)reader->chunk);
    reader->chunk++;
    reader->at = 0;
    reader->len = sealed - TAG_SIZE;
    reader->last_read = final;
    reader->ahead = final ? 0 : 1;
    reader->sealed[0] = next;
    return true;
}

struct object_reader *object_reader_open(struct objects *objects, const char *name, uint64_t offset, struct err *err)
{
    char path[PATH_MAX + 300];
    struct object_reader *reader = calloc(1, sizeof *reader);
    if (!reader) {
        err_set(err, ERR_MEMORY, "out of memory");
        return NULL;
    }
    object_path(objects, name, "", path, sizeof path);
    reader->fd = open(path, O_RDONLY | O_CLOEXEC);
    if (reader->fd < 0) {
        object_failed(err, errno, "the stored file cannot be opened");
        goto failed;
    }
    if (!read_header(reader, objects, name, err))
        goto failed;
    /* The chunk of the byte before: at the end of the object there is none that begins at the offset. */
    reader->chunk = offset ? (offset - 1) / OBJECT_CHUNK : 0;
    size_t within = (size_t)(offset - reader->chunk * OBJECT_CHUNK);
    if (lseek(reader->fd, (off_t)(HEADER_SIZE + reader->chunk * SEALED_CHUNK), SEEK_SET) < 0) {
        object_failed(err, errno, "the stored file cannot be read");
        goto failed;
    }
    if (offset > 0) {
        if (!read_chunk(reader, err))
            goto failed;
        reader->at = within < reader->len ? within : reader->len;
    }
    return reader;
failed:
    object_reader_free(reader);
    return NULL;
}

long object_reader_read(struct object_reader *reader, char *into, size_t size, struct err *err)
{
    size_t done = 0;
    while (done < size) {
        if (reader->at == reader->len) {
            if (reader->last_read)
                break;
            if (!read_chunk(reader, err))
                return -1;
            continue;
        }
        size_t n = reader->len - reader->at < size - done ? reader->len - reader->at : size - done;
        memcpy(into + done, reader->plain + reader->at, n);
        reader->at += n;
        done += n;
    }
    return (long)done;
}

void object_reader_free(struct object_reader *reader)
{
    if (!reader)
        return;
    if (reader->fd >= 0)
        close(reader->fd);
    secret_cleanse(reader, sizeof *reader);
    free(reader);
}
