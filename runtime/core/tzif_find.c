/* Where zones are: the files of tzdata, and which of them is the system's own. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/operations.h"
#include "core/tzif_private.h"

#define FILE_MOST (1024 * 1024) /* bytes; the largest zone has 4 KiB */
#define NAMES_MOST 4096
#define DEPTH_MOST 3 /* America/Argentina/Salta */

static const char *directory(void)
{
    const char *set = getenv("TZDIR");
    return set && *set ? set : "/usr/share/zoneinfo";
}

/* ---- files ---- */

/* The bytes of a regular file, for free(); NULL with errno set. */
static char *read_bytes(int fd, size_t *len)
{
    struct stat status;
    if (fstat(fd, &status) != 0)
        return NULL;
    if (!S_ISREG(status.st_mode))
        return errno = S_ISDIR(status.st_mode) ? EISDIR : EINVAL, NULL;
    if (status.st_size > FILE_MOST)
        return errno = EFBIG, NULL;
    size_t size = (size_t)status.st_size;
    char *bytes = malloc(size + 1);
    ssize_t got = 1;
    for (*len = 0; bytes && *len < size && got > 0; *len += got > 0 ? (size_t)got : 0)
        got = read(fd, bytes + *len, size - *len);
    if (got >= 0)
        return bytes;
    free(bytes);
    return NULL;
}

/* A file that is not there leaves `err` empty. */
static struct tz *load_file(const char *path, const char *name, struct err *err)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    size_t len = 0;
    char *bytes = fd >= 0 ? read_bytes(fd, &len) : NULL;
    int reason = errno;
    if (fd >= 0)
        close(fd);
    struct tz *tz = NULL;
    if (bytes) {
        tz = tz_parse(bytes, len, path, err);
        char *called = tz ? strdup(name) : NULL;
        if (tz && called) {
            free(tz->name);
            tz->name = called;
        } else if (tz) {
            tz_free(tz);
            tz = NULL;
            err_set(err, ERR_MEMORY, "no memory for a time zone");
        }
    } else if (reason != ENOENT && reason != ENOTDIR && reason != EISDIR && reason != ENAMETOOLONG) {
        err_errno(err, ERR_FILE, reason, "the time zone cannot be read");
        err_at(err, path, 0, 0, NULL);
    }
    free(bytes);
    return tz;
}

/* ---- names ---- */

/* Letters, digits and _ + - . in parts between slashes, none of them "." or "..": such a name stays below its directory. */
static bool is_name(const char *name)
{
    size_t len = strlen(name), part = 0;
    if (len > 100)
        return false;
    for (size_t i = 0; i <= len; i++) {
        if (i < len && name[i] != '/') {
            if (!strchr("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_+-.", name[i]))
                return false;
            continue;
        }
        size_t size = i - part;
        if (size == 0 || (size <= 2 && strspn(name + part, ".") == size))
            return false;
        part = i + 1;
    }
    return true;
}

struct names {
    size_t count;
    char *names[NAMES_MOST + 1];
};

/* Adds the zones below a directory; what is no zone begins with a small letter or has a dot. */
static void list(struct names *names, const char *below, int depth)
{
    char path[PATH_MAX];
    snprintf(path, sizeof path, "%s/%s", directory(), below);
    DIR *dir = opendir(path);
    for (struct dirent *entry; dir && (entry = readdir(dir));) {
        char name[600];
        if (entry->d_name[0] < 'A' || entry->d_name[0] > 'Z' || strchr(entry->d_name, '.'))
            continue;
        snprintf(name, sizeof name, "%s%s%s", below, *below ? "/" : "", entry->d_name);
        if (entry->d_type == DT_DIR && depth < DEPTH_MOST)
            list(names, name, depth + 1);
        else if (entry->d_type != DT_DIR && names->count < NAMES_MOST && (names->names[names->count] = strdup(name)))
            names->count++;
    }
    if (dir)
        closedir(dir);
}

static int by_name(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static void underscores(char *text)
{
    for (; *text; text++)
        if (*text == ' ')
            *text = '_';
}

/* The zone that the name is in another case, or whose place it is ("berlin"), else the one that is a few letters from it. */
static const char *nearest_zone(const struct names *names, const char *name)
{
    char wanted[101];
    snprintf(wanted, sizeof wanted, "%s", name);
    underscores(wanted);
    for (size_t i = 0; i < names->count; i++)
        if (strcasecmp(names->names[i], wanted) == 0)
            return names->names[i];
    for (size_t i = 0; i < names->count; i++) {
        const char *place = strrchr(names->names[i], '/');
        if (place && strcasecmp(place + 1, wanted) == 0)
            return names->names[i];
    }
    return nearest_name(wanted, (const char *const *)names->names);
}

static void unknown_zone(const char *name, struct err *err)
{
    struct names *names = calloc(1, sizeof *names);
    if (names) {
        list(names, "", 1);
        qsort(names->names, names->count, sizeof names->names[0], by_name);
    }
    const char *near = names ? nearest_zone(names, name) : NULL;
    if (names && names->count == 0)
        err_set(err, ERR_CONFIG, "there are no time zones in %s: install the package tzdata, or set TZDIR", directory());
    else if (near)
        err_set(err, ERR_USAGE, "there is no time zone \"%.100s\" (did you mean \"%s\"?)", name, near);
    else
        err_set(err, ERR_USAGE, "there is no time zone \"%.100s\": name one as Europe/Berlin or UTC (the files in %s)", name,
                directory());
    for (size_t i = 0; names && i < names->count; i++)
        free(names->names[i]);
    free(names);
}

/* ---- the system's own ---- */

/* UTC needs no file. */
static struct tz *load_utc(struct err *err)
{
    struct tz *tz = tz_new("UTC", err);
    if (tz)
        tz->has_rule = tz_rule_parse("UTC0", &tz->rule);
    return tz;
}

/* The part of a path that names a zone: "/usr/share/zoneinfo/Europe/Berlin". */
static const char *name_in_path(const char *path)
{
    const char *below = strstr(path, "/zoneinfo/");
    below = below ? below + strlen("/zoneinfo/") : NULL;
    return below && is_name(below) ? below : NULL;
}

/* Debian's /etc/timezone has the name where /etc/localtime is a copy. */
static bool read_timezone(char *name, size_t size)
{
    FILE *file = fopen("/etc/timezone", "re");
    bool read = file && fgets(name, (int)size, file);
    if (file)
        fclose(file);
    if (read)
        name[strcspn(name, " \t\r\n")] = '\0';
    return read && is_name(name);
}

static struct tz *load_localtime(struct err *err)
{
    char path[PATH_MAX], name[128];
    const char *called = realpath("/etc/localtime", path) ? name_in_path(path) : NULL;
    if (!called)
        called = read_timezone(name, sizeof name) ? name : "localtime";
    struct tz *tz = load_file("/etc/localtime", called, err);
    return tz || err->code[0] ? tz : load_utc(err);
}

/* TZ as the C library takes it: a name or a file, with or without a colon before it, or a rule. */
static struct tz *load_environment(const char *value, struct err *err)
{
    const char *text = value + (*value == ':');
    char path[PATH_MAX];
    if (!*text)
        return load_utc(err);
    const char *called = *text == '/' ? name_in_path(text) : text;
    snprintf(path, sizeof path, "%s%s%s", *text == '/' ? "" : directory(), *text == '/' ? "" : "/", text);
    struct tz *tz = *text == '/' || is_name(text) ? load_file(path, called ? called : "localtime", err) : NULL;
    if (tz || err->code[0])
        return tz;
    struct err not_a_rule;
    err_clear(&not_a_rule);
    tz = tz_from_rule(text, &not_a_rule);
    if (!tz)
        err_set(err, ERR_CONFIG, "the environment's TZ=%.100s names no time zone and is no rule of one", value);
    return tz;
}

struct tz *tz_load(const char *name, struct err *err)
{
    err_clear(err);
    const char *set = getenv("TZ");
    if (!name || !*name)
        return set ? load_environment(set, err) : load_localtime(err);
    char path[PATH_MAX];
    snprintf(path, sizeof path, "%s/%s", directory(), name);
    struct tz *tz = is_name(name) ? load_file(path, name, err) : NULL;
    if (tz || err->code[0])
        return tz;
    if (strcmp(name, "UTC") == 0)
        return load_utc(err);
    unknown_zone(name, err);
    return NULL;
}
