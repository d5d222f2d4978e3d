/* Mails: whatever is to be told, a message has its headers and no other, and only lines that a mail server takes. */
#include "core/mail.h"

#include "tests/fuzz/fuzz.h"

static const char *const headers[] = {"From:", "To:",           "Subject:",      "Date:",         "Message-ID:",
                                      "Auto-Submitted:", "MIME-Version:", "Content-Type:", "Content-Transfer-Encoding:"};
#define HEADERS (sizeof headers / sizeof *headers)

static void require_message(const char *text)
{
    size_t header = 0, longest = 0;
    bool in_body = false;
    for (const char *line = text; *line;) {
        size_t len = strcspn(line, "\r\n");
        REQUIRE(line[len] == '\r' && line[len + 1] == '\n', "a line ends otherwise: %.80s", line);
        for (size_t i = 0; i < len; i++)
            REQUIRE((unsigned char)line[i] < 127 && ((unsigned char)line[i] >= 32 || line[i] == '\t'), "a byte %d", line[i]);
        if (!in_body && len > 0 && *line != ' ') {
            REQUIRE(header < HEADERS && strncmp(line, headers[header], strlen(headers[header])) == 0, "a header %.80s", line);
            header++;
        }
        longest = len > longest ? len : longest;
        in_body = in_body || len == 0;
        line += len + 2;
    }
    REQUIRE(header == HEADERS && in_body, "%zu headers", header);
    REQUIRE(longest <= 998, "a line of %zu", longest);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct input input = {data, size};
    char *from = take_text(&input), *to = take_text(&input), *subject = take_text(&input), *text = take_text(&input);
    char address[MAIL_ADDRESS];
    const char *const receivers[] = {to, "ops@example.com"};
    struct mail mail = {.from = from, .to = receivers, .to_count = 2, .subject = subject, .text = text, .id = "a1"};
    struct err err;
    struct buf out;
    err_clear(&err);
    buf_init(&out, (size_t)1 << 24);
    if (mail_write(&mail, &out, &err)) {
        require_message(out.data);
        REQUIRE(mail_address(to, address, &err) && mail_address(from, address, &err), "no address in %s", to);
        REQUIRE(!strpbrk(address, " <>\r\n") && strchr(address, '@'), "the address %s", address);
    } else {
        require_told(&err);
    }
    buf_free(&out);
    free(from);
    free(to);
    free(subject);
    free(text);
    return 0;
}
