/* endpoint: which region, which URL. Rules: AWS SDKs and Tools Reference Guide, and the
 * service's endpoint rule set, partition by partition. */
#ifndef UPJOB_CORE_ENDPOINT_H
#define UPJOB_CORE_ENDPOINT_H

#include <stdbool.h>

#include "core/credentials.h"
#include "core/err.h"

/* explicit → AWS_REGION → AWS_DEFAULT_REGION → the profile (and last the instance metadata: credentials_region.h).
 * ERR_CONFIG names all the places when there is none. `explicit_region` may be NULL. The text is copied into `out`. */
bool endpoint_region(const char *explicit_region, const struct aws_config *config, char *out, size_t size,
                     struct err *err) MUST_CHECK;

/* True when one of them has a region, good or not. */
bool endpoint_has_region(const char *explicit_region, const struct aws_config *config);
/* The error when no place has one; `metadata` says what came of asking the instance. Returns false. */
bool endpoint_no_region(const char *profile, const char *metadata, struct err *err);

/* A service, as hosts, variables and settings name it. */
struct endpoint_service {
    const char *host;     /* "sts" of sts.us-east-1.amazonaws.com, sts-fips of the FIPS endpoint */
    const char *variable; /* "STS" of AWS_ENDPOINT_URL_STS */
    const char *key;      /* "sts" in a services section */
    bool gov_is_fips;     /* in AWS GovCloud the plain endpoint is that of FIPS */
    bool dual_stack_label; /* the dual-stack endpoint has the plain suffix, and "dualstack" before the region */
};
extern const struct endpoint_service endpoint_profiles, endpoint_sts, endpoint_sso, endpoint_sso_oidc, endpoint_s3;

struct endpoint_options {
    const struct endpoint_service *service; /* NULL: endpoint_profiles */
    const char *region;       /* may be NULL when endpoint_url is given */
    const char *endpoint_url; /* explicit, or NULL */
    bool use_fips, use_dual_stack;
};
/* The URL without a trailing slash. endpoint_url must have a scheme http or https and a host. With `config`
 * (may be NULL) the configured ones are looked up too: AWS_ENDPOINT_URL_<SERVICE>, AWS_ENDPOINT_URL,
 * the profile's services section, the profile's endpoint_url, unless AWS_IGNORE_CONFIGURED_ENDPOINT_URLS is true.
 * FIPS or dual-stack together with a custom endpoint is an error. */
bool endpoint_resolve(const struct endpoint_options *options, const struct aws_config *config, char *out,
                      size_t size, struct err *err) MUST_CHECK;

/* True when one of those configured ones is used for the service; NULL: endpoint_profiles. */
bool endpoint_is_configured(const struct aws_config *config, const struct endpoint_service *service);

/* A URL that someone configured, without a trailing slash: http or https, a host, and neither user, query nor
 * fragment. `from` says in the error where it stands; the URL itself is not shown, as it may hold a password. */
bool endpoint_custom(const char *url, const char *from, char *out, size_t size, struct err *err) MUST_CHECK;

/* "aws", "aws-cn", …: as it stands in ARNs. */
const char *endpoint_partition(const char *region);

/* True for 127.0.0.0/8, ::1 and "localhost": a host without brackets or port. */
bool endpoint_is_loopback(const char *host);

#endif
