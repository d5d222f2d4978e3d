/* The shared files of the AWS tools: aws_config_* of credentials.h. */
#include <errno.h>
#include <fcntl.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/buf.h"
#include "core/credentials_providers.h"
#include "core/ini.h"
#include "core/operations.h"

#define MAX_FILE_BYTES ((size_t)4 << 20)
#define MAX_PROFILES 500 /* that are compared for "did you mean" */

/* ---- where the files are ---- */

/* HOME, else what the system knows of the user, as a daemon or a cron job may have no HOME. Owned by the caller. */
static char *home_directory(void)
{
    struct passwd entry, *found = NULL;
    char text[4096];
    const char *home = getenv("HOME");
    if (home && *home)
        return strdup(home);
    if (getpwuid_r(getuid(), &entry, text, sizeof text, &found) == 0 && found && *found->pw_dir)
        return strdup(found->pw_dir);
    return NULL;
}

char *aws_home_path(const char *in_home)
{
    char *home = home_directory(), *path = NULL;
    if (home && asprintf(&path, "%s/%s", home, in_home) < 0)
        path = NULL;
    free(home);
    return path;
}

/* The variable's path, in which "~/" is the home, else the default in it. NULL without a home. */
static char *file_path(const char *variable, const char *in_home)
{
    const char *given = getenv(variable);
    if (given && *given && strncmp(given, "~/", 2) != 0)
        return strdup(given);
    return aws_home_path(given && *given ? given + 2 : in_home);
}

/* ---- what is in them ---- */

/* "profile acme" → SECTION_PROFILE, "acme". Names may be quoted. In the credentials file a section is a profile. */
static enum aws_section classify(enum aws_file file, const char *section, char *name, size_t size)
{
    static const char blanks[] = " \t";
    size_t word = strcspn(section, blanks);
    enum aws_section kind = SECTION_OTHER;
    const char *rest = section;
    if (file == AWS_CREDENTIALS || strcmp(section, "default") == 0) {
        kind = SECTION_PROFILE;
    } else if (section[word] && word == 7 && strncmp(section, "profile", word) == 0) {
        kind = SECTION_PROFILE;
        rest = section + word + strspn(section + word, blanks);
    } else if (section[word] && word == 8 && strncmp(section, "services", word) == 0) {
        kind = SECTION_SERVICES;
        rest = section + word + strspn(section + word, blanks);
    } else if (section[word] && word == 11 && strncmp(section, "sso-session", word) == 0) {
        kind = SECTION_SSO_SESSION;
        rest = section + word + strspn(section + word, blanks);
    }
    size_t len = strlen(rest);
    if (len >= 2 && (rest[0] == '"' || rest[0] == '\'') && rest[len - 1] == rest[0]) {
        rest++;
        len -= 2;
    }
    snprintf(name, size, "%.*s", (int)(len < size ? len : size - 1), rest);
    return kind;
}

struct reading {
    struct aws_shared_file *file;
    enum aws_file which;
};

static bool keep_setting(void *arg, const char *section, const char *parent, const char *key, const char *value,
                         long line, struct err *err)
{
    struct reading *reading = arg;
    struct aws_shared_file *file = reading->file;
    char name[512];
    if (file->count == file->size) {
        size_t size = file->size ? file->size * 2 : 32;
        struct aws_setting *grown = reallocarray(file->settings, size, sizeof *grown);
        if (!grown)
            return err_set(err, ERR_MEMORY, "out of memory");
        file->settings = grown;
        file->size = size;
    }
    struct aws_setting *setting = &file->settings[file->count];
    *setting = (struct aws_setting){.file = file->path, .line = line};
    setting->kind = classify(reading->which, section, name, sizeof name);
    file->count++;
    setting->section = strdup(name);
    setting->parent = parent ? strdup(parent) : NULL;
    setting->key = key ? strdup(key) : NULL;
    setting->value = value ? strdup(value) : NULL;
    if (!setting->section || (parent && !setting->parent) || (key && !setting->key) || (value && !setting->value))
        return err_set(err, ERR_MEMORY, "out of memory");
    return true;
}

static bool unreadable(const char *path, int errnum, struct err *err)
{
    err_errno(err, ERR_CONFIG, errnum, "this file cannot be read");
    return err_at(err, path, 0, 0, NULL);
}

/* All of an open file. */
static bool read_all(int fd, const char *path, struct buf *text, struct err *err)
{
    struct stat status;
    if (fstat(fd, &status) == 0 && S_ISDIR(status.st_mode)) {
        err_set(err, ERR_CONFIG, "this is a directory, not a file");
        return err_at(err, path, 0, 0, NULL);
    }
    for (;;) {
        char *room = buf_reserve(text, 4096);
        if (!room) {
            err_set(err, ERR_CONFIG, "this file is larger than %zu bytes", MAX_FILE_BYTES);
            return err_at(err, path, 0, 0, NULL);
        }
        ssize_t got = read(fd, room, 4096);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return unreadable(path, errno, err);
        if (got == 0)
            break;
        text->len += (size_t)got;
    }
    return true;
}

/* A file that is not there is empty. */
static bool load_file(struct aws_shared_file *file, enum aws_file which, struct err *err)
{
    struct reading reading = {file, which};
    struct buf text;
    if (!file->path)
        return true;
    int fd = open(file->path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return errno == ENOENT || errno == ENOTDIR || unreadable(file->path, errno, err);
    file->present = true;
    buf_init(&text, MAX_FILE_BYTES);
    bool ok = read_all(fd, file->path, &text, err) &&
              ini_parse(text.data, text.len, file->path, keep_setting, &reading, err);
    close(fd);
    buf_cleanse(&text);
    return ok;
}

/* ---- profiles ---- */

static bool has_profile(const struct aws_config *config, const char *name)
{
    for (int file = AWS_CONFIG; file < AWS_FILES; file++)
        for (size_t i = 0; i < config->files[file].count; i++) {
            const struct aws_setting *setting = &config->files[file].settings[i];
            if (setting->kind == SECTION_PROFILE && strcmp(setting->section, name) == 0)
                return true;
        }
    return false;
}

/* A section of the config file with the profile's bare name: the word "profile" was forgotten. */
static long bare_section(const struct aws_config *config, const char *profile)
{
    const struct aws_shared_file *file = &config->files[AWS_CONFIG];
    for (size_t i = 0; i < file->count; i++)
        if (file->settings[i].kind == SECTION_OTHER && strcmp(file->settings[i].section, profile) == 0)
            return file->settings[i].line;
    return 0;
}

static const char *nearest_profile(const struct aws_config *config, const char *profile, bool *any)
{
    const char *names[MAX_PROFILES + 1];
    size_t count = 0;
    for (int file = AWS_CONFIG; file < AWS_FILES; file++)
        for (size_t i = 0; i < config->files[file].count && count < MAX_PROFILES; i++) {
            const struct aws_setting *setting = &config->files[file].settings[i];
            if (setting->kind == SECTION_PROFILE && !setting->key)
                names[count++] = setting->section;
        }
    names[count] = NULL;
    *any = count > 0;
    return nearest_name(profile, names);
}

static bool no_such_profile(const struct aws_config *config, const char *profile, const struct aws_setting *referrer,
                            struct err *err)
{
    bool any;
    const char *near = nearest_profile(config, profile, &any);
    const char *shared = config->files[AWS_CREDENTIALS].path, *own = config->files[AWS_CONFIG].path;
    const char *from = referrer ? " that source_profile names" : config->explicit_profile ? "" : " (from AWS_PROFILE)";
    err_set(err, ERR_CONFIG, "there is no profile \"%.100s\"%s%s%.100s%s in %.150s or %.150s: %s", profile, from,
            near ? " (did you mean \"" : "", near ? near : "", near ? "\"?)" : "",
            own ? own : "a config file (no home directory)", shared ? shared : "a credentials file",
            any ? "name one that is there (aws configure list-profiles), or make it with aws configure"
                : "make it with aws configure");
    return referrer ? aws_setting_at(referrer, err) : false;
}

bool aws_config_require(const struct aws_config *config, const char *profile, const struct aws_setting *referrer,
                        struct err *err)
{
    long line;
    if (has_profile(config, profile))
        return true;
    if ((line = bare_section(config, profile)) == 0)
        return no_such_profile(config, profile, referrer, err);
    err_set(err, ERR_CONFIG, "in this file the section of a profile is [profile %.100s], not [%.100s]", profile, profile);
    return err_at(err, config->files[AWS_CONFIG].path, line, 0, NULL);
}

struct aws_config *aws_config_load(const char *profile, struct err *err)
{
    struct aws_config *config = calloc(1, sizeof *config);
    const char *from_environment = getenv("AWS_PROFILE");
    bool named = true;
    if (!config) {
        err_set(err, ERR_MEMORY, "out of memory");
        return NULL;
    }
    config->explicit_profile = profile && *profile;
    if (!config->explicit_profile)
        profile = from_environment;
    if (!profile || !*profile) {
        named = false;
        profile = "default";
    }
    config->files[AWS_CONFIG].path = file_path("AWS_CONFIG_FILE", ".aws/config");
    config->files[AWS_CREDENTIALS].path = file_path("AWS_SHARED_CREDENTIALS_FILE", ".aws/credentials");
    config->profile = strdup(profile);
    bool ok = config->profile ? load_file(&config->files[AWS_CONFIG], AWS_CONFIG, err) &&
                                    load_file(&config->files[AWS_CREDENTIALS], AWS_CREDENTIALS, err)
                              : err_set(err, ERR_MEMORY, "out of memory");
    if (ok && (!named || aws_config_require(config, config->profile, NULL, err)))
        return config;
    aws_config_free(config);
    return NULL;
}

void aws_config_free(struct aws_config *config)
{
    if (!config)
        return;
    for (int file = AWS_CONFIG; file < AWS_FILES; file++) {
        for (size_t i = 0; i < config->files[file].count; i++) {
            struct aws_setting *setting = &config->files[file].settings[i];
            if (setting->value)
                secret_cleanse(setting->value, strlen(setting->value));
            free(setting->section);
            free(setting->parent);
            free(setting->key);
            free(setting->value);
        }
        free(config->files[file].settings);
        free(config->files[file].path);
    }
    free(config->profile);
    free(config);
}

const char *aws_config_profile(const struct aws_config *config)
{
    return config->profile;
}

bool aws_config_explicit(const struct aws_config *config)
{
    return config->explicit_profile;
}

/* ---- settings ---- */

/* Of settings that are given twice the last counts. */
static const struct aws_setting *find(const struct aws_shared_file *file, enum aws_section kind, const char *section,
                                      const char *parent, const char *key)
{
    for (size_t i = file->count; i > 0; i--) {
        const struct aws_setting *setting = &file->settings[i - 1];
        if (!setting->key || setting->kind != kind || strcmp(setting->section, section) != 0 ||
            strcasecmp(setting->key, key) != 0 || !setting->parent != !parent)
            continue;
        if (!parent || strcasecmp(setting->parent, parent) == 0)
            return setting;
    }
    return NULL;
}

static const struct aws_setting *filled(const struct aws_setting *setting)
{
    return setting && *setting->value ? setting : NULL;
}

const struct aws_setting *aws_config_find(const struct aws_config *config, const char *profile, enum aws_file file,
                                          const char *key)
{
    return filled(find(&config->files[file], SECTION_PROFILE, profile, NULL, key));
}

const struct aws_setting *aws_config_setting(const struct aws_config *config, const char *profile, const char *key)
{
    const struct aws_setting *setting = aws_config_find(config, profile, AWS_CREDENTIALS, key);
    return setting ? setting : aws_config_find(config, profile, AWS_CONFIG, key);
}

const struct aws_setting *aws_config_session(const struct aws_config *config, const char *session, const char *key)
{
    return filled(find(&config->files[AWS_CONFIG], SECTION_SSO_SESSION, session, NULL, key));
}

const char *aws_config_get(const struct aws_config *config, const char *key)
{
    const struct aws_setting *setting = aws_config_setting(config, config->profile, key);
    return setting ? setting->value : NULL;
}

const char *aws_config_services(const struct aws_config *config, const char *services, const char *service,
                                const char *key)
{
    const struct aws_setting *setting = find(&config->files[AWS_CONFIG], SECTION_SERVICES, services, service, key);
    return setting ? setting->value : NULL;
}
