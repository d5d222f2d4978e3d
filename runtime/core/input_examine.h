/* input_examine: what a file is, by all of it: character set, delimiter, line ends, lines. One fast pass, in slices.
 *
 * The character set: what was told; else a byte-order mark; else UTF-16 or UTF-32 by its NUL bytes; else UTF-8, when all of it is
 * that. What is not:
 *
 * - With a UTF-8 mark, or with at least one character of several bytes for every two places that are not UTF-8, it is UTF-8 that
 *   is damaged in `invalid` places: by accident, text in another set holds far fewer such characters. It is not converted:
 *   another set would make two wrong letters of every right one. The rows in question are for the caller to reject.
 * - Otherwise another set is guessed (charset_guess.c).
 * - When that is a single-byte set and characters of several bytes are more than one in a thousand beside the places that are
 *   not UTF-8, two files were put together (`mixed`). That too stays as it is: no one set is right for all rows.
 *
 * In the last two, `alternative` is the guess, for somebody who knows better.
 */
#ifndef UPJOB_CORE_INPUT_EXAMINE_H
#define UPJOB_CORE_INPUT_EXAMINE_H

#include <stdbool.h>
#include <stdint.h>

#include "core/charset.h"
#include "core/csv_sniff.h"
#include "core/input.h"
#include "core/text_count.h"

#define INPUT_SAMPLES 3
#define INPUT_SAMPLE  160

/* A piece of a line with what is not ASCII in it; personal data. */
struct input_sample {
    long line;
    size_t before_len, after_len;
    char before[INPUT_SAMPLE];    /* the bytes; none where they came converted (UTF-16, a set that was told) */
    char after[INPUT_SAMPLE * 3]; /* as UTF-8; none where they are not converted */
};

struct input_facts {
    enum input_compression compression;
    char encoding[CHARSET_NAME]; /* "UTF-8" where nothing is to be converted */
    int confidence;              /* per cent; 100 for what was told, marked or is all UTF-8 */
    bool had_mark;
    bool converted;              /* it is something else than UTF-8 */
    bool guessed;                /* by what the bytes look like */
    bool mixed;
    char alternative[CHARSET_NAME]; /* "" without one */
    uint64_t invalid;            /* places that are no text in that encoding; for a guessed set of several bytes not known: 0 */
    long first_invalid;          /* line of the first; 0 when not known */
    struct text_count text;      /* of the unpacked bytes, or, for UTF-16, UTF-32 and what was told, of the text */
    long lines;                  /* physical; an end of the file without a line end is one */
    uint64_t bytes;              /* of what was counted */
    uint64_t file_bytes;         /* of the file as it is, compressed or not */
    struct csv_shape shape;      /* sep_line does not count the mark */
    struct input_sample samples[INPUT_SAMPLES];
    size_t sample_count;
};

struct input_examination;

/* Of an input that can be rewound (input_spool): begins at its beginning. The input must live as long. `encoding` is what was
 * told, or NULL; max_bytes as in input_options. */
struct input_examination *input_examine_new(struct input *input, const char *encoding, uint64_t max_bytes,
                                            struct err *err) MUST_CHECK;
/* About the next `bytes` of text. */
enum input_status input_examine_step(struct input_examination *examination, uint64_t bytes, struct err *err) MUST_CHECK;
/* Known when the steps are done; owned by the examination. */
const struct input_facts *input_examine_facts(const struct input_examination *examination);
/* NULL is allowed. */
void input_examine_free(struct input_examination *examination);

/* Begins the input anew as the text that the facts say: what cannot be converted stays invalid (input_options), a line "sep=;" is
 * not given, and *csv, unless NULL, has the delimiter, start_offset and start_line that go with it. */
bool input_read_as(struct input *input, const struct input_facts *facts, uint64_t max_bytes, struct csv_options *csv,
                   struct err *err) MUST_CHECK;
/* With `strict`, false with an ERR_INVALID_FILE for what is not UTF-8 throughout or has a mark; it says what it is instead. */
bool input_accept(const struct input *input, const struct input_facts *facts, bool strict, struct err *err) MUST_CHECK;

#endif
