/* keyset: a sorted set of keys that is kept in a file, and compared with the next one.
 *
 * One record a key, that of its last row, in blocks that have a check each: a record is given only after its block was found
 * whole, so what is read is right or an error, ERR_FILE, never a wrong answer. The header is written last: a set that was not
 * finished is none. The file holds the secret of its hashes, so it is to be of mode 0600, like everything in the state.
 * The check is against accidents; whoever may write the file may also write a good one.
 *
 * Layout, in the byte order of the machine (another is refused): the header (struct in keyset_file.c), then blocks of
 * KEYSET_BLOCK records, the last one shorter: number of the block, records, hash of both under the secret, 8 bytes of it.
 */
#ifndef UPJOB_CORE_KEYSET_H
#define UPJOB_CORE_KEYSET_H

#include "core/keyhash.h"
#include "core/keysort.h"

#define KEYSET_VERSION 1u
#define KEYSET_BLOCK   ((size_t)1024) /* records */

struct keyset_writer;

/* `fd` is an empty file, borrowed. The records' keys are hashes under `hash`. */
struct keyset_writer *keyset_writer_new(int fd, const struct keyhash *hash, struct err *err) MUST_CHECK;
/* Entries as they come out of a sort. Those that are not the last of their key are left out. */
bool keyset_writer_add(struct keyset_writer *writer, const struct keysort_entry *entry, struct err *err) MUST_CHECK;
/* The file is a set now. It is not synced to the disk. */
bool keyset_writer_finish(struct keyset_writer *writer, struct err *err) MUST_CHECK;
void keyset_writer_free(struct keyset_writer *writer); /* NULL is allowed */

struct keyset_reader;

/* `fd` is borrowed. Header and size are looked at here. */
struct keyset_reader *keyset_reader_new(int fd, struct err *err) MUST_CHECK;
/* Under which the keys and rows to compare with are to be hashed. */
const struct keyhash *keyset_hash(const struct keyset_reader *reader);
uint64_t keyset_count(const struct keyset_reader *reader);
/* The records by key: KEYSORT_ENTRY, KEYSORT_END or KEYSORT_FAILED. */
enum keysort_answer keyset_next(struct keyset_reader *reader, struct keysort_record *record, struct err *err) MUST_CHECK;
void keyset_reader_free(struct keyset_reader *reader); /* NULL is allowed */

/* ---- what became of a set ---- */

enum keyset_fate {
    KEYSET_NEW,     /* the key was not there before */
    KEYSET_CHANGED, /* its row is another one, or it has several rows: what they come to together is not known here */
    KEYSET_SAME,
    KEYSET_GONE, /* no row has the key any more */
};

struct keyset_change {
    enum keyset_fate fate;
    struct keysort_entry now;     /* not set when it is gone */
    struct keysort_record before; /* not set when it is new */
};

/* Borrows both. Several rows with one key come each with a change of its own. */
struct keyset_join {
    struct keyset_reader *before;
    struct keysort *now;
    bool begun, failed, has_before, has_now;
    bool matched; /* the record before has met its key */
    struct keysort_record old;
    struct keysort_entry entry;
};

/* Begin with all zero but `before` and `now`, whose steps are done. KEYSORT_ENTRY, KEYSORT_END or KEYSORT_FAILED, and that every
 * time from then on. */
enum keysort_answer keyset_join_next(struct keyset_join *join, struct keyset_change *change, struct err *err) MUST_CHECK;

#endif
