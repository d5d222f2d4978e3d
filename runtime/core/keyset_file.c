#include "core/keyset.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "core/scratch.h"

#define MAGIC           "upjobkey"
#define BYTE_ORDER_MARK 0x01020304u

struct header {
    char magic[8];
    uint32_t byte_order, version, record_size, block_records;
    uint64_t count;
    struct keyhash hash;
    uint64_t check; /* of what stands before it, under `hash` */
};

struct block {
    uint64_t number;
    struct keysort_record records[KEYSET_BLOCK];
    uint64_t check; /* after the last record of a shorter block */
};

struct keyset_writer {
    int fd;
    struct header header;
    uint64_t position;
    size_t count; /* in the block */
    struct block block;
};

struct keyset_reader {
    int fd;
    struct header header;
    uint64_t position;
    uint64_t left; /* records that are not in the block */
    size_t at, count;
    struct keysort_record last;
    bool has_last;
    struct block block;
};

static uint64_t check_of(const struct keyhash *hash, const void *bytes, size_t len)
{
    uint64_t result[2];
    keyhash_of(hash, bytes, len, result);
    return result[0];
}

static uint64_t header_check(const struct header *header)
{
    return check_of(&header->hash, header, offsetof(struct header, check));
}

/* Bytes of a block that are checked. */
static size_t block_size(size_t records)
{
    return offsetof(struct block, records) + records * sizeof(struct keysort_record);
}

/* ---- writing ---- */

struct keyset_writer *keyset_writer_new(int fd, const struct keyhash *hash, struct err *err)
{
    struct keyset_writer *writer = calloc(1, sizeof *writer);
    if (!writer) {
        err_set(err, ERR_MEMORY, "no memory to write fingerprints");
        return NULL;
    }
    writer->fd = fd;
    writer->header = (struct header){.byte_order = BYTE_ORDER_MARK, .version = KEYSET_VERSION, .hash = *hash,
                                     .record_size = sizeof(struct keysort_record), .block_records = KEYSET_BLOCK};
    memcpy(writer->header.magic, MAGIC, sizeof writer->header.magic);
    writer->position = sizeof writer->header;
    return writer;
}

void keyset_writer_free(struct keyset_writer *writer)
{
    free(writer);
}

static bool write_at(const struct keyset_writer *writer, const void *bytes, size_t len, uint64_t offset, struct err *err)
{
    return pwrite_all(writer->fd, bytes, len, offset) == len ||
           err_errno(err, ERR_SYSTEM, errno,
                     "the fingerprints of the rows cannot be written; make room in the directory of the state");
}

static bool write_block(struct keyset_writer *writer, struct err *err)
{
    size_t len = block_size(writer->count);
    uint64_t check = check_of(&writer->header.hash, &writer->block, len);
    memcpy((char *)&writer->block + len, &check, sizeof check);
    if (!write_at(writer, &writer->block, len + sizeof check, writer->position, err))
        return false;
    writer->position += len + sizeof check;
    writer->block.number++;
    writer->count = 0;
    return true;
}

bool keyset_writer_add(struct keyset_writer *writer, const struct keysort_entry *entry, struct err *err)
{
    if (!entry->last)
        return true;
    writer->block.records[writer->count++] = entry->record;
    writer->header.count++;
    return writer->count < KEYSET_BLOCK || write_block(writer, err);
}

bool keyset_writer_finish(struct keyset_writer *writer, struct err *err)
{
    if (writer->count > 0 && !write_block(writer, err))
        return false;
    writer->header.check = header_check(&writer->header);
    return write_at(writer, &writer->header, sizeof writer->header, 0, err);
}

/* ---- reading ---- */

static bool damaged(struct err *err, const char *how)
{
    return err_set(err, ERR_FILE,
                   "the fingerprints of the last import cannot be used: %s; an import of all rows makes new ones", how);
}

/* What follows the header: `records`, and number and check of each block. */
static uint64_t body_size(uint64_t count)
{
    uint64_t blocks = count / KEYSET_BLOCK + (count % KEYSET_BLOCK > 0);
    return count * sizeof(struct keysort_record) + blocks * 2 * sizeof(uint64_t);
}

static bool read_header(struct keyset_reader *reader, struct err *err)
{
    struct header *header = &reader->header;
    struct stat info;
    if (fstat(reader->fd, &info) != 0)
        return err_errno(err, ERR_FILE, errno, "the fingerprints of the last import cannot be read");
    if (pread_all(reader->fd, header, sizeof *header, 0) < sizeof *header)
        return errno ? err_errno(err, ERR_FILE, errno, "the fingerprints of the last import cannot be read")
                     : damaged(err, "the file is cut off");
    if (memcmp(header->magic, MAGIC, sizeof header->magic) != 0)
        return damaged(err, "the file was not finished, or is another one");
    if (header->byte_order != BYTE_ORDER_MARK)
        return damaged(err, "they were written on a machine with another byte order");
    if (header->version > KEYSET_VERSION)
        return damaged(err, "they were written by a newer upjob");
    if (header->check != header_check(header) || header->version != KEYSET_VERSION ||
        header->record_size != sizeof(struct keysort_record) || header->block_records != KEYSET_BLOCK)
        return damaged(err, "the file is damaged at its beginning");
    if (header->count > (uint64_t)INT64_MAX / 64 || (uint64_t)info.st_size != sizeof *header + body_size(header->count))
        return damaged(err, "the file is cut off, or has more than was written");
    return true;
}

struct keyset_reader *keyset_reader_new(int fd, struct err *err)
{
    struct keyset_reader *reader = calloc(1, sizeof *reader);
    if (!reader) {
        err_set(err, ERR_MEMORY, "no memory to read fingerprints");
        return NULL;
    }
    reader->fd = fd;
    if (!read_header(reader, err)) {
        free(reader);
        return NULL;
    }
    reader->position = sizeof reader->header;
    reader->left = reader->header.count;
    return reader;
}

void keyset_reader_free(struct keyset_reader *reader)
{
    free(reader);
}

const struct keyhash *keyset_hash(const struct keyset_reader *reader)
{
    return &reader->header.hash;
}

uint64_t keyset_count(const struct keyset_reader *reader)
{
    return reader->header.count;
}

static bool read_block(struct keyset_reader *reader, struct err *err)
{
    struct block *block = &reader->block;
    size_t count = reader->left < KEYSET_BLOCK ? (size_t)reader->left : KEYSET_BLOCK, len = block_size(count);
    uint64_t number = (reader->header.count - reader->left) / KEYSET_BLOCK, check;
    reader->count = reader->at = 0;
    if (pread_all(reader->fd, block, len + sizeof check, reader->position) < len + sizeof check)
        return errno ? err_errno(err, ERR_FILE, errno, "the fingerprints of the last import cannot be read")
                     : damaged(err, "the file is cut off");
    memcpy(&check, (const char *)block + len, sizeof check);
    if (block->number != number || check != check_of(&reader->header.hash, block, len))
        return damaged(err, "the file is damaged");
    reader->position += len + sizeof check;
    reader->left -= count;
    reader->count = count;
    return true;
}

enum keysort_answer keyset_next(struct keyset_reader *reader, struct keysort_record *record, struct err *err)
{
    if (reader->at == reader->count) {
        if (reader->left == 0)
            return KEYSORT_END;
        if (!read_block(reader, err))
            return KEYSORT_FAILED;
    }
    *record = reader->block.records[reader->at];
    if (reader->has_last && keysort_compare_keys(&reader->last, record) >= 0) {
        damaged(err, "the keys are not in order");
        return KEYSORT_FAILED;
    }
    reader->at++;
    reader->last = *record;
    reader->has_last = true;
    return KEYSORT_ENTRY;
}
