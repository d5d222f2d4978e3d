#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "core/check_private.h"
#include "core/utf8.h"

#define STEP_BYTES ((uint64_t)512 << 10)
/* So that a slice that looks at phone numbers stays short. */
#define SMALL_READ ((size_t)16 << 10)

uint64_t check_now_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

/* ---- its text ---- */

/* What is read goes to the digest, and to those who look at it before it becomes rows. */
static bool pass_on(struct check *check, const char *text, size_t len, struct err *err)
{
    bool in_vain = check->plan.no_digest || (check->phase >= ROWS && !check_sent_may_be_input(check));
    if (check->digest && !in_vain && !digest_thread_add(check->digest, text, len, err))
        return false;
    if (check->phase < ROWS)
        (void)buf_add(&check->early, text, len);
    return !check->ahead || check_ahead_feed(check, text, len, err);
}

static long read_text(void *arg, char *into, size_t size, struct err *err)
{
    struct check *check = arg;
    bool small = check->ahead || check->phase < ROWS;
    long n = input_read(check->input, into, small && size > SMALL_READ ? SMALL_READ : size, err);
    return n <= 0 || pass_on(check, into, (size_t)n, err) ? n : -1;
}

/* ---- its header ---- */

/* The header's cells as strings; they are UTF-8 without NULs. */
static bool copy_names(struct check *check, struct err *err)
{
    const struct csv_row *header = check->header;
    check->names = calloc(header->count + 1, sizeof *check->names);
    for (size_t i = 0; check->names && i < header->count; i++) {
        struct csv_slice cell = csv_cell(header, i);
        if (memchr(cell.data, '\0', cell.len))
            return err_set(err, ERR_INVALID_FILE,
                           "cell %zu of the header holds a NUL byte: if the file is UTF-16, save it as UTF-8",
                           i + 1);
        if (!utf8_valid(cell.data, cell.len, NULL))
            return err_set(err, ERR_INVALID_FILE,
                           "cell %zu of the header is not UTF-8: save the file as UTF-8", i + 1);
        check->names[i] = strndup(cell.data, cell.len);
        if (!check->names[i])
            break;
    }
    if (!check->names || (header->count > 0 && !check->names[header->count - 1]))
        return err_set(err, ERR_MEMORY, "no memory for the header");
    return true;
}

static bool read_header(struct check *check, struct err *err)
{
    check->reader = csv_reader_new(read_text, check, input_name(check->input), &check->csv, err);
    if (!check->reader || !csv_reader_header(check->reader, &check->header, err))
        return false;
    err->line = check->header->line;
    if (!copy_names(check, err))
        return false;
    err->line = 0;
    check->phase = OPENED;
    return true;
}

/* ---- what it is ---- */

/* The delimiter is refused as other conversions are (input_accept). */
static bool accept(struct check *check, struct err *err)
{
    if (!input_accept(check->input, &check->facts, check->strict, err))
        return false;
    if (!check->strict || (check->csv.delimiter == ',' && check->facts.shape.sep_line == 0))
        return true;
    if (check->facts.shape.sep_line > 0)
        return err_set(err, ERR_INVALID_FILE,
                       "begins with a line \"sep=\", which the service takes for the header: remove it, or "
                       "let it be dropped (without strict)");
    bool tab = check->csv.delimiter == '\t';
    return err_set(err, ERR_INVALID_FILE,
                   "its cells are separated by %s%.*s%s, and the service takes commas only: save it with "
                   "commas, or let it be converted (without strict)",
                   tab ? "tabs" : "\"", !tab, (const char *)&check->csv.delimiter, tab ? "" : "\"");
}

/* The file itself may be sent when its bytes are what the service takes. */
static bool take_file(struct check *check, struct err *err)
{
    uint64_t start = 0;
    struct stat st;
    int fd = input_descriptor(check->input, &start);
    check->as_it_stands = fd >= 0 && start == 0 && check->facts.compression == INPUT_PLAIN &&
                          !check->facts.converted && !check->facts.had_mark &&
                          check->facts.shape.sep_line == 0 && check->csv.delimiter == ',';
    if (!check->as_it_stands)
        return true;
    if (fstat(fd, &st) < 0)
        return err_errno(err, ERR_FILE, errno, "cannot be read");
    file_identity_of(&st, &check->result.identity);
    check->digest = digest_thread_new(err);
    return check->digest;
}

static bool examined(struct check *check, struct err *err)
{
    check->facts = *input_examine_facts(check->examination);
    check->result.facts = &check->facts;
    input_examine_free(check->examination);
    check->examination = NULL;
    check->result.total = check->facts.bytes;
    unsigned char told = check->csv.delimiter;
    if (!input_read_as(check->input, &check->facts, 0, &check->csv, err))
        return false;
    if (told)
        check->csv.delimiter = told;
    return accept(check, err) && take_file(check, err) && read_header(check, err);
}

static bool open_input(struct check *check, struct err *err)
{
    const struct input_options options = {.temporary = check->temporary};
    if (check->fd >= 0)
        check->input = input_open_file(check->fd, check->path, &options, err);
    else
        check->input = input_open(check->path, &options, err);
    check->named = check->input && check->fd < 0 && strcmp(check->path, "-") != 0 && input_can_rewind(check->input);
    return check->input;
}

static bool begin_examination(struct check *check, struct err *err)
{
    check->examination = input_examine_new(check->input, check->encoding, 0, err);
    check->phase = EXAMINING;
    return check->examination;
}

static enum input_status one_step(struct check *check, struct err *err)
{
    if (check->phase == SPOOLING)
        return input_spool(check->input, STEP_BYTES, err);
    return input_examine_step(check->examination, STEP_BYTES, err);
}

bool check_input_step(struct check *check, uint64_t until_ns, struct err *err)
{
    check->waiting = false;
    if (!check->input && !open_input(check, err))
        return false;
    do {
        switch (one_step(check, err)) {
        case INPUT_FAILED:
            return false;
        case INPUT_WAITING:
            check->waiting = true;
            return true;
        case INPUT_DONE:
            return check->phase == SPOOLING ? begin_examination(check, err) : examined(check, err);
        default:
            break;
        }
    } while (check_now_ns() < until_ns);
    return true;
}

bool check_input_end(struct check *check, struct err *err)
{
    if (!input_unchanged(check->input, err))
        return false;
    return csv_reader_offset(check->reader) == check->result.total || !check->as_it_stands ||
           err_set(err, ERR_FILE,
                   "has changed while it was read: start again when nothing writes to it any more");
}
