/* Keys from a program: credential_process of a profile. Rule: AWS SDKs and Tools Reference Guide, "Process
 * credential provider". */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/credentials_answer.h"
#include "core/credentials_program.h"
#include "core/credentials_providers.h"
#include "core/credentials_words.h"

#define TIMEOUT_MS 60000

struct process_provider {
    struct credentials_provider provider;
    struct loop *loop;
    long timeout_ms;
    char **words;
    char *file; /* and line where it is configured */
    long line;
    char name[140];          /* for errors */
    struct program *program; /* that runs, or NULL */
};

static bool keys_from(const struct process_provider *self, const struct program_end *end,
                      struct credentials *keys, struct err *err)
{
    static const struct credentials_answer_names names = {"AccessKeyId", "SecretAccessKey", "SessionToken",
                                                          "Expiration", true};
    cJSON *answer = credentials_answer_parse(end->out.data, end->out.len, self->name, err);
    const cJSON *version = cJSON_GetObjectItemCaseSensitive(answer, "Version");
    bool ok = answer != NULL;
    if (ok && !(cJSON_IsNumber(version) && version->valuedouble == 1))
        ok = err_set(err, ERR_CREDENTIALS, "%s gave JSON without \"Version\": 1, the only version there is",
                     self->name);
    ok = ok && credentials_answer_keys(answer, &names, self->name, keys, err);
    if (ok)
        memcpy(keys->source, self->provider.source, sizeof keys->source);
    credentials_answer_free(answer);
    return ok;
}

static bool has_failed(const struct process_provider *self, const struct program_end *end, struct err *err)
{
    char said[300];
    credentials_quote(end->messages.data ? end->messages.data : "", end->messages.len, said, sizeof said);
    const char *colon = *said ? ": " : "", *remedy = "run it by itself to see what it needs";
    if (end->timed_out)
        return !err_set(err, ERR_CREDENTIALS, "%s has not ended in %ld s and was killed%s%s; %s", self->name,
                        self->timeout_ms / 1000, colon, said, remedy);
    if (end->overflow)
        return !err_set(err, ERR_CREDENTIALS, "%s printed more than %zu bytes and was killed; %s", self->name,
                        CREDENTIALS_ANSWER_MAX, remedy);
    if (end->signal)
        return !err_set(err, ERR_CREDENTIALS, "%s was ended by signal %d%s%s; %s", self->name, end->signal,
                        colon, said, remedy);
    return end->status != 0 && !err_set(err, ERR_CREDENTIALS, "%s ended with status %d%s%s; %s", self->name,
                                        end->status, colon, said, remedy);
}

static void process_ended(void *arg, struct program_end *end)
{
    struct process_provider *self = arg;
    struct credentials keys = {0};
    struct err err;
    err_clear(&err);
    self->program = NULL;
    bool ok = !has_failed(self, end, &err) && keys_from(self, end, &keys, &err);
    if (!ok)
        err_at(&err, self->file, self->line, 0, NULL);
    credentials_fetched(&self->provider, ok ? &keys : NULL, &err);
}

static bool process_start(struct credentials_provider *provider, struct err *err)
{
    struct process_provider *self = (struct process_provider *)provider;
    self->program = program_start(self->loop, self->words, CREDENTIALS_ANSWER_MAX, self->timeout_ms,
                                  process_ended, self, err);
    if (self->program)
        return true;
    err_set(err, ERR_CREDENTIALS, "%s: %.500s: correct its path, or install it", self->name,
            strdupa(err->message));
    return err_at(err, self->file, self->line, 0, NULL);
}

static void process_stop(struct credentials_provider *provider)
{
    struct process_provider *self = (struct process_provider *)provider;
    program_stop(self->program);
    self->program = NULL;
}

static void process_free(struct credentials_provider *provider)
{
    struct process_provider *self = (struct process_provider *)provider;
    secret_release(self->words);
    free(self->file);
    free(self);
}

enum credentials_found credentials_from_process(const struct credentials_search *search,
                                                struct credentials_store **out, struct err *err)
{
    const struct aws_setting *setting =
        aws_config_setting(search->config, search->profile, "credential_process");
    const char *fault = NULL;
    if (!setting)
        return CREDENTIALS_NONE;
    char **words = credentials_words(setting->value, &fault);
    struct process_provider *self = words ? calloc(1, sizeof *self) : NULL;
    if (!self || !(self->file = strdup(setting->file))) {
        err_set(err, fault ? ERR_CONFIG : ERR_MEMORY, "%s%s",
                fault ? "this credential_process cannot be run: " : "out of memory", fault ? fault : "");
        aws_setting_at(setting, err);
        free(words);
        free(self);
        return CREDENTIALS_FAILED;
    }
    self->provider.start = process_start;
    self->provider.stop = process_stop;
    self->provider.free = process_free;
    snprintf(self->provider.source, sizeof self->provider.source,
             "credential_process of the profile %.80s in %.450s:%ld", search->profile, setting->file,
             setting->line);
    snprintf(self->name, sizeof self->name, "credential_process of the profile \"%.80s\"", search->profile);
    self->loop = search->options->loop;
    self->timeout_ms = search->options->process_timeout_ms ? search->options->process_timeout_ms : TIMEOUT_MS;
    self->words = words;
    self->line = setting->line;
    *out = credentials_store_new(search->options, &self->provider, NULL, err);
    return *out ? CREDENTIALS_FOUND : CREDENTIALS_FAILED;
}
