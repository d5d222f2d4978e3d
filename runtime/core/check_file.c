/* What can be said of the file alone. */
#include <inttypes.h>
#include <stdio.h>

#include "core/check_private.h"

static bool tell_file(struct check *check, enum check_class class, const char *reason, const char *hint,
                      struct err *err)
{
    const struct check_finding finding = {.class = class, .reason = reason, .hint = hint};
    return check_add(check, &finding, err);
}

bool check_tell_encoding(struct check *check, struct err *err)
{
    const struct input_facts *facts = &check->facts;
    char reason[256];
    if (facts->converted) {
        snprintf(reason, sizeof reason, "is %s%s, not UTF-8: it is converted",
                 facts->guessed ? "probably " : "", facts->encoding);
        return tell_file(check, CHECK_CONVERTED, reason,
                         facts->guessed ? "say which set it is with the option encoding" : "", err);
    }
    if (facts->had_mark &&
        !tell_file(check, CHECK_MARK,
                   "begins with a byte-order mark, with which the service does not find the "
                   "first column: it is dropped",
                   "", err))
        return false;
    if (!facts->mixed)
        return true;
    snprintf(reason, sizeof reason,
             "is UTF-8 in most places and something else in %" PRIu64
             ", the first in line %ld: it seems to be "
             "made of files in different character sets",
             facts->invalid, facts->first_invalid);
    return tell_file(check, CHECK_MIXED, reason, "save all of it as UTF-8", err);
}

bool check_tell_shape(struct check *check, struct err *err)
{
    char reason[128];
    unsigned char delimiter = check->csv.delimiter;
    if (check->facts.shape.sep_line > 0 &&
        !tell_file(check, CHECK_SEP_LINE,
                   "begins with a line \"sep=\", which the service takes for the header: it is dropped", "",
                   err))
        return false;
    if (delimiter == ',')
        return true;
    if (delimiter == '\t')
        snprintf(reason, sizeof reason, "has cells that are separated by tabs: they are sent with commas");
    else
        snprintf(reason, sizeof reason, "has cells that are separated by \"%c\": they are sent with commas",
                 delimiter);
    return tell_file(check, CHECK_DELIMITER, reason, "", err);
}

bool check_tell_cut_off(struct check *check, struct err *err)
{
    uint64_t records = check->result.rows + check->result.unwanted + 1;
    if (check->facts.lines != CHECK_SPREADSHEET_LINES && records != CHECK_SPREADSHEET_LINES)
        return true;
    return tell_file(check, CHECK_CUT_OFF,
                     "has exactly as many lines as a spreadsheet has room for (1,048,576)",
                     "see whether its last rows are missing", err);
}
