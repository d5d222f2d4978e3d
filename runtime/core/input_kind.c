#include "core/input_kind.h"

#include <stdint.h>
#include <string.h>

static bool begins(const char *bytes, size_t len, const char *with, size_t with_len)
{
    return len >= with_len && memcmp(bytes, with, with_len) == 0;
}
#define BEGINS(bytes, len, text) begins(bytes, len, text, sizeof(text) - 1)

enum input_compression input_kind_compression(const char *bytes, size_t len)
{
    if (BEGINS(bytes, len, "\x1F\x8B\x08"))
        return INPUT_GZIP;
    bool skippable = len >= 4 && ((unsigned char)bytes[0] & 0xF0) == 0x50 && memcmp(bytes + 1, "\x2A\x4D\x18", 3) == 0;
    if (skippable || BEGINS(bytes, len, "\x28\xB5\x2F\xFD"))
        return INPUT_ZSTD;
    return INPUT_PLAIN;
}

const char *input_kind_foreign(const char *bytes, size_t len)
{
    if (BEGINS(bytes, len, "PK\x03\x04") || BEGINS(bytes, len, "PK\x05\x06"))
        return "is a ZIP archive or a workbook (.xlsx, .ods): unpack it, or save the sheet as CSV";
    if (BEGINS(bytes, len, "\xD0\xCF\x11\xE0\xA1\xB1\x1A\xE1"))
        return "is an Excel workbook (.xls): save the sheet as CSV";
    if (BEGINS(bytes, len, "\xFD\x37\x7A\x58\x5A\x00"))
        return "is compressed with xz: unpack it, or use gzip or zstd";
    if (BEGINS(bytes, len, "BZh") && len >= 8 && memcmp(bytes + 4, "1AY&", 4) == 0)
        return "is compressed with bzip2: unpack it, or use gzip or zstd";
    if (BEGINS(bytes, len, "\x04\x22\x4D\x18"))
        return "is compressed with lz4: unpack it, or use gzip or zstd";
    if (BEGINS(bytes, len, "7z\xBC\xAF\x27\x1C"))
        return "is a 7-Zip archive: unpack it";
    if (BEGINS(bytes, len, "%PDF-"))
        return "is a PDF document, not a CSV file";
    if (BEGINS(bytes, len, "PAR1\x15"))
        return "is a Parquet file: export it as CSV";
    return NULL;
}

static const char *by_mark(const char *bytes, size_t len, size_t *mark)
{
    static const struct {
        const char *bytes;
        size_t len;
        const char *name;
    } marks[] = {
        {"\xEF\xBB\xBF", 3, "UTF-8"},           {"\xFF\xFE\x00\x00", 4, "UTF-32LE"}, {"\x00\x00\xFE\xFF", 4, "UTF-32BE"},
        {"\xFF\xFE", 2, "UTF-16LE"}, {"\xFE\xFF", 2, "UTF-16BE"},
    };
    for (size_t i = 0; i < sizeof marks / sizeof marks[0]; i++)
        if (begins(bytes, len, marks[i].bytes, marks[i].len)) {
            *mark = marks[i].len;
            return marks[i].name;
        }
    return NULL;
}

/* True when at least one in `share` of the `units` is counted in `here`, and hardly any in `there`. */
static bool leans(size_t here, size_t there, size_t units, size_t share)
{
    return here * share >= units && here > there * 20;
}

/* True when delimiters and line ends mostly stand in units of two bytes: stray NULs in text of single bytes are not next to them. */
static bool in_units(const char *bytes, size_t len, size_t low)
{
    size_t with = 0, without = 0;
    for (size_t i = 0; i + 1 < len; i += 2) {
        char c = bytes[i + low];
        bool structural = c == '\n' || c == '\r' || c == ',' || c == ';' || c == '\t';
        with += structural && bytes[i + 1 - low] == '\0';
        without += structural && bytes[i + 1 - low] != '\0';
    }
    return with > without || without == 0;
}

/* Delimiters, line ends, digits and Latin letters have a NUL in each unit, and every CSV file has some of them. */
static const char *by_nuls(const char *bytes, size_t len)
{
    size_t nuls[4] = {0};
    for (size_t i = 0; i < len; i++)
        nuls[i % 4] += bytes[i] == '\0';
    size_t even = nuls[0] + nuls[2], odd = nuls[1] + nuls[3];
    if (len >= 4 && leans(nuls[3], nuls[0], len / 4, 1) && nuls[2] * 10 >= len / 4 * 9)
        return "UTF-32LE";
    if (len >= 4 && leans(nuls[0], nuls[3], len / 4, 1) && nuls[1] * 10 >= len / 4 * 9)
        return "UTF-32BE";
    if (len >= 2 && leans(odd, even, len / 2, 8) && in_units(bytes, len, 0))
        return "UTF-16LE";
    if (len >= 2 && leans(even, odd, len / 2, 8) && in_units(bytes, len, 1))
        return "UTF-16BE";
    return NULL;
}

const char *input_kind_unicode(const char *bytes, size_t len, size_t *mark)
{
    *mark = 0;
    const char *name = by_mark(bytes, len, mark);
    return name ? name : by_nuls(bytes, len);
}
