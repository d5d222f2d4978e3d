#include "core/mapping_email.h"

#include "core/characters.h"
#include "core/mapping_private.h"
#include "core/printable.h"
#include "core/utf8.h"

enum { ATOM = 1, LABEL = 2, LETTER = 4 }; /* before the @, in the domain, in the top-level domain */

#define ALL (ATOM | LABEL | LETTER)

static const unsigned char classes[256] = {
    ['a' ... 'z'] = ALL,  ['A' ... 'Z'] = ALL, ['0' ... '9'] = ATOM | LABEL,
    ['-'] = ATOM | LABEL, ['!'] = ATOM,        ['#' ... '\''] = ATOM,
    ['*'] = ATOM,         ['+'] = ATOM,        ['/'] = ATOM,
    ['='] = ATOM,         ['?'] = ATOM,        ['^' ... '`'] = ATOM,
    ['{' ... '~'] = ATOM,
};

static inline bool is(char c, unsigned char class)
{
    return classes[(unsigned char)c] & class;
}

/* The end of the part before the @; 0 when it is not plain. */
static size_t plain_local(struct csv_slice s)
{
    for (size_t at = 0;;) {
        size_t from = at;
        while (at < s.len && is(s.data[at], ATOM))
            at++;
        if (at == from || at == s.len)
            return 0;
        if (s.data[at] == '@')
            return at <= EMAIL_LOCAL_MAX ? at : 0;
        if (s.data[at++] != '.')
            return 0;
    }
}

static bool plain_domain(struct csv_slice s, size_t at)
{
    size_t begin = at;
    if (s.len - begin > EMAIL_DOMAIN_MAX)
        return false;
    for (;;) {
        size_t from = at;
        while (at < s.len && is(s.data[at], LABEL))
            at++;
        if (at == from || at - from > EMAIL_LABEL_MAX || s.data[from] == '-' || s.data[at - 1] == '-')
            return false;
        if (at == s.len) {
            size_t letters = from;
            while (letters < at && is(s.data[letters], LETTER))
                letters++;
            return from > begin && at - from >= 2 && letters == at;
        }
        if (s.data[at++] != '.')
            return false;
    }
}

bool email_is_plain(struct csv_slice address)
{
    size_t at = plain_local(address);
    return at > 0 && plain_domain(address, at + 1);
}

/* ---- what is wrong with those that are not ---- */

static struct email_problem problem(const char *what, const char *hint)
{
    return (struct email_problem){what, hint, SIZE_MAX};
}

static const struct email_problem none = {NULL, "", SIZE_MAX};

static size_t count(struct csv_slice s, char byte)
{
    size_t n = 0;
    for (size_t i = 0; i < s.len; i++)
        n += s.data[i] == byte;
    return n;
}

/* What is seen of the address as a whole. */
static struct email_problem problem_of_whole(struct csv_slice s)
{
    size_t signs = count(s, '@');
    if (s.len > EMAIL_MAX_BYTES)
        return problem("it is longer than 320 bytes", "");
    if (characters_blank_start(s.data, s.len) > 0)
        return problem("it begins with a space", "trim() takes it away");
    if (characters_blank_end(s.data, s.len) > 0)
        return problem("it ends with a space", "trim() takes it away");
    if (signs == 0)
        return memmem(s.data, s.len, "\xEF\xBC\xA0", 3) ? problem("its @ is a wide one", "replace(\"＠\", \"@\") mends it")
                                                        : problem("it has no @", "");
    if (signs > 1)
        return count(s, ',') + count(s, ';') + count(s, ' ') > 0
                   ? problem("it has more than one @: are these several addresses?", "")
               : signs == 2 ? problem("it has two @", "")
                            : problem("it has more than two @", "");
    if (count(s, '<') > 0 && s.data[s.len - 1] == '>')
        return problem("it is in angle brackets", "");
    return none;
}

static struct email_problem problem_of_character(uint32_t c, size_t at, bool in_domain)
{
    struct email_problem found = problem(NULL, "");
    if (c == UTF8_NONE)
        found.what = "it is not UTF-8";
    else if (character_is_space(c))
        found.what = "it has a space in it";
    else if (character_is_invisible(c))
        found.what = "it has a character in it that is not seen";
    else if (c == ',')
        found.what = "it has a comma in it";
    else if (c == ';')
        found.what = "it has a semicolon in it";
    else if (c == '"')
        found.what = "it has quotes in it";
    else
        found = (struct email_problem){in_domain ? "its domain has the character" : "before the @ is the character", "", at};
    return found;
}

static bool is_allowed(uint32_t c, bool in_domain)
{
    if (c < 0x80)
        return c == '.' || (classes[c] & (in_domain ? LABEL : ATOM));
    return c >= 0xA0 && c != UTF8_NONE && !character_is_space(c) && !character_is_invisible(c);
}

static struct email_problem problem_of_characters(struct csv_slice s, size_t sign)
{
    uint32_t c;
    for (size_t at = 0, taken; at < s.len; at += taken) {
        taken = utf8_decode(s.data + at, s.len - at, &c);
        if (at != sign && !is_allowed(c, at > sign))
            return problem_of_character(c, at, at > sign);
    }
    return none;
}

static struct email_problem problem_of_local(struct csv_slice local)
{
    if (local.len == 0)
        return problem("nothing stands before the @", "");
    if (local.data[0] == '.')
        return problem("it begins with a dot", "");
    if (local.data[local.len - 1] == '.')
        return problem("a dot stands before the @", "");
    if (memmem(local.data, local.len, "..", 2))
        return problem("it has two dots in a row", "");
    return local.len > EMAIL_LOCAL_MAX ? problem("more than 64 bytes stand before the @", "") : none;
}

static bool is_ascii(struct csv_slice s)
{
    for (size_t i = 0; i < s.len; i++)
        if ((unsigned char)s.data[i] >= 0x80)
            return false;
    return true;
}

static struct email_problem problem_of_label(struct csv_slice label)
{
    if (label.data[0] == '-' || label.data[label.len - 1] == '-')
        return problem("a part of its domain begins or ends with a hyphen", "");
    return label.len > EMAIL_LABEL_MAX && is_ascii(label) ? problem("a part of its domain is longer than 63 characters", "")
                                                          : none;
}

/* The last label. Letters of any script, or ASCII that stands for them. */
static struct email_problem problem_of_top(struct csv_slice label)
{
    size_t digits = 0;
    if (!is_ascii(label) || (label.len > 4 && strncasecmp(label.data, "xn--", 4) == 0))
        return none;
    if (label.len == 1)
        return problem("its domain ends with a single character", "");
    for (size_t i = 0; i < label.len; i++)
        digits += label.data[i] >= '0' && label.data[i] <= '9';
    if (digits == label.len)
        return problem("its domain ends with a number", "");
    return digits > 0 || memchr(label.data, '-', label.len) ? problem("no top-level domain is like that of its domain", "")
                                                            : none;
}

static struct email_problem problem_of_domain(struct csv_slice domain)
{
    if (domain.len == 0)
        return problem("nothing stands behind the @", "");
    if (domain.data[0] == '.')
        return problem("the domain begins with a dot", "");
    if (domain.data[domain.len - 1] == '.')
        return problem("the domain ends with a dot", "");
    if (memmem(domain.data, domain.len, "..", 2))
        return problem("it has two dots in a row", "");
    if (!memchr(domain.data, '.', domain.len))
        return problem("the domain has no dot", "");
    if (domain.len > EMAIL_DOMAIN_MAX)
        return problem("the domain is longer than 255 bytes", "");
    for (const char *from = domain.data, *end = from + domain.len;;) {
        const char *dot = memchr(from, '.', (size_t)(end - from));
        struct csv_slice label = {from, (size_t)((dot ? dot : end) - from)};
        struct email_problem found = problem_of_label(label);
        if (found.what || !dot)
            return found.what ? found : problem_of_top(label);
        from = dot + 1;
    }
}

struct email_problem email_problem(struct csv_slice address)
{
    struct email_problem found = problem_of_whole(address);
    if (found.what)
        return found;
    size_t sign = (size_t)((const char *)memchr(address.data, '@', address.len) - address.data);
    found = problem_of_characters(address, sign);
    if (!found.what)
        found = problem_of_local((struct csv_slice){address.data, sign});
    if (!found.what)
        found = problem_of_domain((struct csv_slice){address.data + sign + 1, address.len - sign - 1});
    return found;
}

enum outcome mapping_email_look(struct work *work)
{
    struct csv_slice value = work->value;
    char shown[PRINTABLE_SIZE];
    if (email_is_plain(value))
        return OUTCOME_GOOD;
    struct email_problem found = email_problem(value);
    if (!found.what)
        return OUTCOME_GOOD;
    if (found.at >= value.len)
        return mapping_invalid(work, MAPPING_NOT_AN_EMAIL, found.hint, "is not an e-mail address: %s", found.what);
    printable_character(value.data + found.at, value.len - found.at, shown);
    return mapping_invalid(work, MAPPING_NOT_AN_EMAIL, found.hint, "is not an e-mail address: %s \"%s\"", found.what, shown);
}
