/* keyset: a sorted set of keys with the fingerprints of their rows, that is kept in a file and compared with the next one.
 *
 * One record a key, in blocks that have a check each: a record is given only after its block was found whole, and a text only
 * when it is the one that its key is the hash of, so what is read is right or an error, ERR_FILE, never a wrong answer. All texts
 * have a check too, for who reads all (keyset_check). The header is written last: a set that was not finished is none. The file
 * holds customers' keys and the secret of its hashes, so it is to be of mode 0600, like everything in the state. The checks are
 * against accidents; whoever may write the file may also write a good one.
 *
 * Layout, in the byte order of the machine (another is refused): the header (struct in keyset_file.h), the name of the key, the
 * texts of the keys as they came (length in 4 bytes, bytes), then blocks of KEYSET_BLOCK records, the last one shorter: number of
 * the block, records, hash of both under the secret.
 */
#ifndef UPJOB_CORE_KEYSET_H
#define UPJOB_CORE_KEYSET_H

#include "core/buf.h"
#include "core/keyhash.h"
#include "core/keysort.h"

#define KEYSET_VERSION   1u
#define KEYSET_BLOCK     ((size_t)1024) /* records */
#define KEYSET_TIMES     8u
#define KEYSET_MAX_TEXT  ((size_t)64 << 20) /* bytes of a key */
#define KEYSET_NO_EXPIRY INT64_MAX
#define KEYSET_IN_DOUBT  INT64_C(0) /* expires of a key of which it is not known whether its rows came to be sent */

struct keyset_record {
    uint64_t key[2];  /* hash of the key's text */
    uint64_t row;     /* fingerprint of all its rows, in their order */
    int64_t expires;  /* seconds of the epoch; KEYSET_NO_EXPIRY: never */
    uint64_t text;    /* where the key's text stands in the file */
};

/* What a set says of itself. */
struct keyset_facts {
    uint64_t count;            /* of keys */
    uint64_t generation, base; /* its own number, from 1, and that of the set that it was compared with; 0: with none */
    int64_t written_at;        /* seconds of the epoch; 0: it is of no import that succeeded (keyset_mark) */
    int64_t times[KEYSET_TIMES]; /* when imports succeeded, as far as there is room: of the sets before it, and its own, the last one */
    uint32_t time_count;
};

/* ---- writing ---- */

struct keyset_reader;
struct keyset_writer;

/* `fd` is an empty file, borrowed. The records' keys are hashes under `hash`. Of `before` (NULL: none) the new set is the
 * successor. `now` 0: it is of no import, and has the times of `before` alone. `name` is that of the key, for who reads the texts. */
struct keyset_writer *keyset_writer_new(int fd, const struct keyhash *hash, const struct keyset_facts *before, int64_t now,
                                        const char *name, struct err *err) MUST_CHECK;
/* The text of a key that may come to be in the set: before the first record. *place is for the record. */
bool keyset_writer_text(struct keyset_writer *writer, const void *bytes, size_t len, uint64_t *place, struct err *err) MUST_CHECK;
/* Copies all texts of a set, in place of giving them one by one: *moved is to be added to where they stood. */
bool keyset_writer_texts(struct keyset_writer *writer, const struct keyset_reader *from, uint64_t *moved, struct err *err) MUST_CHECK;
/* Records by key, each key once. */
bool keyset_writer_add(struct keyset_writer *writer, const struct keyset_record *record, struct err *err) MUST_CHECK;
/* The file is a set now. It is not synced to the disk. */
bool keyset_writer_finish(struct keyset_writer *writer, struct err *err) MUST_CHECK;
void keyset_writer_free(struct keyset_writer *writer); /* NULL is allowed */

/* ---- reading ---- */

/* `fd` is borrowed. Header and size are looked at here. */
struct keyset_reader *keyset_reader_new(int fd, struct err *err) MUST_CHECK;
/* Opens the file too; errors name it. */
struct keyset_reader *keyset_reader_open(const char *path, struct err *err) MUST_CHECK;
/* Under which the keys and rows to compare with are to be hashed. */
const struct keyhash *keyset_hash(const struct keyset_reader *reader);
const struct keyset_facts *keyset_facts(const struct keyset_reader *reader);
/* The name of the key, owned by the reader. */
const char *keyset_name(const struct keyset_reader *reader);
/* True when their keys and rows can be compared. */
bool keyset_same_hash(const struct keyset_reader *a, const struct keyset_reader *b);
/* The records by key: KEYSORT_ENTRY, KEYSORT_END or KEYSORT_FAILED, and that every time from then on. */
enum keysort_answer keyset_next(struct keyset_reader *reader, struct keyset_record *record, struct err *err) MUST_CHECK;
/* The text of the record's key, in place of what `text` holds. */
bool keyset_text(const struct keyset_reader *reader, const struct keyset_record *record, struct buf *text,
                 struct err *err) MUST_CHECK;
void keyset_reader_free(struct keyset_reader *reader); /* NULL is allowed */
/* Where its texts stand in its file. */
void keyset_texts(const struct keyset_reader *reader, int *fd, uint64_t *from, uint64_t *to);
/* Reads all of the set: no use of it will find damage afterwards. */
bool keyset_check(const char *path, struct keyset_facts *facts, struct err *err) MUST_CHECK;

/* ---- what is made of sets ---- */

/* Puts the set in the place of `current`, whose generation must be the one that it was compared with: otherwise, because another
 * import has put its own there meanwhile, KEYSET_OUTDATED. Both are in one directory. What is there and is no set (damaged)
 * gives way to a set that was compared with none. When it is done it is on the disk; before, `current` is what it was. */
#define KEYSET_OUTDATED "Outdated"
bool keyset_promote(const char *staged, const char *current, struct err *err) MUST_CHECK;

/* Before the rows of a staged set are sent: what is in `current` of the keys that are, those whose records expire at `expires`, is
 * in doubt from then on, as whatever ends the import but a success leaves open which of them came to be. In a new set, which is on
 * the disk then, they are KEYSET_IN_DOUBT, and so sent again when they are compared, or gone when they are not there any more. The
 * staged set is then its successor, if it was that of the one before. KEYSET_OUTDATED when `current` is of other imports. */
bool keyset_mark(const char *staged, const char *current, int64_t expires, struct err *err) MUST_CHECK;

/* Writes the keys of `before` that are not in `staged`, which was compared with it (or is it: none is gone), to a CSV file with one
 * column, in the order in which they stood in the file of that time; what was there is kept as path~. *count of them. `directory` is
 * for temporary files; NULL: see tempfile_open. */
bool keyset_write_gone(const char *before, const char *staged, const char *path, const char *directory, uint64_t *count,
                       struct err *err) MUST_CHECK;

static inline int keyset_compare(const uint64_t a[2], const uint64_t b[2])
{
    unsigned word = a[0] == b[0];
    return (a[word] > b[word]) - (a[word] < b[word]);
}

#endif
