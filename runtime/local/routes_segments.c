/* The API's operations of segments: service.h. */
#include <stdio.h>

#include "core/endpoint.h"
#include "local/profiles_segments.h"
#include "local/service.h"

#define ACCOUNT "000000000000"

/* Any region is served, and none is told apart: an ARN has that of the caller. `told`: of one definition. */
static void add_arn(const struct exchange *ex, cJSON *told)
{
    char arn[400];
    const char *name = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(told, "SegmentDefinitionName"));
    snprintf(arn, sizeof arn, "arn:%s:profile:%s:" ACCOUNT ":domains/%s/segment-definitions/%s", endpoint_partition(ex->region), ex->region,
             routes_text(ex, "DomainName"), name ? name : "");
    cJSON_AddStringToObject(told, "SegmentDefinitionArn", arn);
}

void segments_create(struct exchange *ex)
{
    if (state_create_segment(ex->service->state, ex->params, routes_now(ex), &ex->reply, &ex->err))
        add_arn(ex, ex->reply);
}

void segments_get(struct exchange *ex)
{
    if (state_get_segment(ex->service->state, routes_text(ex, "DomainName"), routes_text(ex, "SegmentDefinitionName"), &ex->reply,
                          &ex->err))
        add_arn(ex, ex->reply);
}

void segments_list(struct exchange *ex)
{
    if (!state_list_segments(ex->service->state, routes_text(ex, "DomainName"), routes_number(ex, "MaxResults"),
                             routes_text(ex, "NextToken"), &ex->reply, &ex->err))
        return;
    cJSON *item;
    cJSON_ArrayForEach(item, cJSON_GetObjectItemCaseSensitive(ex->reply, "Items")) add_arn(ex, item);
}

void segments_delete(struct exchange *ex)
{
    (void)!state_delete_segment(ex->service->state, routes_text(ex, "DomainName"), routes_text(ex, "SegmentDefinitionName"),
                                &ex->reply, &ex->err);
}

void segments_create_estimate(struct exchange *ex)
{
    struct estimate_task task;
    if (!estimates_have_room(ex->service->estimates))
        exchange_refuse(ex, 429, "ThrottlingException", "There are too many segment estimates under way.");
    else if (state_create_estimate(ex->service->state, ex->params, &task, &ex->reply, &ex->err))
        (void)!estimates_start(ex->service->estimates, &task, &ex->err);
}

void segments_get_estimate(struct exchange *ex)
{
    (void)!state_get_estimate(ex->service->state, routes_text(ex, "DomainName"), routes_text(ex, "EstimateId"), &ex->reply, &ex->err);
}

void segments_find(struct exchange *ex)
{
    (void)!state_segment_plan(ex->service->state, routes_text(ex, "DomainName"), routes_text(ex, "SegmentDefinitionName"),
                              &ex->domain_id, &ex->plan, &ex->err);
}

void segments_membership(struct exchange *ex)
{
    double now = routes_now(ex);
    ex->reply = cJSON_CreateObject();
    cJSON_AddStringToObject(ex->reply, "SegmentDefinitionName", routes_text(ex, "SegmentDefinitionName"));
    cJSON_AddNumberToObject(ex->reply, "LastComputedAt", now);
    (void)!profiles_membership(ex->service->data_dir, ex->domain_id, ex->plan, cJSON_GetObjectItemCaseSensitive(ex->params, "ProfileIds"),
                               now, ex->reply, &ex->err);
}
