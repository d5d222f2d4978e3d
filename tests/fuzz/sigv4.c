/* What a client sends to the verifying half of the signer: the claim, and the spellings of a query and a
 * path. */
#include "core/sigv4_stages.h"

#include "tests/fuzz/fuzz.h"

#define MOST ((size_t)16 << 20)

/* Every spelling gives one text, so that this text gives itself. */
static void check_query(const char *query)
{
    struct buf once, twice;
    buf_init(&once, MOST);
    buf_init(&twice, MOST);
    REQUIRE(sigv4_canonical_query(query, &once), "no canonical query of %s", query);
    const char *text = once.data ? once.data : "";
    REQUIRE(sigv4_canonical_query(text, &twice), "no canonical query of %s", text);
    REQUIRE(strcmp(text, twice.data ? twice.data : "") == 0, "%s becomes %s", text, twice.data);
    for (const char *c = text; *c; c++)
        REQUIRE(*c > ' ' && *c <= '~', "the byte %d is in %s", *c, text);
    buf_free(&once);
    buf_free(&twice);
}

static void check_path(const char *path)
{
    struct buf out;
    buf_init(&out, MOST);
    REQUIRE(sigv4_canonical_path(path, false, &out), "no canonical path of %s", path);
    REQUIRE(out.data && *out.data == '/', "%s of %s", out.data, path);
    REQUIRE(!strstr(out.data, "//") && !strstr(out.data, "/./") && !strstr(out.data, "/../"), "%s of %s",
            out.data, path);
    buf_free(&out);
}

static void check_time(const char *text)
{
    time_t time;
    char again[17];
    if (!sigv4_parse_time(text, &time))
        return;
    sigv4_format_time(time, again);
    REQUIRE(strcmp(text, again) == 0, "%s becomes %s", text, again);
}

static void check_claim(const char *authorization, const char *date, const char *query, const char *path)
{
    static const struct sigv4_header headers[] = {{"Host", "h"}, {"X-Amz-Date", "20260102T030405Z"}};
    static const struct sigv4_credentials credentials = {"local", "local", NULL};
    struct sigv4_claim claim;
    struct sigv4_request request = {
        .method = "GET", .host = "h", .path = path, .query = query, .headers = headers, .header_count = 2};
    struct err err;
    err_clear(&err);
    if (!sigv4_claim_parse(authorization, date, query, &claim, &err)) {
        require_told(&err);
        return;
    }
    REQUIRE(strlen(claim.date) == 16 && *claim.signed_headers && *claim.access_key_id,
            "a claim of %s is not whole", query);
    if (!sigv4_claim_verify(&claim, &request, &credentials, NULL, &err))
        require_told(&err);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct input input = {data, size > 16384 ? 16384 : size};
    char *authorization = take_text(&input), *date = take_text(&input), *query = take_text(&input),
         *path = take_text(&input);
    check_query(query);
    check_path(path);
    check_time(date);
    check_claim(*authorization ? authorization : NULL, *date ? date : NULL, query, path);
    free(authorization);
    free(date);
    free(query);
    free(path);
    return 0;
}
