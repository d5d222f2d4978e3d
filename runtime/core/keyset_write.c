#include <errno.h>
#include <stdlib.h>
#include <string.h>

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

static void describe(struct keyset_facts *facts, const struct keyset_facts *before, int64_t now)
{
    uint32_t kept = 0;
    if (before) {
        kept = before->time_count < KEYSET_TIMES ? before->time_count : KEYSET_TIMES - 1;
        memcpy(facts->times, before->times + (before->time_count - kept), kept * sizeof *facts->times);
        facts->base = before->generation;
    }
    facts->generation = facts->base + 1;
    facts->written_at = facts->times[kept] = now;
    facts->time_count = kept + 1;
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
