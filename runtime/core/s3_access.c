#include "core/s3_access.h"

#include <stdio.h>
#include <string.h>

#include "core/api_skew.h"
#include "core/credentials_store.h"
#include "core/endpoint.h"

/* Where a bucket is asked for whose region nothing tells: S3 answers there with the right one. */
#define FIRST_REGION "us-east-1"

static bool find_region(struct s3_access *access, const struct s3_options *options, struct err *e)
{
    if (endpoint_has_region(options->region, access->config))
        return endpoint_region(options->region, access->config, access->region, sizeof access->region, e);
    snprintf(access->region, sizeof access->region, "%s", FIRST_REGION);
    return true;
}

static bool find_endpoint(struct s3_access *access, struct err *e)
{
    struct endpoint_options where = {.service = &endpoint_s3,
                                     .region = access->region,
                                     .use_fips = access->use_fips,
                                     .use_dual_stack = access->use_dual_stack};
    access->custom = endpoint_is_configured(access->config, &endpoint_s3);
    return endpoint_resolve(&where, access->config, access->endpoint, sizeof access->endpoint, e);
}

static bool find_credentials(struct s3_access *access, const struct s3_options *options, struct err *e)
{
    struct credentials_options how = {.loop = access->loop, .http = access->http, .region = access->region,
                                      .use_fips = access->use_fips, .use_dual_stack = access->use_dual_stack,
                                      .mfa_token = options->mfa_token};
    access->credentials = options->credentials;
    if (access->credentials)
        return true;
    access->credentials = credentials_open(access->config, &how, e);
    access->own_credentials = access->credentials != NULL;
    return access->own_credentials;
}

bool s3_access_init(struct s3_access *access, struct http *http, struct loop *loop, const struct s3_options *options,
                    struct err *e)
{
    *access = (struct s3_access){.http = http,
                                 .loop = loop,
                                 .use_fips = options->use_fips,
                                 .use_dual_stack = options->use_dual_stack,
                                 .max_attempts = options->max_attempts,
                                 .correct_skew = api_skew_enabled()};
    retry_bucket_init(&access->bucket);
    access->keys = sigv4_cache_new();
    if (!access->keys)
        return err_set(e, ERR_MEMORY, "out of memory");
    access->config = aws_config_load(options->profile, e);
    if (!access->config || !find_region(access, options, e) || !find_endpoint(access, e) ||
        !find_credentials(access, options, e))
        return false;
    return access->max_attempts > 0 ||
           retry_max_attempts(aws_config_get(access->config, "max_attempts"), &access->max_attempts, e);
}

void s3_access_free(struct s3_access *access)
{
    if (access->own_credentials)
        credentials_store_free(access->credentials);
    sigv4_cache_free(access->keys);
    aws_config_free(access->config);
    *access = (struct s3_access){0};
}

bool s3_access_move(struct s3_access *access, const char *region, struct err *e)
{
    if (!endpoint_region(region, NULL, access->region, sizeof access->region, e))
        return err_set(e, ERR_RESPONSE, "the server says that the bucket is in \"%.63s\", which is not the name of a region", region);
    return find_endpoint(access, e);
}
