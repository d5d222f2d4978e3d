/* What the embedded service is told: its options, the query of an upload, and page tokens. */
#include <ftw.h>
#include <unistd.h>

#include "local/facts.h"
#include "local/faults.h"
#include "local/service.h"
#include "local/state.h"

#include "tests/fuzz/fuzz.h"

int LLVMFuzzerInitialize(int *count, char ***words);

static char directory[] = "/tmp/upjob-fuzz-XXXXXX";
static struct objects *objects; /* for the whole run: opening them makes files */

static int remove_one(const char *path, const struct stat *status, int kind, struct FTW *place)
{
    (void)status, (void)kind, (void)place;
    return remove(path);
}

static void clean(void)
{
    objects_close(objects);
    nftw(directory, remove_one, 8, FTW_DEPTH | FTW_PHYS);
}

int LLVMFuzzerInitialize(int *count, char ***words)
{
    struct err err;
    (void)count, (void)words;
    err_clear(&err);
    REQUIRE(mkdtemp(directory), "no directory %s", directory);
    objects = objects_open(directory, true, &err);
    REQUIRE(objects, "%s", err.message);
    atexit(clean);
    return 0;
}

static void check_facts(const char *spec)
{
    struct facts facts = facts_inferred;
    struct err err;
    err_clear(&err);
    if (!facts_bend(&facts, spec, &err))
        require_told(&err);
    for (const struct fact *fact = facts_table; fact->name; fact++) {
        if (fact->inferred)
            continue;
        double amount = *(double *)((char *)&facts + fact->offset);
        REQUIRE(amount >= fact->least && amount <= fact->most, "%s is %g after %s", fact->name, amount, spec);
    }
}

static void check_faults(const char *spec)
{
    struct err err;
    err_clear(&err);
    struct faults *faults = faults_new(spec, &facts_inferred, &err);
    if (!faults) {
        require_told(&err);
        return;
    }
    for (int kind = 0; kind < FAULT_KINDS; kind++)
        if (faults_strike(faults, (enum fault)kind, "PutObject"))
            REQUIRE(faults_where(faults) >= 0 && faults_where(faults) < 1, "%g", faults_where(faults));
    REQUIRE(faults_upload_rate(faults) >= 0, "%g bytes a second after %s", faults_upload_rate(faults), spec);
    faults_free(faults);
}

static void check_query(const char *uri)
{
    static const char *const names[] = {"X-Amz-Expires", "X-Amz-Signature", "max-results", "a"};
    struct exchange *ex = exchange_new(NULL, uri);
    REQUIRE(ex, "no exchange of %s", uri);
    REQUIRE(!strchr(ex->path, '?') && strlen(ex->path) + strlen(ex->query) <= strlen(uri), "%s and %s",
            ex->path, ex->query);
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        char *value = exchange_query(ex, names[i]);
        REQUIRE(!value || strlen(value) < strlen(ex->query), "%s of %s", value, ex->query);
        free(value);
    }
    exchange_free(ex);
}

static void check_token(const char *scope, const char *text)
{
    char *token = NULL, *position = NULL;
    struct err err;
    err_clear(&err);
    if (token_open(objects, scope, text, &position, &err))
        REQUIRE(false, "%s was never given out", text);
    REQUIRE(err_is(&err, "BadRequestException") && err.status == 400, "%s: %s", err.code, err.message);
    err_clear(&err);
    if (!*text) /* a position says something */
        return;
    if (token_seal(objects, scope, text, &token, &err)) {
        REQUIRE(token_open(objects, scope, token, &position, &err), "%s", err.message);
        REQUIRE(strcmp(position, text) == 0, "%s becomes %s", text, position);
        free(position);
        token[strlen(token) / 2] ^= 1;
        REQUIRE(!token_open(objects, scope, token, &position, &err), "a changed token opens");
    } else {
        require_told(&err);
    }
    free(token);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct input input = {data, size};
    unsigned kind = take_byte(&input);
    char *scope = take_text(&input), *text = take_text(&input);
    switch (kind % 4) {
    case 0:
        check_facts(scope);
        break;
    case 1:
        check_faults(scope);
        break;
    case 2:
        check_query(scope);
        break;
    default:
        check_token(scope, text);
    }
    free(scope);
    free(text);
    return 0;
}
