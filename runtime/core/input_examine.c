#include "core/input_examine.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/module.h"

#define BLOCK       ((size_t)256 << 10)
#define EVIDENCE    ((size_t)64 << 10) /* of lines for the guess */
#define MOST_OF_ONE ((size_t)1 << 10)  /* of one line */
#define UTF8_MARK   "\xEF\xBB\xBF"

struct input_examination {
    struct input *input;
    struct input_facts facts;
    bool told, begun, done;
    bool ends_in_line; /* the last byte was no line end */
    size_t len;
    char *block;
    size_t evidence_len;
    char *evidence;
};

/* ---- making and freeing ---- */

struct input_examination *input_examine_new(struct input *input, const char *encoding, uint64_t max_bytes, struct err *err)
{
    const struct input_options options = {.encoding = encoding, .keep_invalid = true, .max_bytes = max_bytes};
    struct input_examination *ex = calloc(1, sizeof *ex);
    if (ex) {
        ex->block = malloc(BLOCK);
        ex->evidence = malloc(EVIDENCE);
    }
    if (!ex || !ex->block || !ex->evidence)
        err_set(err, ERR_MEMORY, "no memory for looking at %s", input_name(input));
    else if (input_rewind(input, &options, err)) {
        ex->input = input;
        ex->told = encoding != NULL;
        return ex;
    }
    input_examine_free(ex);
    return NULL;
}

void input_examine_free(struct input_examination *ex)
{
    if (!ex)
        return;
    free(ex->block);
    free(ex->evidence);
    free(ex);
}

const struct input_facts *input_examine_facts(const struct input_examination *ex)
{
    return &ex->facts;
}

/* ---- lines to be shown, and to be judged ---- */

static bool is_line_end(char c)
{
    return c == '\n' || c == '\r';
}

/* Where a piece may be cut without cutting a character, whatever the set: these are never its second byte. */
static bool is_cut(char c)
{
    return c == ',' || c == ';' || c == '\t' || c == ' ' || c == '"';
}

/* The piece of the line [from, to) around `place`, `most` bytes at most. */
static void cut_piece(const char *text, size_t place, size_t most, size_t *from, size_t *to)
{
    if (place - *from > most / 2) {
        size_t at = place - most / 2;
        while (at < place && !is_cut(text[at]))
            at++;
        *from = at < place ? at + 1 : place;
    }
    if (*to - *from > most) {
        size_t at = *from + most;
        while (at > place + 1 && !is_cut(text[at]))
            at--;
        *to = at > place + 1 ? at : *from + most;
    }
}

static void add_sample(struct input_examination *ex, const char *text, size_t place, size_t from, size_t to)
{
    struct input_facts *facts = &ex->facts;
    if (facts->sample_count == INPUT_SAMPLES)
        return;
    struct input_sample *sample = &facts->samples[facts->sample_count++];
    sample->line = (long)text_count_lines(&facts->text) + 1;
    cut_piece(text, place, INPUT_SAMPLE, &from, &to);
    size_t len = to - from;
    if (facts->converted) {
        memcpy(sample->after, text + from, len);
        sample->after_len = len;
    } else {
        memcpy(sample->before, text + from, len);
        sample->before_len = len;
    }
}

static void add_evidence(struct input_examination *ex, const char *text, size_t place, size_t from, size_t to)
{
    cut_piece(text, place, MOST_OF_ONE, &from, &to);
    size_t len = to - from;
    if (len + 1 > EVIDENCE - ex->evidence_len)
        return;
    memcpy(ex->evidence + ex->evidence_len, text + from, len);
    ex->evidence_len += len;
    ex->evidence[ex->evidence_len++] = '\n';
}

/* While anything is missing that only a stop gives. */
static enum text_stop stop_at(const struct input_examination *ex)
{
    if (ex->facts.converted && ex->facts.sample_count < INPUT_SAMPLES)
        return TEXT_STOP_NOT_ASCII;
    if (!ex->facts.first_invalid || (!ex->facts.converted && ex->evidence_len + MOST_OF_ONE < EVIDENCE))
        return TEXT_STOP_INVALID;
    return TEXT_STOP_NEVER;
}

/* Behind a stop at text[place - 1]: takes the line, and says where it ends. */
static size_t take_line(struct input_examination *ex, const char *text, size_t len, size_t place)
{
    size_t from = place - 1, to = place;
    while (from > 0 && !is_line_end(text[from - 1]))
        from--;
    while (to < len && !is_line_end(text[to]))
        to++;
    if (!ex->facts.first_invalid && ex->facts.text.invalid > 0)
        ex->facts.first_invalid = (long)text_count_lines(&ex->facts.text) + 1;
    add_sample(ex, text, place - 1, from, to);
    if (!ex->facts.converted)
        add_evidence(ex, text, place - 1, from, to);
    return to;
}

/* ---- counting ---- */

/* What makes text_count_feed stop. */
static uint64_t stops(const struct input_examination *ex, enum text_stop stop)
{
    const struct text_count *text = &ex->facts.text;
    return stop == TEXT_STOP_NEVER ? 0 : text->invalid + (stop == TEXT_STOP_NOT_ASCII ? text->multibyte : 0);
}

/* Counts the first `len` bytes of the block: how many were taken, all but a character that the end cuts. */
static size_t count_block(struct input_examination *ex, size_t len, bool last)
{
    struct text_count *text = &ex->facts.text;
    for (size_t at = 0;;) {
        enum text_stop stop = stop_at(ex);
        uint64_t before = stops(ex, stop);
        size_t n = text_count_feed(text, ex->block + at, len - at, last, stop);
        at += n;
        if (stops(ex, stop) == before)
            return at;
        size_t end = take_line(ex, ex->block, len, at);
        at += text_count_feed(text, ex->block + at, end - at, last || end < len, TEXT_STOP_NEVER);
    }
}

static void sniff(struct input_examination *ex, bool last)
{
    struct input_facts *facts = &ex->facts;
    const char *text = ex->block;
    size_t len = ex->len;
    facts->compression = input_compression(ex->input);
    facts->had_mark = input_had_mark(ex->input);
    facts->converted = input_encoding(ex->input) != NULL;
    if (len >= 3 && memcmp(text, UTF8_MARK, 3) == 0) {
        text += 3;
        len -= 3;
    }
    bool whole = last && len <= CSV_SNIFF_BYTES;
    csv_sniff(text, len < CSV_SNIFF_BYTES ? len : CSV_SNIFF_BYTES, whole, &facts->shape);
}

/* Up to and with the last line end, so that lines are seen whole; all of it when there is none. */
static size_t whole_lines(const char *block, size_t len)
{
    size_t n = len;
    while (n > 0 && !is_line_end(block[n - 1]))
        n--;
    return n > 0 ? n : len;
}

static void take_block(struct input_examination *ex, bool last)
{
    if (!ex->begun)
        sniff(ex, last);
    ex->begun = true;
    size_t n = count_block(ex, last ? ex->len : whole_lines(ex->block, ex->len), last);
    if (n > 0)
        ex->ends_in_line = !is_line_end(ex->block[n - 1]);
    ex->facts.bytes += n;
    memmove(ex->block, ex->block + n, ex->len - n);
    ex->len -= n;
}

/* ---- deciding ---- */

static void settle(struct input_facts *facts, const char *encoding, int confidence)
{
    snprintf(facts->encoding, sizeof facts->encoding, "%s", encoding);
    facts->confidence = confidence;
}

/* A sample as UTF-8; what is too long is left out. */
static bool convert_sample(const struct codec *codec, const char *encoding, struct input_sample *sample, struct err *err)
{
    void *state = codec->make(encoding, err);
    if (!state)
        return false;
    struct codec_io io = {sample->before, sample->before_len, sample->after, sizeof sample->after, true};
    bool done = codec->run(state, &io, err);
    codec->free(state);
    sample->after_len = sizeof sample->after - io.out_len;
    return done;
}

static bool take_guess(struct input_examination *ex, const struct charset_module *module, const struct charset_guess *guess,
                       struct err *err)
{
    struct input_facts *facts = &ex->facts;
    settle(facts, guess->name, guess->confidence);
    facts->guessed = facts->converted = true;
    facts->invalid = guess->undefined;
    facts->first_invalid = 0;
    for (size_t i = 0; i < facts->sample_count; i++)
        if (!convert_sample(&module->codec, guess->name, &facts->samples[i], err))
            return false;
    return true;
}

/* What is not UTF-8 throughout. */
static bool decide(struct input_examination *ex, struct err *err)
{
    struct input_facts *facts = &ex->facts;
    const struct text_count *text = &facts->text;
    const struct charset_evidence evidence = {ex->evidence, ex->evidence_len, text->in_invalid,
                                              text->cr > 0 && text->lf == 0};
    struct charset_guess guess;
    const struct charset_module *module = module_find(CHARSET_MODULE, CHARSET_MODULE_SYMBOL, err);
    if (!module || !module->guess(&evidence, &guess, err))
        return false;
    bool damaged = facts->had_mark || text->multibyte * 2 >= text->invalid;
    facts->mixed = !damaged && guess.single_byte && text->multibyte * 1000 > text->invalid;
    if (!damaged && !facts->mixed)
        return take_guess(ex, module, &guess, err);
    memcpy(facts->alternative, guess.name, sizeof facts->alternative);
    int share = (int)(100 * text->multibyte / (text->multibyte + text->invalid));
    settle(facts, "UTF-8", facts->had_mark ? 100 : share);
    return true;
}

static bool finish(struct input_examination *ex, struct err *err)
{
    struct input_facts *facts = &ex->facts;
    const char *found = input_encoding(ex->input);
    facts->file_bytes = input_bytes_read(ex->input);
    facts->lines = (long)text_count_lines(&facts->text) + ex->ends_in_line;
    facts->invalid = facts->text.invalid;
    if (found || ex->told || facts->invalid == 0)
        settle(facts, found ? found : "UTF-8", found && !ex->told && !facts->had_mark ? 90 : 100);
    else if (!decide(ex, err))
        return false;
    return input_unchanged(ex->input, err);
}

enum input_status input_examine_step(struct input_examination *ex, uint64_t bytes, struct err *err)
{
    for (uint64_t read = 0; read < bytes && !ex->done;) {
        long n = input_read(ex->input, ex->block + ex->len, BLOCK - ex->len, err);
        if (n < 0)
            return n == INPUT_WAITS ? INPUT_WAITING : INPUT_FAILED;
        ex->len += (size_t)n;
        read += (uint64_t)n;
        if (ex->len == BLOCK || n == 0)
            take_block(ex, n == 0);
        if (n == 0 && !finish(ex, err))
            return INPUT_FAILED;
        ex->done = n == 0;
    }
    return ex->done ? INPUT_DONE : INPUT_MORE;
}

/* ---- afterwards ---- */

bool input_read_as(struct input *input, const struct input_facts *facts, uint64_t max_bytes, struct csv_options *csv,
                   struct err *err)
{
    bool marked = facts->had_mark && !facts->converted; /* a mark of UTF-8 is text here */
    uint64_t skip = facts->shape.sep_line > 0 ? facts->shape.sep_line + (marked ? sizeof UTF8_MARK - 1 : 0) : 0;
    const struct input_options options = {
        .encoding = facts->encoding, .keep_invalid = true, .max_bytes = max_bytes, .skip = skip};
    if (csv) {
        csv->delimiter = facts->shape.delimiter;
        csv->start_offset = skip;
        csv->start_line = skip > 0 ? 2 : 1;
    }
    return input_rewind(input, &options, err);
}

bool input_accept(const struct input *input, const struct input_facts *facts, bool strict, struct err *err)
{
    char place[48] = "";
    if (!strict || (!facts->had_mark && !facts->converted && facts->invalid == 0))
        return true;
    if (facts->first_invalid > 0)
        snprintf(place, sizeof place, ", the first in line %ld", facts->first_invalid);
    if (!facts->converted && facts->invalid > 0)
        err_set(err, ERR_INVALID_FILE, "is not UTF-8 in %" PRIu64 " places%s%s", facts->invalid, place,
                facts->mixed ? ": it seems to be made of files in different character sets" : "");
    else if (facts->converted)
        err_set(err, ERR_INVALID_FILE, "is %s%s, not UTF-8: save it as UTF-8, or let it be converted (without strict)",
                facts->guessed ? "probably " : "", facts->encoding);
    else
        err_set(err, ERR_INVALID_FILE, "begins with a byte-order mark: save it without, or let it be dropped (without strict)");
    return err_at(err, input_name(input), facts->first_invalid, 0, NULL);
}
