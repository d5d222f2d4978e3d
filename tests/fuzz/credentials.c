/* What programs, servers and files answer to whoever asks for keys: JSON, the XML of STS, times, and a
 * command line. */
#include "core/credentials_answer.h"
#include "core/credentials_time.h"
#include "core/credentials_words.h"
#include "core/credentials_xml.h"

#include "tests/fuzz/fuzz.h"

static void take_keys(const cJSON *answer, bool lasting)
{
    const struct credentials_answer_names names = {"AccessKeyId", "SecretAccessKey", "SessionToken",
                                                   "Expiration", lasting};
    struct credentials keys = {0};
    struct err err;
    err_clear(&err);
    if (credentials_answer_keys(answer, &names, "whoever was asked", &keys, &err)) {
        REQUIRE(keys.access_key_id && *keys.access_key_id && keys.secret_access_key, "keys without a key");
        for (const char *c = keys.access_key_id; *c; c++)
            REQUIRE((unsigned char)*c > ' ' && *c != 0x7F, "the byte %d would go into a header", *c);
    } else {
        require_told(&err);
        REQUIRE(!keys.access_key_id && !keys.secret_access_key && !keys.session_token,
                "an error leaves keys");
    }
    credentials_free(&keys);
}

static void take_json(const char *text, size_t len)
{
    struct err err;
    err_clear(&err);
    cJSON *answer = credentials_answer_parse(text, len, "whoever was asked", &err);
    if (!answer)
        require_told(&err);
    for (int lasting = 0; answer && lasting < 2; lasting++)
        take_keys(answer, lasting);
    credentials_answer_free(answer);
}

static void note(void *arg, const char *path, const char *text)
{
    const char *name = strrchr(path, '/');
    REQUIRE(*path && text && (!name || name[1]), "an element of \"%s\" has no name", path);
    cJSON_AddStringToObject(arg, name ? name + 1 : path, text);
}

static void take_xml(const char *text, size_t len)
{
    cJSON *answer = cJSON_CreateObject();
    if (credentials_xml(text, len, note, answer))
        take_keys(answer, false);
    credentials_answer_free(answer);
}

static void take_time(const char *text)
{
    time_t time = 0, again = 0;
    char written[24];
    if (!credentials_time_parse(text, &time))
        return;
    REQUIRE(time > 0, "%s is %lld", text, (long long)time);
    credentials_time_format(time, written);
    REQUIRE(time >= 253402300800 || (credentials_time_parse(written, &again) && again == time),
            "%s becomes %s", text, written);
}

static void take_words(const char *line)
{
    const char *fault = NULL;
    char **words = credentials_words(line, &fault);
    size_t total = 0;
    REQUIRE(words || fault, "no words of %s, and no fault", line);
    for (char **word = words; word && *word; word++)
        total += strlen(*word);
    REQUIRE(total <= strlen(line), "the words are longer than %s", line);
    secret_release(words);
}

static void take_quote(const char *text, size_t len, size_t size)
{
    char *out = malloc(size);
    credentials_quote(text, len, out, size);
    REQUIRE(strlen(out) < size, "%zu bytes for %zu", strlen(out), size);
    for (const char *c = out; *c; c++)
        REQUIRE(*c >= ' ' && *c <= '~', "the byte %d is quoted", *c);
    free(out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct input input = {data, size};
    unsigned kind = take_byte(&input);
    char *text = copy_bytes(input.data, input.len);
    switch (kind % 5) {
    case 0:
        take_json(text, input.len);
        break;
    case 1:
        take_xml(text, input.len);
        break;
    case 2:
        take_time(text);
        break;
    case 3:
        take_words(text);
        break;
    default:
        take_quote(text, input.len, kind + 1);
    }
    free(text);
    return 0;
}
