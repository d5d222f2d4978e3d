/* What is shown of a trace and of an answer: a secret that the input has does not come out, whatever stands
 * around it. */
#include "core/redact.h"
#include "core/redact_values.h"

#include "tests/fuzz/fuzz.h"

#define SECRET "S3CR3Tq7/w8+r0t1y2"
#define MOST   ((size_t)1 << 20)

/* The same bytes without those of `set`. */
static void drop(char *text, const char *set)
{
    char *to = text;
    for (; *text; text++)
        if (!strchr(set, *text))
            *to++ = *text;
    *to = '\0';
}

static void check_line(unsigned kind, const char *before, char *within, const char *after)
{
    static const char *const names[] = {"Authorization",
                                        "proxy-authorization",
                                        "Cookie",
                                        "Set-Cookie",
                                        "X-AMZ-Security-Token",
                                        "x-amz-server-side-encryption-customer-key",
                                        "x-aws-ec2-metadata-token"};
    static const char *const parameters[] = {"X-Amz-Signature", "x-amz-credential", "token", "key", "sig",
                                             "password"};
    struct buf line, out;
    buf_init(&line, MOST);
    buf_init(&out, MOST);
    buf_adds(&line, before);
    if (kind % 3 == 0) {
        buf_addf(&line, " %s:%s" SECRET, names[kind / 3 % 7], within);
    } else if (kind % 3 == 1) {
        drop(within, " ");
        buf_addf(&line, " https://h/p?%s&%s=" SECRET, within, parameters[kind / 3 % 6]);
    } else {
        drop(within, " /?#");
        buf_addf(&line, " https://%s:%.6s@h/", within, SECRET);
    }
    buf_adds(&line, kind % 3 == 1 && *after && *after != '&' ? "&" : "");
    buf_adds(&line, after);
    REQUIRE(redact_line(line.data, line.len, &out), "no line of %s", line.data);
    REQUIRE(!out.data || !strstr(out.data, "S3CR3T"), "%s comes out as %s", line.data, out.data);
    buf_free(&line);
    buf_free(&out);
}

/* A character as a server may write it. */
static void add_spelled(struct buf *out, unsigned how, char c)
{
    unsigned char byte = (unsigned char)c;
    switch (how % 8) {
    case 0:
        buf_addf(out, "%%%02X", byte);
        break;
    case 1:
        buf_addf(out, "%%25%02x", byte);
        break;
    case 2:
        buf_addf(out, "\\u%04x", byte);
        break;
    case 3:
        buf_addf(out, "&#%u;", byte);
        break;
    case 4:
        buf_addf(out, "&#x%X;", byte);
        break;
    case 5:
        buf_addc(out, c >= 'a' && c <= 'z' ? (char)(c - 32) : c);
        break;
    default:
        buf_addc(out, c);
    }
}

static void check_values(struct input *input, const char *before, const char *after)
{
    struct redact_values values;
    struct buf spelled, text;
    redact_values_init(&values);
    buf_init(&spelled, MOST);
    buf_init(&text, MOST);
    for (const char *c = SECRET; *c; c++)
        add_spelled(&spelled, take_byte(input), *c);
    buf_addf(&text, "%s %s%s", before, spelled.data, after);
    REQUIRE(redact_values_add(&values, SECRET, strlen(SECRET)), "the value is not taken");
    redact_values_hide(&values, text.data);
    REQUIRE(strlen(text.data) <= text.len, "the text became longer");
    REQUIRE(!strcasestr(text.data, spelled.data) && !strcasestr(text.data, SECRET), "%s comes out in %s",
            spelled.data, text.data);
    redact_values_free(&values);
    buf_free(&spelled);
    buf_free(&text);
}

static void check_query(const char *query, const char *text)
{
    struct redact_values values;
    char *copy = copy_bytes(text, strlen(text));
    redact_values_init(&values);
    if (redact_values_add_query(&values, query))
        redact_values_hide(&values, copy);
    REQUIRE(strlen(copy) <= strlen(text), "the text became longer");
    free(copy);
    redact_values_free(&values);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct input input = {data, size};
    unsigned kind = take_byte(&input);
    if (memmem(data, size, SECRET, 6)) /* it stands only where it is put */
        return 0;
    char *before = take_text(&input), *within = take_text(&input), *after = take_text(&input);
    check_query(before, after);
    check_values(&input, before, after);
    drop(within, "\r\n");
    check_line(kind, before, within, after);
    free(before);
    free(within);
    free(after);
    return 0;
}
