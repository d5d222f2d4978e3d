#include "core/endpoint.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "core/pattern.h"

/* ---- region ---- */

/* A region becomes a part of the host's name. */
static bool is_host_label(const char *text)
{
    size_t len = strlen(text);
    bool digits_only = true;
    if (len == 0 || len > 63 || text[0] == '-' || text[len - 1] == '-')
        return false;
    for (; *text; text++) {
        if (!isalnum((unsigned char)*text) && *text != '-')
            return false;
        digits_only = digits_only && isdigit((unsigned char)*text);
    }
    return !digits_only;
}

static const char *setting(const struct aws_config *config, const char *key)
{
    const char *value = config ? aws_config_get(config, key) : NULL;
    return value && *value ? value : NULL;
}

static const char *environment(const char *name)
{
    const char *value = getenv(name);
    return value && *value ? value : NULL;
}

/* The first place that has one; NULL when none has. */
static const char *find_region(const char *explicit_region, const struct aws_config *config, const char **place)
{
    const char *region = explicit_region && *explicit_region ? explicit_region : NULL;
    *place = "the region given";
    if (!region)
        region = environment(*place = "AWS_REGION");
    if (!region)
        region = environment(*place = "AWS_DEFAULT_REGION");
    if (region)
        return region;
    *place = "the profile's region";
    return setting(config, "region");
}

bool endpoint_has_region(const char *explicit_region, const struct aws_config *config)
{
    const char *place;
    return find_region(explicit_region, config, &place) != NULL;
}

bool endpoint_no_region(const char *profile, const char *metadata, struct err *err)
{
    return err_set(err, ERR_CONFIG,
                   "there is no region: give one (--region, or region = in Lua), set AWS_REGION or "
                   "AWS_DEFAULT_REGION, or write \"region = us-east-1\" for the profile \"%.100s\" in the AWS config "
                   "file (aws configure set region); %.300s",
                   profile, metadata);
}

bool endpoint_region(const char *explicit_region, const struct aws_config *config, char *out, size_t size,
                     struct err *err)
{
    const char *place, *region = find_region(explicit_region, config, &place);
    if (!region)
        return endpoint_no_region(config ? aws_config_profile(config) : "default", "the instance metadata gave none", err);
    if (!is_host_label(region) || strlen(region) >= size)
        return err_set(err, ERR_CONFIG, "%s is \"%.80s\", which is not the name of a region (such as us-east-1)", place, region);
    strcpy(out, region);
    return true;
}

/* ---- endpoint ---- */

const struct endpoint_service endpoint_profiles = {"profile", "CUSTOMER_PROFILES", "customer_profiles", false, false};
const struct endpoint_service endpoint_sts = {"sts", "STS", "sts", true, false};
const struct endpoint_service endpoint_sso = {"portal.sso", "SSO", "sso", true, false};
const struct endpoint_service endpoint_sso_oidc = {"oidc", "SSO_OIDC", "sso_oidc", true, false};
const struct endpoint_service endpoint_s3 = {"s3", "S3", "s3", false, true};

struct partition {
    const char *name;
    const char *regions; /* a pattern */
    const char *suffix, *dual_stack_suffix;
};

/* The service's endpoint rule set; the first serves regions that fit none. */
static const struct partition partitions[] = {
    {"aws", "^(us|eu|ap|sa|ca|me|af|il|mx)-\\w+-\\d+$", "amazonaws.com", "api.aws"},
    {"aws-cn", "^cn-\\w+-\\d+$", "amazonaws.com.cn", "api.amazonwebservices.com.cn"},
    {"aws-us-gov", "^us-gov-\\w+-\\d+$", "amazonaws.com", "api.aws"},
    {"aws-eusc", "^eusc-(de)-\\w+-\\d+$", "amazonaws.eu", "api.amazonwebservices.eu"},
    {"aws-iso", "^us-iso-\\w+-\\d+$", "c2s.ic.gov", "api.aws.ic.gov"},
    {"aws-iso-b", "^us-isob-\\w+-\\d+$", "sc2s.sgov.gov", "api.aws.scloud"},
    {"aws-iso-e", "^eu-isoe-\\w+-\\d+$", "cloud.adc-e.uk", "api.cloud-aws.adc-e.uk"},
    {"aws-iso-f", "^us-isof-\\w+-\\d+$", "csp.hci.ic.gov", "api.aws.hci.ic.gov"},
};

static const struct partition *find_partition(const char *region)
{
    for (size_t i = 0; i < sizeof partitions / sizeof *partitions; i++)
        if (pattern_matches(partitions[i].regions, region))
            return &partitions[i];
    return &partitions[0];
}

const char *endpoint_partition(const char *region)
{
    return find_partition(region)->name;
}

static bool is_true(const char *text)
{
    return text && strcasecmp(text, "true") == 0;
}

/* A configured endpoint, and in `from` the place where it stands; NULL when there is none. */
static const char *configured_url(const struct aws_config *config, const struct endpoint_service *service, char from[100])
{
    const char *services = setting(config, "services"), *url;
    const char *ignore = environment("AWS_IGNORE_CONFIGURED_ENDPOINT_URLS");
    if (is_true(ignore ? ignore : setting(config, "ignore_configured_endpoint_urls")))
        return NULL;
    snprintf(from, 100, "AWS_ENDPOINT_URL_%s", service->variable);
    if ((url = environment(from)))
        return url;
    if ((url = environment(strcpy(from, "AWS_ENDPOINT_URL"))))
        return url;
    snprintf(from, 100, "%s endpoint_url in the profile's services section", service->key);
    url = services ? aws_config_services(config, services, service->key, "endpoint_url") : NULL;
    if (url && *url)
        return url;
    strcpy(from, "the profile's endpoint_url");
    return setting(config, "endpoint_url");
}

bool endpoint_is_configured(const struct aws_config *config, const struct endpoint_service *service)
{
    char from[100];
    return config && configured_url(config, service ? service : &endpoint_profiles, from) != NULL;
}

/* What is wrong with it, or NULL. Neither is quoted by the caller: a URL may hold a password. */
static const char *fault_of_url(const char *url)
{
    const char *rest = strncasecmp(url, "https://", 8) == 0  ? url + 8
                       : strncasecmp(url, "http://", 7) == 0 ? url + 7
                                                             : NULL;
    if (!rest)
        return "it must begin with https:// or http://";
    size_t host = strcspn(rest, "/?#");
    if (memchr(rest, '@', host))
        return "it may not hold a user name or password";
    if (host == 0 || *rest == ':')
        return "it has no host";
    for (const char *c = url; *c; c++)
        if ((unsigned char)*c <= ' ' || *c == 0x7F || *c == '"' || *c == '<' || *c == '>' || *c == '\\')
            return "it holds a character that a URL cannot hold";
    if (strpbrk(rest, "?#"))
        return "it may not hold a query or a fragment";
    return NULL;
}

bool endpoint_custom(const char *url, const char *from, char *out, size_t size, struct err *err)
{
    const char *fault = fault_of_url(url);
    size_t len = strlen(url);
    if (fault)
        return err_set(err, ERR_CONFIG, "%s is not a usable URL: %s (such as https://host:port)", from, fault);
    while (len > 0 && url[len - 1] == '/')
        len--;
    if (len >= size)
        return err_set(err, ERR_CONFIG, "%s is too long: a URL may have %zu characters", from, size - 1);
    memcpy(out, url, len);
    out[len] = '\0';
    return true;
}

static bool use_custom(const char *url, const char *from, bool fips, bool dual_stack, char *out, size_t size,
                       struct err *err)
{
    if (!endpoint_custom(url, from, out, size, err))
        return false;
    return (!fips && !dual_stack) ||
           err_set(err, ERR_CONFIG, "%s and a custom endpoint cannot be used together: leave out one of them (the "
                   "endpoint is from %s)", fips ? "FIPS" : "dual-stack", from);
}

/* Asked for by the caller, else by the environment, else by the profile. */
static bool wants(bool asked, const struct aws_config *config, const char *variable, const char *key)
{
    const char *text = config ? environment(variable) : NULL;
    return asked || is_true(text ? text : setting(config, key));
}

bool endpoint_resolve(const struct endpoint_options *options, const struct aws_config *config, char *out, size_t size,
                      struct err *err)
{
    bool fips = wants(options->use_fips, config, "AWS_USE_FIPS_ENDPOINT", "use_fips_endpoint");
    bool dual = wants(options->use_dual_stack, config, "AWS_USE_DUALSTACK_ENDPOINT", "use_dualstack_endpoint");
    const struct endpoint_service *service = options->service ? options->service : &endpoint_profiles;
    char from[100] = "endpoint_url";
    const char *url = options->endpoint_url;
    if ((!url || !*url) && config)
        url = configured_url(config, service, from);
    if (url && *url)
        return use_custom(url, from, fips, dual, out, size, err);
    if (!options->region || !*options->region)
        return err_set(err, ERR_CONFIG, "without a region there is no endpoint: give a region or an endpoint URL");
    if (!is_host_label(options->region))
        return err_set(err, ERR_CONFIG, "\"%.80s\" is not the name of a region (such as us-east-1)", options->region);
    const struct partition *partition = find_partition(options->region);
    bool plain = !fips || (service->gov_is_fips && !dual && strncmp(options->region, "us-gov-", 7) == 0);
    bool labelled = dual && service->dual_stack_label;
    int len = snprintf(out, size, "https://%s%s%s.%s.%s", service->host, plain ? "" : "-fips", labelled ? ".dualstack" : "",
                       options->region, dual && !labelled ? partition->dual_stack_suffix : partition->suffix);
    if (len < 0 || (size_t)len >= size)
        return err_set(err, ERR_CONFIG, "the endpoint is longer than %zu characters", size - 1);
    return true;
}

bool endpoint_is_loopback(const char *host)
{
    struct in_addr v4;
    struct in6_addr v6;
    if (inet_pton(AF_INET, host, &v4) == 1)
        return ntohl(v4.s_addr) >> 24 == 127;
    if (inet_pton(AF_INET6, host, &v6) == 1)
        return IN6_IS_ADDR_LOOPBACK(&v6);
    return strcasecmp(host, "localhost") == 0;
}
