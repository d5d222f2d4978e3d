#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/keyset_file.h"
#include "core/scratch.h"

struct keyset_writer {
    int fd;
    struct keyset_header header;
    uint64_t position; /* in the file, behind what was written */
    char *texts;       /* that are to be written there */
    size_t texts_len;
    size_t count; /* in the block */
    struct keyset_block block;
};

static bool write_at(const struct keyset_writer *writer, const void *bytes, size_t len, uint64_t offset, struct err *err)
{
    return pwrite_all(writer->fd, bytes, len, offset) == len ||
           err_errno(err, ERR_SYSTEM, errno,
                     "the fingerprints of the rows cannot be written; make room in the directory of the state");
}

static bool flush_texts(struct keyset_writer *writer, struct err *err)
{
    if (!write_at(writer, writer->texts, writer->texts_len, writer->position, err))
        return false;
    uint64_t *check = &writer->header.texts_check;
    *check = keyset_chain(&writer->header.hash, *check, writer->texts, writer->texts_len);
    writer->position += writer->texts_len;
    writer->texts_len = 0;
    return true;
}

static bool put(struct keyset_writer *writer, const char *bytes, size_t len, struct err *err)
{
    while (len > 0) {
        size_t room = KEYSET_TEXTS - writer->texts_len, n = len < room ? len : room;
        memcpy(writer->texts + writer->texts_len, bytes, n);
        writer->texts_len += n;
        bytes += n;
        len -= n;
        if (writer->texts_len == KEYSET_TEXTS && !flush_texts(writer, err))
            return false;
    }
    return true;
}

bool keyset_writer_text(struct keyset_writer *writer, const void *bytes, size_t len, uint64_t *place, struct err *err)
{
    uint32_t size = (uint32_t)len;
    if (len > KEYSET_MAX_TEXT)
        return err_set(err, ERR_INVALID_FILE, "a key is longer than %zu bytes", KEYSET_MAX_TEXT);
    *place = writer->position + writer->texts_len;
    return put(writer, (const char *)&size, sizeof size, err) && put(writer, bytes, len, err);
}

bool keyset_writer_texts(struct keyset_writer *writer, const struct keyset_reader *from, uint64_t *moved, struct err *err)
{
    int fd;
    uint64_t at, end;
    char piece[16384];
    keyset_texts(from, &fd, &at, &end);
    *moved = writer->position + writer->texts_len - at;
    while (at < end) {
        size_t len = end - at < sizeof piece ? (size_t)(end - at) : sizeof piece;
        if (pread_all(fd, piece, len, at) != len)
            return err_set(err, ERR_FILE, "the fingerprints of the last import cannot be read");
        if (!put(writer, piece, len, err))
            return false;
        at += len;
    }
    return true;
}

static void describe(struct keyset_facts *facts, const struct keyset_facts *before, int64_t now)
{
    uint32_t kept = 0;
    if (before) {
        uint32_t room = now ? KEYSET_TIMES - 1 : KEYSET_TIMES;
        kept = before->time_count < room ? before->time_count : room;
        memcpy(facts->times, before->times + (before->time_count - kept), kept * sizeof *facts->times);
        facts->base = before->generation;
    }
    facts->generation = facts->base + 1;
    facts->time_count = kept;
    if (now)
        facts->written_at = facts->times[facts->time_count++] = now;
}

struct keyset_writer *keyset_writer_new(int fd, const struct keyhash *hash, const struct keyset_facts *before, int64_t now,
                                        const char *name, struct err *err)
{
    uint64_t place;
    struct keyset_writer *writer = calloc(1, sizeof *writer);
    if (!writer || !(writer->texts = malloc(KEYSET_TEXTS))) {
        free(writer);
        err_set(err, ERR_MEMORY, "no memory to write fingerprints");
        return NULL;
    }
    writer->fd = fd;
    writer->header.byte_order = KEYSET_BYTE_ORDER;
    writer->header.version = KEYSET_VERSION;
    writer->header.record_size = sizeof(struct keyset_record);
    writer->header.block_records = KEYSET_BLOCK;
    writer->header.hash = *hash;
    writer->header.name_check = keyhash_short(hash, name, strlen(name));
    memcpy(writer->header.magic, KEYSET_MAGIC, sizeof writer->header.magic);
    describe(&writer->header.facts, before, now);
    writer->position = sizeof writer->header;
    if (keyset_writer_text(writer, name, strlen(name), &place, err))
        return writer;
    keyset_writer_free(writer);
    return NULL;
}

void keyset_writer_free(struct keyset_writer *writer)
{
    if (writer)
        free(writer->texts);
    free(writer);
}

static bool write_block(struct keyset_writer *writer, struct err *err)
{
    size_t len = keyset_block_size(writer->count);
    uint64_t check = keyhash_short(&writer->header.hash, &writer->block, len);
    memcpy((char *)&writer->block + len, &check, sizeof check);
    if (!write_at(writer, &writer->block, len + sizeof check, writer->position, err))
        return false;
    writer->position += len + sizeof check;
    writer->block.number++;
    writer->count = 0;
    return true;
}

/* With the first record, or without one at the end. */
static bool end_texts(struct keyset_writer *writer, struct err *err)
{
    if (writer->header.texts_end > 0)
        return true;
    if (!flush_texts(writer, err))
        return false;
    writer->header.texts_end = writer->position;
    return true;
}

bool keyset_writer_add(struct keyset_writer *writer, const struct keyset_record *record, struct err *err)
{
    if (!end_texts(writer, err))
        return false;
    writer->block.records[writer->count++] = *record;
    writer->header.facts.count++;
    return writer->count < KEYSET_BLOCK || write_block(writer, err);
}

bool keyset_writer_finish(struct keyset_writer *writer, struct err *err)
{
    if (!end_texts(writer, err) || (writer->count > 0 && !write_block(writer, err)))
        return false;
    writer->header.check = keyset_header_check(&writer->header);
    return write_at(writer, &writer->header, sizeof writer->header, 0, err);
}

bool keyset_succeed(const char *path, const char *before, struct err *err)
{
    struct keyset_header header;
    struct keyset_reader *reader = keyset_reader_open(before, err);
    int fd = reader ? open(path, O_RDWR | O_CLOEXEC) : -1;
    bool read = fd >= 0 && pread_all(fd, &header, sizeof header, 0) == sizeof header;
    if (read) {
        header.facts.base = keyset_facts(reader)->generation;
        header.facts.generation = header.facts.base + 1;
        header.check = keyset_header_check(&header);
    }
    bool done = read && pwrite_all(fd, &header, sizeof header, 0) == sizeof header;
    if (reader && !done) {
        err_errno(err, ERR_SYSTEM, errno, "the fingerprints of the rows cannot be written");
        err_at(err, path, 0, 0, NULL);
    }
    if (fd >= 0)
        close(fd);
    keyset_reader_free(reader);
    return done;
}
