#include "core/folder.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "core/glob.h"
#include "core/loop.h"
#include "core/own_file.h"

#define SLICE_MS 10
#define BETWEEN_CLOCKS 64 /* entries */

struct entries {
    struct folder_entry *list;
    size_t count, size;
};

struct folder {
    char *directory, *pattern;
    struct file_identity identity;
    struct entries known; /* of the last look, by name */
    struct entries found; /* of the one that is under way */
    struct entries gone;  /* of the last look, whose names `gone` has */
    struct folder_change *changes;
    size_t changes_count, changes_taken;
    DIR *stream;
    int error; /* errno of the look that ended */
};

static void forget(struct entries *entries)
{
    for (size_t i = 0; i < entries->count; i++)
        free(entries->list[i].name);
    free(entries->list);
    *entries = (struct entries){0};
}

struct folder *folder_new(const char *directory, const char *pattern, struct err *err)
{
    struct folder *folder = calloc(1, sizeof *folder);
    if (folder) {
        folder->directory = strdup(directory);
        folder->pattern = strdup(pattern);
    }
    if (folder && folder->directory && folder->pattern)
        return folder;
    folder_free(folder);
    err_set(err, ERR_MEMORY, "no memory to watch a directory");
    return NULL;
}

static void close_stream(struct folder *folder)
{
    if (folder->stream)
        closedir(folder->stream);
    folder->stream = NULL;
}

void folder_free(struct folder *folder)
{
    if (!folder)
        return;
    close_stream(folder);
    forget(&folder->known);
    forget(&folder->found);
    forget(&folder->gone);
    free(folder->changes);
    free(folder->directory);
    free(folder->pattern);
    free(folder);
}

const char *folder_directory(const struct folder *folder)
{
    return folder->directory;
}

struct file_identity folder_identity(const struct folder *folder)
{
    return folder->identity;
}

bool folder_temporary_name(const char *name)
{
    static const char *const ends[] = {"~", ".tmp", ".part", ".partial", ".crdownload", ".filepart", NULL};
    size_t len = strlen(name);
    for (const char *const *end = ends; *end; end++) {
        size_t n = strlen(*end);
        if (len >= n && strcasecmp(name + len - n, *end) == 0)
            return true;
    }
    return false;
}

static bool is_wanted(const struct folder *folder, const char *name)
{
    return name[0] != '.' && !folder_temporary_name(name) && !own_file_name(name) && glob_matches(folder->pattern, name);
}

/* ---- reading ---- */

static bool add(struct entries *entries, const char *name, const struct stat *info)
{
    if (entries->count == entries->size) {
        size_t size = entries->size ? entries->size * 2 : 64;
        struct folder_entry *list = realloc(entries->list, size * sizeof *list);
        if (!list)
            return false;
        entries->list = list;
        entries->size = size;
    }
    struct folder_entry *entry = &entries->list[entries->count];
    *entry = (struct folder_entry){
        .name = strdup(name),
        .type = S_ISREG(info->st_mode) ? FOLDER_FILE : S_ISLNK(info->st_mode) ? FOLDER_LINK : FOLDER_OTHER,
        .status_changed = (int64_t)info->st_ctim.tv_sec * 1000000000 + info->st_ctim.tv_nsec};
    file_identity_of(info, &entry->identity);
    entries->count += entry->name != NULL;
    return entry->name != NULL;
}

/* The metadata of a name that the directory has; 0 or errno. One that has just gone is none. */
static int look_at(struct folder *folder, const char *name)
{
    struct stat info;
    if (fstatat(dirfd(folder->stream), name, &info, AT_SYMLINK_NOFOLLOW) != 0)
        return errno == ENOENT ? 0 : errno;
    if (S_ISDIR(info.st_mode))
        return 0;
    return add(&folder->found, name, &info) ? 0 : ENOMEM;
}

static int open_stream(struct folder *folder)
{
    struct stat info;
    folder->stream = opendir(folder->directory);
    if (!folder->stream || fstat(dirfd(folder->stream), &info) != 0)
        return errno;
    file_identity_of(&info, &folder->identity);
    return 0;
}

/* Entries until the time of a slice is over: *more. 0 or errno. */
static int read_entries(struct folder *folder, bool *more)
{
    uint64_t until = loop_now() + SLICE_MS;
    for (unsigned i = 1;; i++) {
        errno = 0;
        const struct dirent *entry = readdir(folder->stream);
        if (!entry)
            return errno;
        int error = is_wanted(folder, entry->d_name) ? look_at(folder, entry->d_name) : 0;
        if (error)
            return error;
        if (i % BETWEEN_CLOCKS == 0 && loop_now() >= until) {
            *more = true;
            return 0;
        }
    }
}

/* ---- comparing ---- */

static int by_name(const void *a, const void *b)
{
    return strcmp(((const struct folder_entry *)a)->name, ((const struct folder_entry *)b)->name);
}

static bool is_same(const struct folder_entry *a, const struct folder_entry *b)
{
    return a->type == b->type && a->status_changed == b->status_changed && a->identity.device == b->identity.device &&
           a->identity.inode == b->identity.inode && a->identity.size == b->identity.size &&
           a->identity.modified == b->identity.modified;
}

static void tell(struct folder *folder, enum folder_news news, const struct folder_entry *entry)
{
    folder->changes[folder->changes_count++] = (struct folder_change){news, entry};
}

/* Both lists are sorted; names of `gone` are moved there. */
static void merge(struct folder *folder, struct entries *was)
{
    size_t i = 0;
    for (size_t j = 0; j < folder->known.count; j++) {
        const struct folder_entry *now = &folder->known.list[j];
        int order = -1;
        while (i < was->count && (order = strcmp(was->list[i].name, now->name)) < 0)
            folder->gone.list[folder->gone.count++] = was->list[i++];
        if (i == was->count || order > 0) {
            tell(folder, FOLDER_NEW, now);
            continue;
        }
        if (!is_same(&was->list[i], now))
            tell(folder, FOLDER_CHANGED, now);
        free(was->list[i++].name);
    }
    while (i < was->count)
        folder->gone.list[folder->gone.count++] = was->list[i++];
    for (i = 0; i < folder->gone.count; i++)
        tell(folder, FOLDER_GONE, &folder->gone.list[i]);
    free(was->list);
}

static int compare(struct folder *folder)
{
    struct entries was = folder->known;
    folder->changes = malloc((was.count + folder->found.count + 1) * sizeof *folder->changes);
    folder->gone.list = malloc((was.count + 1) * sizeof *folder->gone.list);
    if (!folder->changes || !folder->gone.list)
        return ENOMEM;
    if (folder->found.count > 1)
        qsort(folder->found.list, folder->found.count, sizeof *folder->found.list, by_name);
    folder->known = folder->found;
    folder->found = (struct entries){0};
    merge(folder, &was);
    return 0;
}

/* ---- a look ---- */

void folder_begin(struct folder *folder)
{
    close_stream(folder);
    forget(&folder->found);
    forget(&folder->gone);
    free(folder->changes);
    folder->changes = NULL;
    folder->changes_count = folder->changes_taken = 0;
    folder->error = 0;
}

bool folder_slice(void *arg)
{
    struct folder *folder = arg;
    bool more = false;
    if (!folder->stream)
        folder->error = open_stream(folder);
    if (!folder->error)
        folder->error = read_entries(folder, &more);
    if (more && !folder->error)
        return true;
    close_stream(folder);
    if (!folder->error)
        folder->error = compare(folder);
    return false;
}

bool folder_ended(struct folder *folder, struct err *err)
{
    if (!folder->error)
        return true;
    err_at(err, folder->directory, 0, 0, NULL);
    return err_errno(err, folder->error == ENOMEM ? ERR_MEMORY : ERR_FILE, folder->error, "the directory cannot be read");
}

const struct folder_change *folder_next(struct folder *folder)
{
    return folder->changes_taken < folder->changes_count ? &folder->changes[folder->changes_taken++] : NULL;
}
