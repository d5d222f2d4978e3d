/* phone.so: libphonenumber behind phone_engine.h. */
#include "core/phone_engine.h"

#include <phonenumbers/logger.h>
#include <phonenumbers/phonenumber.pb.h>
#include <phonenumbers/phonenumberutil.h>
#include <unicode/uchar.h>
#include <unicode/uloc.h>
#include <unicode/utf8.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <set>
#include <string>
#include <strings.h>
#include <vector>

#define HEADROOM ((size_t)100 << 10) /* bytes, of which compiling the longest pattern takes a part */

namespace
{

using i18n::phonenumbers::NullLogger;
using i18n::phonenumbers::PhoneNumber;
using i18n::phonenumbers::PhoneNumberUtil;

/* Made once and never freed: the library keeps what it has made until the process ends, too. */
struct Library {
    PhoneNumberUtil *util = PhoneNumberUtil::GetInstance();
    std::set<std::string> codes;
    std::vector<const char *> list; /* of `codes`, NULL-terminated */
    phone_engine engine{};

    Library()
    {
        util->SetLogger(new NullLogger); /* its messages would go to standard output and hold numbers; it owns the logger */
        util->GetSupportedRegions(&codes);
        for (const std::string &code : codes)
            list.push_back(code.c_str());
        list.push_back(nullptr);
    }
};
Library *library;

UChar32 character_at(const std::string &text, size_t &at)
{
    UChar32 c;
    const uint8_t *bytes = reinterpret_cast<const uint8_t *>(text.data());
    int32_t i = static_cast<int32_t>(at);
    U8_NEXT_OR_FFFD(bytes, i, static_cast<int32_t>(text.size()), c);
    at = static_cast<size_t>(i);
    return c;
}

bool is_plus(UChar32 c)
{
    return c == '+' || c == 0xFF0B;
}

/* What stands between the digits of a number (the library's kValidPunctuation) or is a digit. */
bool is_of_a_number(UChar32 c)
{
    static const UChar32 punctuation[] = {'-', '/', '.', '[', ']', '(', ')', '~', ' ', 'x', 0xA0, 0xAD, 0x200B, 0x2053, 0x2060,
                                          0x2212, 0x223C, 0x3000, 0x30FC, 0xFF08, 0xFF09, 0xFF3B, 0xFF3D};
    for (UChar32 p : punctuation)
        if (c == p)
            return true;
    return u_isdigit(c) || is_plus(c) || (c >= 0x2010 && c <= 0x2015) || (c >= 0xFF0D && c <= 0xFF0F);
}

/* Spaces, and marks that are not seen, which the library does not know all of: narrow spaces, tabs, directions of writing. */
bool is_blank(UChar32 c)
{
    return u_isUWhiteSpace(c) || u_charType(c) == U_FORMAT_CHAR;
}

std::string with_plain_spaces(const std::string &text)
{
    std::string plain;
    for (size_t at = 0; at < text.size();) {
        size_t from = at;
        if (is_blank(character_at(text, at)))
            plain += ' ';
        else
            plain.append(text, from, at - from);
    }
    return plain;
}

/* Sets the first character of text[from, to) that `is` true of. */
bool find_character(const std::string &text, size_t from, size_t to, bool (*is)(UChar32), phone_fault &fault)
{
    unsigned position = 0;
    for (size_t at = 0; at < to;) {
        bool inside = at >= from;
        UChar32 c = character_at(text, at);
        position++;
        if (!inside || !is(c))
            continue;
        fault.character = static_cast<uint32_t>(c);
        fault.position = position;
        return true;
    }
    return false;
}

bool is_letter(UChar32 c)
{
    return u_isalpha(c);
}

bool is_digit(UChar32 c)
{
    return u_isdigit(c);
}

bool is_foreign(UChar32 c)
{
    return !is_of_a_number(c) && !is_blank(c);
}

/* Whether what follows the number has no letters but those of one word that the library knows for an extension. */
bool is_extension_label(const std::string &text, size_t from)
{
    static const char *const words[] = {"", "x", "xt", "xtn", "ext", "extn", "extension", "extensi\u00F3n", "extensio\u0301n",
                                        "anexo", "int", "\u0434\u043E\u0431", "\uFF58", "\uFF58\uFF54", "\uFF58\uFF54\uFF4E",
                                        "\uFF45\uFF58\uFF54", "\uFF45\uFF58\uFF54\uFF4E", "\uFF49\uFF4E\uFF54"};
    std::string word;
    bool ended = false;
    for (size_t at = from; at < text.size();) {
        UChar32 c = character_at(text, at);
        if (!u_isalpha(c) && c != 0x301) {
            ended = !word.empty();
            continue;
        }
        if (ended)
            return false;
        char bytes[U8_MAX_LENGTH];
        int32_t n = 0;
        c = u_foldCase(c, U_FOLD_CASE_DEFAULT);
        U8_APPEND_UNSAFE(bytes, n, c);
        word.append(bytes, static_cast<size_t>(n));
    }
    for (const char *known : words)
        if (word == known)
            return true;
    return false;
}

/* Where the number ends and the label of the extension begins: behind the last digit but the run that is the extension. */
size_t end_of_number(const std::string &text, const PhoneNumber &number)
{
    size_t end = 0, behind_digit = 0;
    for (size_t at = 0; at < text.size();) {
        size_t from = at;
        if (!u_isdigit(character_at(text, at)))
            continue;
        if (from != behind_digit)
            end = behind_digit;
        behind_digit = at;
    }
    return number.has_extension() && is_extension_label(text, end) ? end : text.size();
}

/* A letter in a number is a slip (O for 0) more often than a word. Those of "ext. 5" and "tel:" are neither. */
bool find_letter(const std::string &text, const PhoneNumber &number, phone_fault &fault)
{
    size_t from = 0, to = end_of_number(text, number);
    if (text.compare(0, 4, "tel:") == 0) { /* RFC 3966: a number and its parameters */
        size_t parameters = text.find(';');
        from = 4;
        to = parameters < to ? parameters : to;
    }
    return find_character(text, from, to, is_letter, fault);
}

phone_reason why_not_parsed(const std::string &text, const phone_options &options, PhoneNumberUtil::ErrorType error,
                            phone_fault &fault)
{
    phone_fault none{};
    switch (error) {
    case PhoneNumberUtil::INVALID_COUNTRY_CODE_ERROR:
        return *options.region || fault.international ? PHONE_COUNTRY_CODE : PHONE_NO_COUNTRY_CODE;
    case PhoneNumberUtil::TOO_SHORT_AFTER_IDD:
    case PhoneNumberUtil::TOO_SHORT_NSN:
        return PHONE_TOO_SHORT;
    case PhoneNumberUtil::TOO_LONG_NSN:
        return PHONE_TOO_LONG;
    default:
        break;
    }
    if (!find_character(text, 0, text.size(), is_digit, none))
        return PHONE_NO_DIGITS;
    return find_character(text, 0, text.size(), is_foreign, fault) ? PHONE_CHARACTER : PHONE_NOT_A_NUMBER;
}

phone_reason why_not_valid(const PhoneNumber &number)
{
    switch (library->util->IsPossibleNumberWithReason(number)) {
    case PhoneNumberUtil::TOO_SHORT:
        return PHONE_TOO_SHORT;
    case PhoneNumberUtil::TOO_LONG:
        return PHONE_TOO_LONG;
    case PhoneNumberUtil::INVALID_LENGTH:
        return PHONE_LENGTH;
    case PhoneNumberUtil::IS_POSSIBLE_LOCAL_ONLY:
        return PHONE_NO_AREA_CODE;
    case PhoneNumberUtil::INVALID_COUNTRY_CODE:
        return PHONE_COUNTRY_CODE;
    default:
        return PHONE_NOT_IN_USE;
    }
}

PhoneNumberUtil::ErrorType parse(const std::string &text, const std::string &region, PhoneNumber &number)
{
    PhoneNumberUtil::ErrorType error = library->util->Parse(text, region, &number);
    if (error != PhoneNumberUtil::NOT_A_NUMBER)
        return error;
    std::string plain = with_plain_spaces(text);
    return plain == text ? error : library->util->Parse(plain, region, &number);
}

bool starts_with_plus(const std::string &text)
{
    for (size_t at = 0; at < text.size();) {
        UChar32 c = character_at(text, at);
        if (is_plus(c) || u_isdigit(c))
            return is_plus(c);
    }
    return false;
}

phone_reason look_at(const phone_options &options, const std::string &text, phone_result &out)
{
    PhoneNumber number;
    const std::string region = *options.region ? options.region : "ZZ"; /* CLDR's code of an unknown region */
    phone_fault &fault = out.fault;
    fault.international = starts_with_plus(text);
    PhoneNumberUtil::ErrorType error = parse(text, region, number);
    if (!options.convert_letters && find_letter(text, number, fault))
        return PHONE_LETTER;
    if (error != PhoneNumberUtil::NO_PARSING_ERROR)
        return why_not_parsed(text, options, error, fault);
    fault.country_code = number.country_code();
    if (!fault.international)
        fault.international = fault.country_code != library->util->GetCountryCodeForRegion(region);
    if (number.has_extension() && !options.drop_extension)
        return PHONE_EXTENSION;
    if (!library->util->IsValidNumber(number))
        return why_not_valid(number);
    std::string e164;
    library->util->Format(number, PhoneNumberUtil::E164, &e164);
    if (e164.size() >= sizeof out.e164)
        return PHONE_TOO_LONG;
    std::memcpy(out.e164, e164.c_str(), e164.size() + 1);
    return PHONE_VALID;
}

/* ICU's regular expressions do not look whether there was memory for them: it must not run out while they are used. */
bool has_headroom()
{
    void *volatile room = std::malloc(HEADROOM);
    std::free(room);
    return room != nullptr;
}

bool look(const phone_options *options, const char *bytes, size_t len, phone_result *out)
try {
    if (!has_headroom())
        return false;
    out->fault.reason = look_at(*options, std::string(bytes, len), *out);
    return true;
} catch (...) {
    return false;
}

/* "UK" is what people say; the rest is in ICU: the three letters of ISO 3166 and the names in English. */
const char *region_named(const char *name)
{
    if (strcasecmp(name, "UK") == 0)
        return "GB";
    for (const char *code : library->list) {
        char locale[8], country[64];
        UErrorCode status = U_ZERO_ERROR;
        if (!code || !*name)
            break;
        std::snprintf(locale, sizeof locale, "und_%s", code);
        UChar title[64];
        int32_t n = uloc_getDisplayCountry(locale, "en", title, 64, &status);
        if (strcasecmp(uloc_getISO3Country(locale), name) == 0)
            return code;
        if (U_FAILURE(status) || n >= 64)
            continue;
        for (int32_t i = 0; i <= n; i++)
            country[i] = title[i] < 0x80 ? static_cast<char>(title[i]) : '?';
        country[n] = '\0';
        if (strcasecmp(country, name) == 0)
            return code;
    }
    return nullptr;
}

bool example(const char *region, phone_form form, char *out, size_t size)
try {
    PhoneNumber number;
    std::string text;
    static const PhoneNumberUtil::PhoneNumberFormat formats[] = {PhoneNumberUtil::NATIONAL, PhoneNumberUtil::INTERNATIONAL,
                                                                 PhoneNumberUtil::E164};
    if (!library->util->GetExampleNumber(region, &number))
        return false;
    library->util->Format(number, formats[form], &text);
    return std::snprintf(out, size, "%s", text.c_str()) < static_cast<int>(size);
} catch (...) {
    return false;
}

} // namespace

extern "C" const phone_engine *upjob_phone_engine(void)
try {
    static Library made; /* by one thread, if several ask at once */
    library = &made;
    made.engine = {UPJOB_VERSION, made.list.data(), region_named, look, example};
    return &made.engine;
} catch (...) {
    return nullptr;
}
