#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/keyset_file.h"
#include "core/scratch.h"

struct keyset_reader {
    int fd;
    bool owns_fd;
    char *path; /* for errors; NULL: not known */
    struct keyset_header header;
    struct buf name;
    uint64_t position;
    uint64_t left; /* records that are not in the block */
    size_t at, count;
    struct keyset_record last;
    bool has_last;
    struct keyset_block block;
};

static bool fail(const struct keyset_reader *reader, struct err *err)
{
    if (reader->path)
        err_at(err, reader->path, 0, 0, NULL);
    return false;
}

static bool damaged(const struct keyset_reader *reader, struct err *err, const char *how)
{
    err_set(err, ERR_FILE, "the fingerprints of the last import cannot be used: %s; an import of all rows makes new ones", how);
    return fail(reader, err);
}

static bool unreadable(const struct keyset_reader *reader, struct err *err, int errnum)
{
    err_errno(err, ERR_FILE, errnum, "the fingerprints of the last import cannot be read");
    return fail(reader, err);
}

/* What follows the texts: `records`, and number and check of each block. */
static uint64_t blocks_size(uint64_t count)
{
    uint64_t blocks = count / KEYSET_BLOCK + (count % KEYSET_BLOCK > 0);
    return count * sizeof(struct keyset_record) + blocks * 2 * sizeof(uint64_t);
}

static bool read_exactly(const struct keyset_reader *reader, void *bytes, size_t len, uint64_t offset, struct err *err)
{
    if (pread_all(reader->fd, bytes, len, offset) == len)
        return true;
    return errno ? unreadable(reader, err, errno) : damaged(reader, err, "the file is cut off");
}

/* The text at `offset`, which must stand before the blocks. */
static bool read_text(const struct keyset_reader *reader, uint64_t offset, struct buf *text, struct err *err)
{
    uint32_t len;
    uint64_t end = reader->header.texts_end;
    buf_reset(text);
    if (offset < sizeof reader->header || offset > end || end - offset < sizeof len)
        return damaged(reader, err, "the file is damaged");
    if (!read_exactly(reader, &len, sizeof len, offset, err))
        return false;
    offset += sizeof len;
    if (len > KEYSET_MAX_TEXT || end - offset < len)
        return damaged(reader, err, "the file is damaged");
    char small[256], *bytes = len <= sizeof small ? small : malloc(len);
    if (!bytes)
        return err_set(err, ERR_MEMORY, "no memory for a key");
    bool done = read_exactly(reader, bytes, len, offset, err) &&
                (buf_add(text, bytes, len) || err_set(err, ERR_MEMORY, "no memory for a key"));
    if (bytes != small)
        free(bytes);
    return done;
}

static bool read_name(struct keyset_reader *reader, struct err *err)
{
    return read_text(reader, sizeof reader->header, &reader->name, err) &&
           (keyhash_short(&reader->header.hash, reader->name.data, reader->name.len) == reader->header.name_check ||
            damaged(reader, err, "the file is damaged at its beginning"));
}

static bool read_header(struct keyset_reader *reader, struct err *err)
{
    struct keyset_header *header = &reader->header;
    struct stat info;
    if (fstat(reader->fd, &info) != 0)
        return unreadable(reader, err, errno);
    if (!read_exactly(reader, header, sizeof *header, 0, err))
        return false;
    if (memcmp(header->magic, KEYSET_MAGIC, sizeof header->magic) != 0)
        return damaged(reader, err, "the file was not finished, or is another one");
    if (header->byte_order != KEYSET_BYTE_ORDER)
        return damaged(reader, err, "they were written on a machine with another byte order");
    if (header->version > KEYSET_VERSION)
        return damaged(reader, err, "they were written by a newer upjob");
    if (header->check != keyset_header_check(header) || header->version != KEYSET_VERSION ||
        header->record_size != sizeof(struct keyset_record) || header->block_records != KEYSET_BLOCK ||
        header->facts.time_count > KEYSET_TIMES)
        return damaged(reader, err, "the file is damaged at its beginning");
    if (header->facts.count > (uint64_t)INT64_MAX / 64 || header->texts_end > (uint64_t)info.st_size ||
        (uint64_t)info.st_size - header->texts_end != blocks_size(header->facts.count))
        return damaged(reader, err, "the file is cut off, or has more than was written");
    return read_name(reader, err);
}

static struct keyset_reader *begin(int fd, const char *path, struct err *err)
{
    struct keyset_reader *reader = calloc(1, sizeof *reader);
    if (!reader || (path && !(reader->path = strdup(path)))) {
        free(reader);
        err_set(err, ERR_MEMORY, "no memory to read fingerprints");
        return NULL;
    }
    reader->fd = fd;
    buf_init(&reader->name, KEYSET_MAX_TEXT);
    return reader;
}

static struct keyset_reader *go_on(struct keyset_reader *reader, struct err *err)
{
    if (!read_header(reader, err)) {
        keyset_reader_free(reader);
        return NULL;
    }
    reader->position = reader->header.texts_end;
    reader->left = reader->header.facts.count;
    return reader;
}

struct keyset_reader *keyset_reader_new(int fd, struct err *err)
{
    struct keyset_reader *reader = begin(fd, NULL, err);
    return reader ? go_on(reader, err) : NULL;
}

struct keyset_reader *keyset_reader_open(const char *path, struct err *err)
{
    struct keyset_reader *reader = begin(-1, path, err);
    if (!reader)
        return NULL;
    reader->fd = open(path, O_RDONLY | O_CLOEXEC);
    reader->owns_fd = true;
    if (reader->fd >= 0)
        return go_on(reader, err);
    unreadable(reader, err, errno);
    keyset_reader_free(reader);
    return NULL;
}

void keyset_reader_free(struct keyset_reader *reader)
{
    if (!reader)
        return;
    if (reader->owns_fd && reader->fd >= 0)
        close(reader->fd);
    buf_free(&reader->name);
    free(reader->path);
    free(reader);
}

const struct keyhash *keyset_hash(const struct keyset_reader *reader)
{
    return &reader->header.hash;
}

bool keyset_same_hash(const struct keyset_reader *a, const struct keyset_reader *b)
{
    return memcmp(&a->header.hash, &b->header.hash, sizeof a->header.hash) == 0;
}

void keyset_texts(const struct keyset_reader *reader, int *fd, uint64_t *from, uint64_t *to)
{
    *fd = reader->fd;
    *from = sizeof reader->header + sizeof(uint32_t) + reader->name.len;
    *to = reader->header.texts_end;
}

const struct keyset_facts *keyset_facts(const struct keyset_reader *reader)
{
    return &reader->header.facts;
}

const char *keyset_name(const struct keyset_reader *reader)
{
    return reader->name.len > 0 ? reader->name.data : "";
}

static bool read_block(struct keyset_reader *reader, struct err *err)
{
    struct keyset_block *block = &reader->block;
    size_t count = reader->left < KEYSET_BLOCK ? (size_t)reader->left : KEYSET_BLOCK, len = keyset_block_size(count);
    uint64_t number = (reader->header.facts.count - reader->left) / KEYSET_BLOCK, check;
    reader->count = reader->at = 0;
    if (!read_exactly(reader, block, len + sizeof check, reader->position, err))
        return false;
    memcpy(&check, (const char *)block + len, sizeof check);
    if (block->number != number || check != keyhash_short(&reader->header.hash, block, len))
        return damaged(reader, err, "the file is damaged");
    reader->position += len + sizeof check;
    reader->left -= count;
    reader->count = count;
    return true;
}

enum keysort_answer keyset_next(struct keyset_reader *reader, struct keyset_record *record, struct err *err)
{
    if (reader->at == reader->count) {
        if (reader->left == 0)
            return KEYSORT_END;
        if (!read_block(reader, err))
            return KEYSORT_FAILED;
    }
    *record = reader->block.records[reader->at];
    if (reader->has_last && keyset_compare(reader->last.key, record->key) >= 0) {
        damaged(reader, err, "the keys are not in order");
        return KEYSORT_FAILED;
    }
    reader->at++;
    reader->last = *record;
    reader->has_last = true;
    return KEYSORT_ENTRY;
}

static bool check_texts(const struct keyset_reader *reader, struct err *err)
{
    const struct keyset_header *header = &reader->header;
    uint64_t chain = 0;
    char *texts = malloc(KEYSET_TEXTS);
    if (!texts)
        return err_set(err, ERR_MEMORY, "no memory to read fingerprints");
    bool read = true;
    for (uint64_t at = sizeof *header; read && at < header->texts_end; at += KEYSET_TEXTS) {
        uint64_t left = header->texts_end - at;
        size_t len = left < KEYSET_TEXTS ? (size_t)left : KEYSET_TEXTS;
        read = read_exactly(reader, texts, len, at, err);
        if (read)
            chain = keyset_chain(&header->hash, chain, texts, len);
    }
    free(texts);
    return read && (chain == header->texts_check || damaged(reader, err, "the text of a key is damaged"));
}

bool keyset_check(const char *path, struct keyset_facts *facts, struct err *err)
{
    struct keyset_record record;
    struct keyset_reader *reader = keyset_reader_open(path, err);
    enum keysort_answer answer = reader && check_texts(reader, err) ? KEYSORT_ENTRY : KEYSORT_FAILED;
    while (answer == KEYSORT_ENTRY)
        answer = keyset_next(reader, &record, err);
    if (reader)
        *facts = reader->header.facts;
    keyset_reader_free(reader);
    return answer == KEYSORT_END;
}

bool keyset_text(const struct keyset_reader *reader, const struct keyset_record *record, struct buf *text, struct err *err)
{
    uint64_t hash[2];
    if (!read_text(reader, record->text, text, err))
        return false;
    keyhash_of(&reader->header.hash, text->data, text->len, hash);
    return keyset_compare(hash, record->key) == 0 || damaged(reader, err, "the text of a key is damaged");
}
