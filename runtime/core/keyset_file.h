/* keyset_file: how a set of keys stands in its file (core/keyset.h): shared by what writes and what reads it. */
#ifndef UPJOB_CORE_KEYSET_FILE_H
#define UPJOB_CORE_KEYSET_FILE_H

#include "core/keyset.h"

#define KEYSET_MAGIC      "upjobkey"
#define KEYSET_BYTE_ORDER 0x01020304u
#define KEYSET_TEXTS      ((size_t)256 << 10)

struct keyset_header {
    char magic[8];
    uint32_t byte_order, version, record_size, block_records;
    struct keyset_facts facts;
    uint64_t texts_end;   /* where the blocks begin */
    uint64_t texts_check; /* of what stands before them: keyset_chain of each KEYSET_TEXTS bytes */
    struct keyhash hash;
    uint64_t name_check, check; /* of the name, and of what stands before it, under `hash` */
};

struct keyset_block {
    uint64_t number;
    struct keyset_record records[KEYSET_BLOCK];
    uint64_t check; /* after the last record of a shorter block */
};

/* The check of more bytes, behind those of `chain`. */
static inline uint64_t keyset_chain(const struct keyhash *hash, uint64_t chain, const void *bytes, size_t len)
{
    const uint64_t both[2] = {chain, keyhash_short(hash, bytes, len)};
    return keyhash_short(hash, both, sizeof both);
}

static inline uint64_t keyset_header_check(const struct keyset_header *header)
{
    return keyhash_short(&header->hash, header, offsetof(struct keyset_header, check));
}

/* Makes the set at `path` the successor of the one at `before`. */
bool keyset_succeed(const char *path, const char *before, struct err *err) MUST_CHECK;

/* Bytes of a block that are checked. */
static inline size_t keyset_block_size(size_t records)
{
    return offsetof(struct keyset_block, records) + records * sizeof(struct keyset_record);
}

#endif
