#include "tests/reference/csv_generate.h"

#include <string.h>

/* In pieces Q is the quote and D the delimiter. */
static const char *const pieces[] = {
    "Q",   "D",   "\n",   "\r",   "\r\n",   "QQ",    "QD",    "DQ",    "QDQ",  "Q\n",    "Q\r",      "Q\r\n",   "\nQ",
    "\rQ", "DD",  "D\n",  "\nD",  "Q\nQ",   "Q\r\nQ", "QQQ",  "QQQQ",  "DQQD", "DQQ\n",  "\n\n",     "\r\r",    "\r\n\r\n",
    "aQ",  "Qa",  "QaQ",  "aQa",  " ",      "\t",    " Q",    "Q ",    "D Q",  "Q D",    "Q \n",     " \n",     "\n ",
    " D",  "D ",  "a",    "DaD",  "QaQQaQ", "QaDaQ", "Qa\nQ", "Q\r\rQ", "\n\r", "\xC3\xA9", "\xEF\xBB\xBF", "DQ\r\nQD", "Q\n\nQ",
};

size_t csv_generate_piece(struct dice *dice, const struct csv_options *options, char *into)
{
    size_t which = dice_below(dice, sizeof pieces / sizeof *pieces + 2);
    if (which >= sizeof pieces / sizeof *pieces) {
        into[0] = (char)(which % 2 ? 0 : dice_below(dice, 256));
        return 1;
    }
    const char *piece = pieces[which];
    size_t len = strlen(piece);
    for (size_t i = 0; i < len; i++) {
        into[i] = piece[i];
        if (piece[i] == 'Q')
            into[i] = (char)(options->quote ? options->quote : '"');
        else if (piece[i] == 'D')
            into[i] = (char)(options->delimiter ? options->delimiter : ',');
    }
    return len;
}

size_t csv_generate_place(struct dice *dice, size_t len, size_t block)
{
    static const int beside[] = {-2, -1, -1, 0, 0, 0, 1, 1, 2};
    size_t at = dice_below(dice, len / block + 1) * block + block;
    /* In the middle of a block, too: it may be two of half the size. */
    at -= dice_below(dice, 4) == 0 ? block / 2 : 0;
    at += (size_t)beside[dice_below(dice, sizeof beside / sizeof *beside)];
    return at - block < len ? at - block : dice_below(dice, len);
}

struct csv_options csv_generate_options(struct dice *dice)
{
    static const unsigned char delimiters[] = {';', '\t', '|', ' ', 'a', 0xFF, 1};
    static const unsigned char quotes[] = {'\'', '`', 'a', 0x80, 2};
    struct csv_options options = {.no_header = dice_below(dice, 4) != 0};
    options.strict = dice_below(dice, 4) == 0;
    options.pauses = dice_below(dice, 8) == 0;
    options.trim = dice_below(dice, 4) == 0;
    options.keep_bom = dice_below(dice, 8) == 0;
    if (dice_below(dice, 4) == 0)
        options.delimiter = delimiters[dice_below(dice, sizeof delimiters)];
    if (dice_below(dice, 4) == 0 && options.delimiter != 'a')
        options.quote = quotes[dice_below(dice, sizeof quotes)];
    if (dice_below(dice, 4) == 0)
        options.max_record = 1 + dice_below(dice, dice_below(dice, 2) ? 20 : 400);
    if (dice_below(dice, 4) == 0) {
        options.start_offset = dice_below(dice, 1000);
        options.start_line = (long)dice_below(dice, 1000);
    }
    return options;
}

static void add_pieces(struct dice *dice, const struct csv_options *options, size_t most, struct buf *into)
{
    char piece[CSV_PIECE_MOST];
    for (size_t until = into->len + most; into->len < until;)
        buf_add(into, piece, csv_generate_piece(dice, options, piece));
}

static void add_filler(struct dice *dice, size_t most, struct buf *into)
{
    for (size_t n = dice_below(dice, most + 1); n > 0; n--)
        buf_addc(into, 'x');
}

/* Text with hardly anything in it but at the borders of blocks. */
static void add_borders(struct dice *dice, const struct csv_options *options, size_t most, struct buf *into)
{
    char piece[CSV_PIECE_MOST];
    size_t from = into->len;
    add_filler(dice, most, into);
    size_t len = into->len - from;
    for (size_t n = len > 0 ? 1 + dice_below(dice, len / 16 + 3) : 0; n > 0; n--) {
        size_t at = csv_generate_place(dice, len, 64), size = csv_generate_piece(dice, options, piece);
        memcpy(into->data + from + at, piece, size < len - at ? size : len - at);
    }
}

static void add_cell(struct dice *dice, const struct csv_options *options, bool wrong, struct buf *into)
{
    static const char *const quoted[] = {"Q%sQ", "QQ", "Qa,bQ", "QaQQbQQ%sQ", "Q%s\r\nbQ", "Q\nQ"};
    static const char *const faulty[] = {"%sQ", "Q%s", "Q%sQ x", " Q%sQ", "Q%sQ ", "QaQb%s"};
    const char *pattern = "%s";
    if (wrong)
        pattern = faulty[dice_below(dice, sizeof faulty / sizeof *faulty)];
    else if (dice_below(dice, 4) == 0)
        pattern = quoted[dice_below(dice, sizeof quoted / sizeof *quoted)];
    for (; *pattern; pattern++) {
        if (*pattern == 'Q')
            buf_addc(into, (char)(options->quote ? options->quote : '"'));
        else if (*pattern == '%')
            add_filler(dice, dice_below(dice, 20) ? 9 : 150, into);
        else if (*pattern != 's')
            buf_addc(into, *pattern);
    }
}

/* Rows as people have them, with a fault here and there. */
static void add_rows(struct dice *dice, const struct csv_options *options, size_t most, struct buf *into)
{
    static const char *const ends[] = {"\n", "\r\n", "\r"};
    const char *end = ends[dice_below(dice, 3)];
    size_t columns = 1 + dice_below(dice, 12), fault = 4 + dice_below(dice, 300);
    for (size_t until = into->len + most; into->len < until;) {
        for (size_t i = 0; i < columns; i++) {
            if (i > 0)
                buf_addc(into, (char)(options->delimiter ? options->delimiter : ','));
            add_cell(dice, options, dice_below(dice, fault) == 0, into);
        }
        buf_adds(into, dice_below(dice, 20) ? end : ends[dice_below(dice, 3)]);
    }
}

void csv_generate_text(struct dice *dice, const struct csv_options *options, size_t most, struct buf *into)
{
    size_t begun = into->len;
    if (dice_below(dice, 16) == 0)
        buf_adds(into, "\xEF\xBB\xBF");
    do {
        size_t part = 1 + dice_below(dice, most);
        switch (dice_below(dice, 3)) {
        case 0:
            add_pieces(dice, options, 1 + dice_below(dice, part < 80 ? part : 80), into);
            break;
        case 1:
            add_borders(dice, options, part, into);
            break;
        default:
            add_rows(dice, options, part, into);
        }
    } while (into->len - begun < most && dice_below(dice, 3));
}
