#include "core/phone_text.h"

#include <stdio.h>

#include "core/buf.h"
#include "core/printable.h"
#include "core/utf8.h"

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static size_t digits(struct csv_slice s, size_t at)
{
    size_t from = at;
    while (at < s.len && is_digit(s.data[at]))
        at++;
    return at - from;
}

static struct csv_slice trimmed(struct csv_slice s)
{
    while (s.len && (s.data[0] == ' ' || s.data[0] == '\t'))
        s.data++, s.len--;
    while (s.len && (s.data[s.len - 1] == ' ' || s.data[s.len - 1] == '\t'))
        s.len--;
    return s;
}

/* 4.4E+11, 4,4E+11, 447.4E+09 */
static bool is_scientific(struct csv_slice s)
{
    size_t at = s.len && (s.data[0] == '+' || s.data[0] == '-'), n = digits(s, at);
    if (n == 0)
        return false;
    at += n;
    if (at < s.len && (s.data[at] == '.' || s.data[at] == ','))
        at += 1 + digits(s, at + 1);
    if (at + 1 >= s.len || (s.data[at] != 'E' && s.data[at] != 'e'))
        return false;
    at++;
    at += s.data[at] == '+' || s.data[at] == '-';
    n = digits(s, at);
    return n > 0 && at + n == s.len;
}

/* 447400123456.0 or .00: a whole number that was kept as one with decimals, whose zeros would be taken for digits. */
static bool is_decimal(struct csv_slice s)
{
    size_t at = s.len && s.data[0] == '+', n = digits(s, at), zeros = 0;
    at += n;
    if (n < 7 || at >= s.len || (s.data[at] != '.' && s.data[at] != ','))
        return false;
    while (at + 1 + zeros < s.len && s.data[at + 1 + zeros] == '0')
        zeros++;
    return (zeros == 1 || zeros == 2) && at + 1 + zeros == s.len;
}

/* #N/A, #REF!, #VALUE! */
static bool is_sheet_error(struct csv_slice s)
{
    return s.len >= 4 && s.data[0] == '#' && s.data[1] >= 'A' && s.data[1] <= 'Z';
}

enum phone_reason phone_damage(struct csv_slice number)
{
    struct csv_slice s = trimmed(number);
    if (is_scientific(s))
        return PHONE_SCIENTIFIC;
    if (is_decimal(s))
        return PHONE_DECIMAL;
    if (is_sheet_error(s))
        return PHONE_SHEET_ERROR;
    if (!utf8_valid(number.data, number.len, NULL))
        return PHONE_NOT_UTF8;
    return number.len > PHONE_MAX_BYTES ? PHONE_TOO_LONG : PHONE_VALID;
}

static size_t put_utf8(uint32_t c, char out[4])
{
    if (c < 0x80)
        return out[0] = (char)c, 1;
    size_t n = c < 0x800 ? 2 : c < 0x10000 ? 3 : 4;
    static const unsigned char leads[] = {0, 0, 0xC0, 0xE0, 0xF0};
    for (size_t i = n; i-- > 1; c >>= 6)
        out[i] = (char)(0x80 | (c & 0x3F));
    out[0] = (char)(leads[n] | c);
    return n;
}

static const char *shown(uint32_t character, char out[PRINTABLE_SIZE])
{
    char bytes[4];
    size_t n = put_utf8(character, bytes);
    printable_character(bytes, n, out);
    return out;
}

/* The number's own rules, where it has a country code of its own: the region's do not apply. */
static void of_whom(const struct phone_fault *fault, char *out, size_t size)
{
    if (fault->international && fault->country_code)
        snprintf(out, size, " for country code +%d", fault->country_code);
    else
        out[0] = '\0';
}

static const char *const plain[PHONE_REASONS] = {
    [PHONE_NO_DIGITS] = "it has no digits",
    [PHONE_NOT_UTF8] = "it is not UTF-8",
    [PHONE_SCIENTIFIC] = "a spreadsheet has written it as a power of ten and lost digits; export the column as text",
    [PHONE_DECIMAL] = "a program has written it with decimals; export the column as text",
    [PHONE_SHEET_ERROR] = "a spreadsheet has put the name of an error there",
    [PHONE_EXTENSION] = "it has an extension, which E.164 has no place for",
    [PHONE_NO_COUNTRY_CODE] = "it has no country code, and the mapping has no region",
    [PHONE_COUNTRY_CODE] = "there is no such country code",
    [PHONE_NOT_A_NUMBER] = "it is not written as a phone number is",
};
static const char *const of_country[PHONE_REASONS] = {
    [PHONE_NO_AREA_CODE] = "it has no area code",
    [PHONE_TOO_SHORT] = "it is too short",
    [PHONE_TOO_LONG] = "it is too long",
    [PHONE_LENGTH] = "it has too many or too few digits",
    [PHONE_NOT_IN_USE] = "no such numbers are given out",
};

const char *phone_text(const char *region, const struct phone_fault *fault, char *out, size_t size)
{
    char where[48] = "", whom[48], character[PRINTABLE_SIZE];
    enum phone_reason reason = fault->reason;
    if (*region && !fault->international)
        snprintf(where, sizeof where, " in region %s", region);
    of_whom(fault, whom, sizeof whom);
    if (reason == PHONE_LETTER)
        snprintf(out, size, "is not a phone number%s: it contains the letter %s", where, shown(fault->character, character));
    else if (reason == PHONE_CHARACTER)
        snprintf(out, size, "is not a phone number%s: it contains the character \"%s\"", where,
                 shown(fault->character, character));
    else if (of_country[reason])
        snprintf(out, size, "is not a phone number%s: %s%s", where, of_country[reason], whom);
    else
        snprintf(out, size, "is not a phone number%s: %s", where, plain[reason] ? plain[reason] : "it is valid");
    return out;
}
