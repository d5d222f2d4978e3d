/* Content types, and what a spreadsheet leaves of a value. E-mail addresses are in mapping_email.c. */
#include "core/characters.h"
#include "core/mapping_email.h"
#include "core/mapping_private.h"
#include "core/printable.h"
#include "core/utf8.h"

static size_t digits_at(struct csv_slice s, size_t at)
{
    size_t from = at;
    while (at < s.len && s.data[at] >= '0' && s.data[at] <= '9')
        at++;
    return at - from;
}

/* ---- a spreadsheet's damage ---- */

static bool is_error_value(struct csv_slice value)
{
    static const char *const names[] = {"#N/A",   "#REF!", "#VALUE!", "#NAME?", "#DIV/0!",
                                        "#NULL!", "#NUM!", "#SPILL!", "#CALC!"};
    size_t hashes = 0;
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (slices_equal(value, slice_of(names[i])))
            return true;
    while (hashes < value.len && value.data[hashes] == '#')
        hashes++;
    return hashes == value.len && hashes > 3; /* the column was too narrow for it */
}

/* 4.4E+11, 4,4E+11, 447E+09, 1.5e-05; the sign of the exponent may be wanting. */
static bool is_power_of_ten(struct csv_slice s, bool *of_many)
{
    size_t at = s.data[0] == '+' || s.data[0] == '-', n = digits_at(s, at);
    if (n == 0)
        return false;
    at += n;
    if (at < s.len && (s.data[at] == '.' || s.data[at] == ','))
        at += 1 + digits_at(s, at + 1);
    if (at + 1 >= s.len || (s.data[at] | 0x20) != 'e')
        return false;
    at++;
    *of_many = s.data[at] != '-';
    at += s.data[at] == '+' || s.data[at] == '-';
    n = digits_at(s, at);
    return n > 0 && at + n == s.len;
}

enum outcome mapping_damage_look(struct work *work, bool digits_count)
{
    struct csv_slice value = work->value;
    bool of_many = false;
    if (value.len > 0 && value.data[0] == '#' && is_error_value(value))
        return mapping_invalid(work, MAPPING_SPREADSHEET_DAMAGE, "mend the formula, or export the column's values",
                               "is what a spreadsheet shows where a formula has failed or a column is too narrow");
    if (value.len > 2 && digits_count && is_power_of_ten(value, &of_many) && of_many)
        return mapping_invalid(work, MAPPING_SPREADSHEET_DAMAGE, "export the column as text",
                               "was written by a spreadsheet as a power of ten, and has lost digits");
    return OUTCOME_GOOD;
}

/* ---- numbers ---- */

static bool is_plain_number(struct csv_slice s)
{
    size_t at = s.data[0] == '+' || s.data[0] == '-', whole = digits_at(s, at), decimals = 0;
    at += whole;
    if (at < s.len && s.data[at] == '.') {
        decimals = digits_at(s, at + 1);
        at += 1 + decimals;
    }
    return at == s.len && whole + decimals > 0;
}

static size_t count_byte(struct csv_slice s, char byte)
{
    size_t count = 0;
    for (size_t i = 0; i < s.len; i++)
        count += s.data[i] == byte;
    return count;
}

/* The first character that stands in no number. */
static uint32_t first_strange(struct csv_slice s, size_t *at)
{
    uint32_t c = 0;
    size_t taken;
    for (*at = 0; *at < s.len; *at += taken) {
        taken = utf8_decode(s.data + *at, s.len - *at, &c);
        if (!((c >= '0' && c <= '9') || c == '.' || c == ',' || c == '+' || c == '-'))
            return c;
    }
    return 0;
}

static const char *of_strange_character(uint32_t c, size_t at, size_t len, const char **hint)
{
    if (character_is_space(c) || character_is_invisible(c)) {
        bool inside = at > 0 && at + 1 < len;
        *hint = inside ? "replace(\" \", \"\") takes spaces away" : "trim() takes it away";
        return inside ? "it has a space in it" : "it has a space at its start or end";
    }
    if (character_digit(c) >= 0)
        return "its digits are not those of ASCII";
    if (c == 0x2212 || c == 0x2013 || c == 0x2010)
        return "its minus sign is not the one of ASCII";
    if (c == '(' || c == ')')
        return "it is in parentheses: is it an amount below zero?";
    if (c == '%')
        return "it has a percent sign";
    if (c == '$' || c == 0xA3 || c == 0xA5 || (c >= 0x20A0 && c <= 0x20CF))
        return "it has the sign of a currency";
    return NULL;
}

static const char *of_points(struct csv_slice s, const char **hint)
{
    size_t commas = count_byte(s, ','), points = count_byte(s, '.');
    if (commas == 1 && points == 0) {
        *hint = "replace(\",\", \".\") makes a point of it";
        return "it has a comma: is it a decimal comma?";
    }
    if (commas > 0) {
        *hint = "replace(\",\", \"\") takes commas away";
        return "it has a comma: are thousands set apart?";
    }
    if (points > 1)
        return "it has more than one point";
    if (digits_at(s, 0) == 0 && count_byte(s, '+') + count_byte(s, '-') + points == s.len)
        return "it has no digits";
    return "a sign stands where none can";
}

static enum outcome look_at_number(struct work *work)
{
    struct csv_slice value = work->value;
    const char *hint = "", *why = NULL;
    bool of_many;
    if (is_plain_number(value))
        return OUTCOME_GOOD;
    size_t at;
    uint32_t strange = first_strange(value, &at);
    if (is_power_of_ten(value, &of_many))
        why = "it is written as a power of ten";
    else
        why = strange ? of_strange_character(strange, at, value.len, &hint) : of_points(value, &hint);
    if (why)
        return mapping_invalid(work, MAPPING_NOT_A_NUMBER, hint, "is not a number: %s", why);
    char shown[PRINTABLE_SIZE];
    printable_character(value.data + at, value.len - at, shown);
    return mapping_invalid(work, MAPPING_NOT_A_NUMBER, "", "is not a number: it has the character \"%s\"", shown);
}

/* ---- phone numbers that no e164 has looked at ---- */

static bool is_of_phone(uint32_t c)
{
    if (c < 0x80)
        return (c >= '0' && c <= '9') || (c != 0 && memchr(" +-()./\t", (int)c, 8));
    return character_is_space(c) || character_is_invisible(c) || character_digit(c) >= 0 || (c >= 0x2010 && c <= 0x2015) ||
           c == 0x2212 || c == 0xFF0B || c == 0xFF0D || c == 0xFF08 || c == 0xFF09;
}

static bool is_letter(uint32_t c)
{
    return c < 0x80 ? (c | 0x20) >= 'a' && (c | 0x20) <= 'z'
                    : c >= 0xC0 && c != 0xD7 && c != 0xF7 && (c < 0x2000 || c >= 0x2C00);
}

/* 447400123456.0: what a program makes of a number that it takes for one with decimals */
static bool has_decimals(struct csv_slice s)
{
    size_t at = s.data[0] == '+', n = digits_at(s, at), zeros = 0;
    at += n;
    if (n < 7 || at >= s.len || (s.data[at] != '.' && s.data[at] != ','))
        return false;
    while (at + 1 + zeros < s.len && s.data[at + 1 + zeros] == '0')
        zeros++;
    return (zeros == 1 || zeros == 2) && at + 1 + zeros == s.len;
}

static enum outcome look_at_phone(struct work *work)
{
    struct csv_slice value = work->value;
    bool any_digit = false;
    uint32_t c;
    if (has_decimals(value))
        return mapping_invalid(work, MAPPING_SPREADSHEET_DAMAGE, "export the column as text",
                               "was written by a spreadsheet or a program as a number with decimals");
    for (size_t at = 0, taken; at < value.len; at += taken) {
        taken = utf8_decode(value.data + at, value.len - at, &c);
        any_digit = any_digit || character_digit(c) >= 0;
        if (is_of_phone(c))
            continue;
        char shown[PRINTABLE_SIZE];
        printable_character(value.data + at, value.len - at, shown);
        return mapping_invalid(work, MAPPING_NOT_A_PHONE, "", "is not a phone number: it contains the %s %s",
                               c == UTF8_NONE ? "byte"
                               : is_letter(c) ? "letter"
                                              : "character",
                               shown);
    }
    return any_digit ? OUTCOME_GOOD : mapping_invalid(work, MAPPING_NOT_A_PHONE, "", "is not a phone number: it has no digits");
}

/* Digits and what separates them, but no point: no damage has that look. */
static bool is_plain_phone(struct csv_slice s)
{
    static const bool of_phone[256] = {['0' ... '9'] = true, [' '] = true, ['+'] = true, ['-'] = true, ['('] = true, [')'] = true};
    bool any_digit = false;
    for (size_t i = 0; i < s.len; i++) {
        if (!of_phone[(unsigned char)s.data[i]])
            return false;
        any_digit = any_digit || s.data[i] >= '0';
    }
    return any_digit;
}

/* ---- all of them ---- */

bool mapping_type_is_plain(const struct mapping_field *given, struct csv_slice value)
{
    bool of_many;
    switch (given->type) {
    case MAPPING_EMAIL:
        return email_is_plain(value);
    case MAPPING_NUMBER:
        return is_plain_number(value);
    case MAPPING_PHONE:
        return is_plain_phone(value);
    default:
        return value.data[0] != '#' && !((given->is_id || given->is_key) && is_power_of_ten(value, &of_many));
    }
}

enum outcome mapping_type_look(struct work *work)
{
    const struct mapping_field *given = &work->field->given;
    enum mapping_type type = given->type;
    enum outcome outcome =
        mapping_damage_look(work, type == MAPPING_PHONE || type == MAPPING_NUMBER || given->is_id || given->is_key);
    if (outcome != OUTCOME_GOOD)
        return outcome;
    switch (type) {
    case MAPPING_EMAIL:
        return mapping_email_look(work);
    case MAPPING_NUMBER:
        return look_at_number(work);
    case MAPPING_PHONE:
        return look_at_phone(work);
    default:
        return OUTCOME_GOOD;
    }
}
