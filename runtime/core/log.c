#include "core/log.h"

#include <pthread.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

/* The settings of the process that a library function cannot be handed. */
static enum log_level threshold = LOG_WARN;
static enum log_format format_in_force = LOG_TEXT;
static bool to_journal;
static atomic_bool progress_stands;
static struct log_fields context; /* owned: log_set_context */
static pthread_mutex_t context_lock = PTHREAD_MUTEX_INITIALIZER;
static struct {
    void (*run)(void *arg);
    void *arg;
} before;

/* systemd tells which stream it has connected: "DEVICE:INODE" (systemd.exec(5)). */
static bool is_journal(const char *stream)
{
    struct stat info;
    unsigned long long device, inode;
    char rest;
    return stream && sscanf(stream, "%llu:%llu%c", &device, &inode, &rest) == 2 && fstat(STDERR_FILENO, &info) == 0 &&
           info.st_dev == device && info.st_ino == inode;
}

void log_start(void)
{
    const char *format = getenv("UPJOB_LOG_FORMAT");
    if (format && strcmp(format, "json") == 0)
        format_in_force = LOG_JSON;
    to_journal = is_journal(getenv("JOURNAL_STREAM"));
}

void log_before(void (*run)(void *arg), void *arg)
{
    before.run = run;
    before.arg = arg;
}

void log_set_level(enum log_level level)
{
    threshold = level;
}

enum log_level log_get_level(void)
{
    return threshold;
}

bool log_enabled(enum log_level level)
{
    return level <= threshold;
}

void log_set_format(enum log_format format)
{
    format_in_force = format;
}

enum log_format log_get_format(void)
{
    return format_in_force;
}

/* ---- fields of the process ---- */

static void free_fields(struct log_field *list, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        free((char *)list[i].name);
        free((char *)list[i].text);
    }
    free(list);
}

static bool copy_field(const struct log_field *from, struct log_field *to)
{
    *to = *from;
    to->name = strdup(from->name);
    to->text = from->kind == LOG_STRING ? malloc(from->len + 1) : NULL;
    if (to->text)
        memcpy((char *)to->text, from->text, from->len);
    return to->name && (to->text || from->kind != LOG_STRING);
}

bool log_set_context(const struct log_fields *fields)
{
    struct log_field *list = calloc(fields->count + 1, sizeof *list);
    if (!list)
        return false;
    for (size_t i = 0; i < fields->count; i++) {
        if (!copy_field(&fields->list[i], &list[i])) {
            free_fields(list, i + 1);
            return false;
        }
    }
    pthread_mutex_lock(&context_lock);
    struct log_fields earlier = context;
    context = (struct log_fields){list, fields->count};
    pthread_mutex_unlock(&context_lock);
    free_fields((struct log_field *)earlier.list, earlier.count);
    return true;
}

/* ---- lines ---- */

void log_progress(bool stands)
{
    atomic_store(&progress_stands, stands);
}

static void write_to(const struct log_line *line, FILE *out)
{
    struct timespec now;
    if (atomic_exchange(&progress_stands, false))
        fputs(LOG_CLEARS_LINE, out);
    if (format_in_force == LOG_TEXT) {
        log_line_text(line, to_journal, out);
        return;
    }
    clock_gettime(CLOCK_REALTIME, &now);
    pthread_mutex_lock(&context_lock);
    log_line_json(line, &context, &now, out);
    pthread_mutex_unlock(&context_lock);
}

char *log_compose(const struct log_line *line, size_t *size)
{
    char *text = NULL;
    FILE *out = open_memstream(&text, size);
    if (!out)
        return NULL;
    write_to(line, out);
    if (fclose(out) == 0)
        return text;
    free(text);
    return NULL;
}

/* One write per line where that is possible: lines of several threads, and processes, do not mix. */
void log_put(const struct log_line *line)
{
    size_t size = 0;
    char *text = log_compose(line, &size);
    if (before.run)
        before.run(before.arg);
    if (text)
        fwrite(text, 1, size, stderr);
    else
        write_to(line, stderr);
    free(text);
}

static const char *prefix_of(enum log_level level)
{
    static const char *const prefixes[] = {"upjob: error: ", "upjob: warning: ", "upjob: ", "upjob: debug: ", "upjob: trace: "};
    return prefixes[level];
}

static void put_formatted(struct log_line *line, const char *format, va_list args)
{
    char text[2048];
    int length = vsnprintf(text, sizeof text, format, args);
    line->what = "";
    line->text = text;
    line->len = length < 0 ? 0 : (size_t)length < sizeof text ? (size_t)length : sizeof text - 1;
    log_put(line);
}

void log_failure(const char *what, const char *text)
{
    log_put(&(struct log_line){.level = LOG_ERROR, .prefix = "upjob: ", .what = what, .text = text, .len = strlen(text)});
}

void log_write(enum log_level level, const char *format, ...)
{
    struct log_line line = {.level = level, .prefix = prefix_of(level)};
    va_list args;
    if (!log_enabled(level))
        return;
    va_start(args, format);
    put_formatted(&line, format, args);
    va_end(args);
}

void log_event(enum log_level level, const char *text, size_t len, const struct log_fields *fields, bool shows)
{
    if (!log_enabled(level))
        return;
    log_put(&(struct log_line){.level = level, .prefix = prefix_of(level), .what = "", .text = text, .len = len, .fields = *fields,
                               .shows_fields = shows});
}

void log_wire(char mark, const char *format, ...)
{
    const char *way = mark == '>' ? "sent" : mark == '<' ? "received" : "about";
    struct log_field field = {.name = "wire", .kind = LOG_STRING, .text = way, .len = strlen(way)};
    char prefix[] = {mark, ' ', '\0'};
    struct log_line line = {.level = LOG_TRACE, .prefix = prefix, .fields = {&field, 1}};
    va_list args;
    if (!log_enabled(LOG_TRACE))
        return;
    va_start(args, format);
    put_formatted(&line, format, args);
    va_end(args);
}
