/* check_sent: what is sent of a file, shared by what begins it, takes the rows and ends it (core/check_private.h). */
#ifndef UPJOB_CORE_CHECK_SENT_H
#define UPJOB_CORE_CHECK_SENT_H

#include "core/check_private.h"

/* A part that is written, or was given up. */
struct sent_part {
    struct split_range range;
    struct outgoing *outgoing; /* NULL: too large */
    struct split_count *count; /* in a later pass */
};

struct check_sent {
    struct keyhash hash;
    struct check_split_plan plan; /* borrowed */
    bool later;
    bool raw;
    bool is_split; /* the outgoing file of the whole was given up, or never begun */
    uint64_t header_bytes;
    uint64_t key[2];             /* of the row at hand */
    struct split_count *count;   /* of the whole; NULL in a later pass */
    struct sent_part *parts;     /* in the order of their ranges */
    size_t part_count;
    struct split_part *guess;    /* all parts of which the first ones are written; NULL: none is guessed */
    size_t guess_count;
    struct csv_writer *measure;  /* gives nothing out */
    struct check_part *results;
    size_t result_count;
};

/* ---- check_sent.c ---- */

void check_sent_free_part(struct sent_part *part);
/* Gives up the files of all parts. */
void check_sent_close_parts(struct check_sent *sent);
/* It is too large: parts are planned at the end. */
void check_sent_give_up_whole(struct check *check);

/* ---- check_sent_begin.c ---- */

/* What has changed is found out first; and of a file that is only looked at, without a key, no part could be made. */
bool check_sent_makes_nothing(const struct check *check);
bool check_sent_refuse_size(const struct check *check, struct err *err) MUST_CHECK;

#endif
