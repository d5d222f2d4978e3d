#include "core/mail.h"

#include <stdio.h>
#include <string.h>

#define LINE 76  /* characters of a line of text or of a header */
#define WORD 75  /* of an encoded word: RFC 2047 */
#define WORD_BEGIN "=?UTF-8?Q?"
#define WORD_END "?="

/* ---- addresses ---- */

static bool is_ascii(const char *text, size_t len)
{
    for (size_t i = 0; i < len; i++)
        if ((unsigned char)text[i] > 126)
            return false;
    return true;
}

static bool has_control(const char *text)
{
    for (const unsigned char *c = (const unsigned char *)text; *c; c++)
        if (*c < 32 || *c == 127)
            return true;
    return false;
}

static bool is_address(const char *text, size_t len)
{
    const char *at = memchr(text, '@', len);
    if (len == 0 || len >= MAIL_ADDRESS || !at || at == text || at == text + len - 1 || !is_ascii(text, len))
        return false;
    for (size_t i = 0; i < len; i++)
        if (text[i] <= ' ' || strchr("<>()[],;:\\\"", text[i]) || (text[i] == '@' && text + i != at))
            return false;
    return true;
}

/* Where the address is within the text, and the name before it. False when there is none. */
static bool find_address(const char *text, const char **address, size_t *len, size_t *name_len)
{
    size_t whole = strlen(text);
    const char *open = strrchr(text, '<');
    *address = open ? open + 1 : text;
    *len = open ? whole - (size_t)(open + 1 - text) : whole;
    *name_len = open ? (size_t)(open - text) : 0;
    if (open && (*len == 0 || (*address)[--*len] != '>'))
        return false;
    while (*name_len > 0 && text[*name_len - 1] == ' ')
        --*name_len;
    return !has_control(text) && is_address(*address, *len);
}

static bool refuse_address(const char *text, struct err *err)
{
    return err_set(err, ERR_USAGE, "%s is no mail address: give ops@example.com or \"Name <ops@example.com>\", on one line",
                   has_control(text) || strlen(text) > 100 ? "what was given" : text);
}

bool mail_address(const char *text, char out[MAIL_ADDRESS], struct err *err)
{
    const char *address;
    size_t len, name_len;
    if (!find_address(text, &address, &len, &name_len))
        return refuse_address(text, err);
    memcpy(out, address, len);
    out[len] = '\0';
    return true;
}

/* ---- headers ---- */

/* Adds to a header's line, which is begun anew where the word does not fit; `column` is where the line stands. */
static void add_word(struct buf *out, const char *word, size_t len, size_t *column)
{
    if (*column > 1 && *column + 1 + len > LINE) {
        buf_adds(out, "\r\n ");
        *column = 1;
    } else {
        buf_addc(out, ' ');
        ++*column;
    }
    buf_add(out, word, len);
    *column += len;
}

static void add_plain(struct buf *out, const char *text, size_t len, size_t *column)
{
    while (len > 0) {
        size_t word = 0;
        while (word < len && text[word] != ' ')
            word++;
        if (word > 0)
            add_word(out, text, word, column);
        word += word < len;
        text += word;
        len -= word;
    }
}

/* Bytes of the character at `text`: one that is not whole, or none, is a byte of its own. */
static size_t character(const char *text, size_t len)
{
    unsigned char c = (unsigned char)*text;
    size_t size = c >= 0xF0 ? 4 : c >= 0xE0 ? 3 : c >= 0xC0 ? 2 : 1;
    return size <= len ? size : 1;
}

static bool is_literal(unsigned char c)
{
    return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z');
}

static void add_encoded(struct buf *out, const char *text, size_t len, size_t *column)
{
    while (len > 0) {
        char word[WORD + 1] = WORD_BEGIN;
        size_t used = strlen(word);
        while (len > 0) {
            size_t size = character(text, len), room = WORD - strlen(WORD_END) - used;
            bool literal = size == 1 && is_literal((unsigned char)*text);
            if ((literal ? 1 : 3 * size) > room)
                break;
            for (size_t i = 0; i < size; i++)
                used += (size_t)snprintf(word + used, sizeof word - used, literal ? "%c" : "=%02X", (unsigned char)text[i]);
            text += size;
            len -= size;
        }
        memcpy(word + used, WORD_END, sizeof WORD_END);
        add_word(out, word, used + strlen(WORD_END), column);
    }
}

static bool needs_encoding(const char *text, size_t len)
{
    if (!is_ascii(text, len) || memmem(text, len, "=?", 2))
        return true;
    for (size_t i = 0, word = 0; i < len; i++, word++) {
        word = text[i] == ' ' ? 0 : word;
        if (word > LINE * 10)
            return true; /* a line may have 998 characters */
    }
    return false;
}

static void add_text(struct buf *out, const char *text, size_t len, size_t *column)
{
    if (needs_encoding(text, len))
        add_encoded(out, text, len, column);
    else
        add_plain(out, text, len, column);
}

/* A name that is quoted already, or of plain words, stays as it is. */
static void add_name(struct buf *out, const char *name, size_t len, size_t *column)
{
    bool quoted = len > 1 && name[0] == '"' && name[len - 1] == '"', plain = true;
    for (size_t i = 0; i < len; i++)
        plain = plain && (name[i] == ' ' || name[i] == '-' || is_literal((unsigned char)name[i]));
    if (quoted) {
        name++;
        len -= 2;
    }
    if (plain) {
        add_text(out, name, len, column);
        return;
    }
    if (!is_ascii(name, len) || len > LINE) {
        add_encoded(out, name, len, column);
        return;
    }
    struct buf text;
    buf_init(&text, 4 * len + 8);
    buf_addc(&text, '"');
    for (size_t i = 0; i < len; i++) {
        if (name[i] == '\\' && i + 1 < len)
            i++;
        if (strchr("\"\\", name[i]))
            buf_addc(&text, '\\');
        buf_addc(&text, name[i]);
    }
    buf_addc(&text, '"');
    if (text.data)
        add_word(out, text.data, text.len, column);
    buf_free(&text);
}

static bool add_address(struct buf *out, const char *text, bool more, size_t *column, struct err *err)
{
    const char *address;
    size_t len, name_len;
    char shown[MAIL_ADDRESS + 4];
    if (!find_address(text, &address, &len, &name_len))
        return refuse_address(text, err);
    if (name_len > 0)
        add_name(out, text, name_len, column);
    int size = snprintf(shown, sizeof shown, name_len > 0 ? "<%.*s>%s" : "%.*s%s", (int)len, address, more ? "," : "");
    add_word(out, shown, (size_t)size, column);
    return true;
}

static bool add_addresses(struct buf *out, const char *name, const char *const *list, size_t count, struct err *err)
{
    size_t column = strlen(name) + 1;
    buf_addf(out, "%s:", name);
    for (size_t i = 0; i < count; i++)
        if (!add_address(out, list[i], i + 1 < count, &column, err))
            return false;
    buf_adds(out, "\r\n");
    return true;
}

static void add_date(struct buf *out, time_t when)
{
    static const char days[][4] = {"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
    static const char months[][4] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
    struct tm utc;
    gmtime_r(&when, &utc);
    buf_addf(out, "Date: %s, %d %s %d %02d:%02d:%02d +0000\r\n", days[utc.tm_wday], utc.tm_mday, months[utc.tm_mon],
             utc.tm_year + 1900, utc.tm_hour, utc.tm_min, utc.tm_sec);
}

static bool add_headers(const struct mail *mail, struct buf *out, struct err *err)
{
    char from[MAIL_ADDRESS];
    size_t column = strlen("Subject:");
    if (has_control(mail->subject))
        return err_set(err, ERR_USAGE, "the subject of a mail is one line, without line ends and other controls");
    if (strspn(mail->id, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-") != strlen(mail->id))
        return err_set(err, ERR_USAGE, "the id of a mail is made of letters and digits");
    if (!mail_address(mail->from, from, err) || !add_addresses(out, "From", &mail->from, 1, err) ||
        !add_addresses(out, "To", mail->to, mail->to_count, err))
        return false;
    buf_adds(out, "Subject:");
    add_text(out, mail->subject, strlen(mail->subject), &column);
    buf_adds(out, "\r\n");
    add_date(out, mail->time);
    buf_addf(out, "Message-ID: <%s%s>\r\n", mail->id, strchr(from, '@'));
    buf_adds(out, "Auto-Submitted: auto-generated\r\nMIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\n"
                  "Content-Transfer-Encoding: quoted-printable\r\n\r\n");
    return true;
}

/* ---- the text ---- */

static void add_line(struct buf *out, const char *line, size_t len)
{
    size_t column = 0;
    for (size_t i = 0; i < len; i++) {
        unsigned char c = (unsigned char)line[i];
        bool literal = (c > ' ' && c < 127 && c != '=') || ((c == ' ' || c == '\t') && i + 1 < len);
        size_t width = literal ? 1 : 3;
        if (column + width > LINE - 1) {
            buf_adds(out, "=\r\n");
            column = 0;
        }
        if (literal)
            buf_addc(out, (char)c);
        else
            buf_addf(out, "=%02X", c);
        column += width;
    }
    buf_adds(out, "\r\n");
}

static void add_lines(struct buf *out, const char *text)
{
    while (*text) {
        size_t len = strcspn(text, "\n");
        const char *after = text + len + (text[len] != '\0');
        if (len > 0 && text[len - 1] == '\r')
            len--;
        add_line(out, text, len);
        text = after;
    }
}

bool mail_write(const struct mail *mail, struct buf *out, struct err *err)
{
    if (mail->to_count == 0)
        return err_set(err, ERR_USAGE, "a mail goes to one address at least");
    if (!add_headers(mail, out, err))
        return false;
    add_lines(out, mail->text);
    return !out->failed || err_set(err, ERR_MEMORY, "the mail is too long, or memory is out");
}
