/* changes_private: what changes (files and their rows) and changes_join (what the set of before makes of them) share. */
#ifndef UPJOB_CORE_CHANGES_PRIVATE_H
#define UPJOB_CORE_CHANGES_PRIVATE_H

#include "core/changes.h"
#include "core/scratch.h"

/* Lines of one key that are in memory. */
#define CHANGES_LINES ((size_t)1024)

/* The sort does not look at the offset of a record: it is where the text of the row's key stands, and these. */
#define CHANGES_SENT      1u /* the row can be sent */
#define CHANGES_KEYLESS   2u
#define CHANGES_TEXT_FROM 2 /* bits */

/* The key whose rows come. */
struct changes_group {
    uint64_t key[2], row, text;
    bool keyless;
    bool complete; /* it has no more */
    bool sent;     /* they are to be sent, and those spilled before this place are in the set already */
    uint64_t sent_until;
    bool any;                     /* row that can be sent */
    struct changes_repeated rows; /* of them, those of the last file */
    uint64_t lines[CHANGES_LINES];
    size_t line_count;
    struct scratch spilled; /* lines that had no room */
};

struct changes_file {
    uint64_t base; /* is added to its lines, so that those of all files are in one order */
    uint64_t lines;
    struct file_identity identity;
    struct rowset *rows; /* in the end */
};

struct changes {
    unsigned holders;
    struct changes_options options; /* texts are copies */
    struct keyhash hash;
    struct keyset_reader *before; /* NULL: none */
    bool begun, has_old;
    struct keyset_record old; /* the next one of it */
    int fd;                   /* of the new set; -1: none */
    bool made, finished, given_up;
    struct keyset_writer *writer;
    struct keysort *sort; /* NULL: not begun, or joined */
    struct changes_file *files;
    size_t file_count; /* that were begun */
    bool in_file;
    uint64_t last_base; /* of the last file */
    struct rowset *rows; /* of all files */
    struct changes_counts counts;
    struct changes_group group;
};

bool changes_tell_staged(const struct changes *changes, bool done, struct err *err);

#endif
