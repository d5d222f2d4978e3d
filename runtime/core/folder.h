/* folder: which files of a directory match a pattern, and what has changed since the last look.
 *
 * A look reads the directory and the metadata of what matches, in slices for a thread pool (core/loop.h), and compares. Left out:
 * directories, names that begin with a dot, and those of files that are being written (temporary_name) or were written by upjob
 * (core/own_file.h). Links are not followed.
 */
#ifndef UPJOB_CORE_FOLDER_H
#define UPJOB_CORE_FOLDER_H

#include <stdbool.h>
#include <stdint.h>

#include "core/err.h"
#include "core/file_identity.h"

enum folder_type { FOLDER_FILE, FOLDER_LINK, FOLDER_OTHER };
enum folder_news { FOLDER_NEW, FOLDER_CHANGED, FOLDER_GONE };

struct folder_entry {
    char *name;
    enum folder_type type;
    struct file_identity identity;
    int64_t status_changed; /* ctime: nanoseconds since the epoch */
};

struct folder_change {
    enum folder_news news;
    const struct folder_entry *entry; /* until the next look */
};

struct folder;

/* `directory` is a path as it is, `pattern` is of the names in it (core/glob.h). */
struct folder *folder_new(const char *directory, const char *pattern, struct err *err) MUST_CHECK;
void folder_free(struct folder *folder);
const char *folder_directory(const struct folder *folder);

/* Begins a look. Changes that were not taken are forgotten with it. */
void folder_begin(struct folder *folder);
/* A slice of the look: a loop_work. One look at a time. */
bool folder_slice(void *folder);
/* After the look: false when the directory could not be read: ERR_FILE; then there are no changes, and the next look is compared
 * with the one before. */
bool folder_ended(struct folder *folder, struct err *err) MUST_CHECK;
/* The next change, in the order of names, those that are gone last; NULL behind the last one. */
const struct folder_change *folder_next(struct folder *folder);
/* Of the directory itself, as the last look found it. */
struct file_identity folder_identity(const struct folder *folder);

/* "x~", "x.tmp", "x.part", "x.partial", "x.crdownload", "x.filepart", in any case: what programs call a file while they write it,
 * or an earlier one that they keep. */
bool folder_temporary_name(const char *name);

#endif
