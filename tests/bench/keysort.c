/* Times the external sort of keys beside GNU sort, which sorts the same records as hex text with as much memory.
 *
 *     build/bench/keysort [ROWS…]        5000000 50000000 without; TMPDIR for the files
 *
 * One row in a hundred has the key of another. Each sort is a process of its own, so that its peak memory can be told. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "core/keyhash.h"
#include "core/keysort_first.h"
#include "core/scratch.h"

static struct err err;

static void require(bool done)
{
    char text[1024];
    if (done)
        return;
    fprintf(stderr, "%s\n", err_text(&err, text, sizeof text));
    exit(1);
}

static double read_clock(clockid_t clock)
{
    struct timespec time;
    clock_gettime(clock, &time);
    return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

static double now(void)
{
    return read_clock(CLOCK_MONOTONIC);
}

/* Ten letters and digits as a customer's id, hashed as a check would; the row's hash is made up. */
static struct keysort_record record_of(const struct keyhash *hash, uint64_t line)
{
    struct keysort_record record = {.line = line, .offset = line * 128, .row = line * 0x9e3779b97f4a7c15u};
    char id[11] = "C000000000";
    uint64_t number = line % 100 ? line : line / 2;
    for (size_t i = 9; number > 0; number /= 10)
        id[i--] = (char)('0' + number % 10);
    keyhash_of(hash, id, 10, record.key);
    return record;
}

static const struct keyhash hash = {{1, 2}};

/* ---- ours ---- */

static struct {
    double began, cpu_began, longest, longest_cpu;
} slices;

static void begin_slice(void)
{
    slices.began = now();
    slices.cpu_began = read_clock(CLOCK_PROCESS_CPUTIME_ID);
}

static void end_slice(void)
{
    double seconds = now() - slices.began, cpu = read_clock(CLOCK_PROCESS_CPUTIME_ID) - slices.cpu_began;
    slices.longest = seconds > slices.longest ? seconds : slices.longest;
    slices.longest_cpu = cpu > slices.longest_cpu ? cpu : slices.longest_cpu;
}

static void take_steps(struct keysort *sort)
{
    while (keysort_busy(sort)) {
        begin_slice();
        require(keysort_step(sort, KEYSORT_STEP, &err));
        end_slice();
    }
}

static double time_hashing(uint64_t rows)
{
    uint64_t seen = 0;
    double began = now();
    for (uint64_t i = 1; i <= rows; i++)
        seen |= record_of(&hash, i).key[0];
    require(seen != 0);
    return now() - began;
}

static void sort_ours(uint64_t rows)
{
    struct keysort *sort = keysort_new(NULL, &err);
    struct keysort_first first;
    struct keysort_entry entry;
    enum keysort_answer answer;
    require(sort && keysort_first_init(&first, 20, &err));
    double hashing = time_hashing(rows), began = now();
    for (uint64_t i = 1; i <= rows; i++) {
        struct keysort_record record = record_of(&hash, i);
        take_steps(sort);
        require(keysort_add(sort, &record, &err));
    }
    double added = now();
    keysort_end(sort);
    take_steps(sort);
    do {
        size_t work = KEYSORT_STEP;
        begin_slice();
        while ((answer = keysort_next_repeated(sort, &work, &entry, &err)) == KEYSORT_ENTRY)
            keysort_first_add(&first, &entry);
        end_slice();
    } while (answer == KEYSORT_MORE);
    require(answer == KEYSORT_END);
    const struct keysort_counts *counts = keysort_counts(sort);
    printf("  keysort: %.2f s: adding %.2f (making and hashing the keys is %.2f of it), the rest %.2f; longest slice "
           "%.1f ms, %.1f ms of CPU; %llu rows of %llu keys are repeated\n",
           now() - began, added - began, hashing, now() - added, slices.longest * 1e3, slices.longest_cpu * 1e3,
           (unsigned long long)counts->repeated_rows, (unsigned long long)counts->repeated_keys);
    keysort_first_free(&first);
    keysort_free(sort);
}

/* How fast records are taken while they fit: nothing is sorted. */
static void add_only(uint64_t rows)
{
    struct keysort_options options = {.memory = (size_t)(rows + 1) * sizeof(struct keysort_record)};
    struct keysort *sort = keysort_new(&options, &err);
    struct keysort_record record = record_of(&hash, 1);
    require(sort);
    double began = now();
    for (uint64_t i = 1; i <= rows; i++) {
        record.line = i;
        require(keysort_add(sort, &record, &err));
    }
    printf("  adding alone, while records fit: %.0f million a second\n", (double)rows / (now() - began) / 1e6);
    keysort_free(sort);
}

/* ---- GNU sort ---- */

static char *put_hex(char *out, uint64_t word, char end)
{
    for (int shift = 60; shift >= 0; shift -= 4)
        *out++ = "0123456789abcdef"[word >> shift & 15];
    *out++ = end;
    return out;
}

static void write_text(struct scratch *text, uint64_t rows)
{
    static char lines[1 << 16];
    char *at = lines;
    for (uint64_t i = 1; i <= rows; i++) {
        struct keysort_record record = record_of(&hash, i);
        at = put_hex(at, record.key[0], ' ');
        at = put_hex(at, record.key[1], ' ');
        at = put_hex(at, record.line, ' ');
        at = put_hex(at, record.offset, ' ');
        at = put_hex(at, record.row, '\n');
        if (at - lines > (1 << 16) - 100 || i == rows) {
            require(scratch_append(text, lines, (size_t)(at - lines), &err));
            at = lines;
        }
    }
}

static void sort_gnu(struct scratch *text)
{
    lseek(text->fd, 0, SEEK_SET);
    dup2(text->fd, 0);
    setenv("LC_ALL", "C", 1);
    execlp("sort", "sort", "--buffer-size=32M", "-T", text->directory, "-o", "/dev/null", (char *)NULL);
    perror("sort");
    exit(1);
}

/* ---- both ---- */

static void report(const char *name, pid_t child)
{
    struct rusage used;
    int status;
    double began = now();
    if (wait4(child, &status, 0, &used) != child || status != 0)
        exit(1);
    printf("  %s: %.2f s as a process, CPU %.2f s, peak memory %.0f MiB\n", name, now() - began,
           (double)(used.ru_utime.tv_sec + used.ru_stime.tv_sec) +
               (double)(used.ru_utime.tv_usec + used.ru_stime.tv_usec) / 1e6,
           (double)used.ru_maxrss / 1024);
    fflush(stdout);
}

static void compare(uint64_t rows)
{
    struct scratch text;
    pid_t child;
    printf("%llu rows\n", (unsigned long long)rows);
    fflush(stdout);
    if ((child = fork()) == 0) {
        sort_ours(rows);
        exit(0);
    }
    report("keysort", child);
    require(scratch_open(&text, NULL, &err));
    write_text(&text, rows);
    if ((child = fork()) == 0)
        sort_gnu(&text);
    report("GNU sort", child);
    scratch_close(&text);
}

int main(int argc, char **argv)
{
    add_only(5000000);
    for (int i = 1; i < argc; i++)
        compare(strtoull(argv[i], NULL, 10));
    if (argc == 1) {
        compare(5000000);
        compare(50000000);
    }
    return 0;
}
