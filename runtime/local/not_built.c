/* The operations of the service that this one does not answer: so that a 501 can name them. From the public service
 * model, API version 2020-08-15. */
#include "local/not_built.h"

#include <string.h>

static const struct {
    const char *method, *path, *name;
} operations[] = {
    {"POST", "/domains/{DomainName}/profiles/keys", "AddProfileKey"},
    {"POST", "/domains/{DomainName}/calculated-attributes/{CalculatedAttributeName}/batch-get-for-profiles", "BatchGetCalculatedAttributeForProfile"},
    {"POST", "/domains/{DomainName}/batch-get-profiles", "BatchGetProfile"},
    {"PUT", "/domains/{DomainName}/profiles/objects/batch-put-profile-object", "BatchPutProfileObject"},
    {"POST", "/domains/{DomainName}/calculated-attributes/{CalculatedAttributeName}", "CreateCalculatedAttributeDefinition"},
    {"POST", "/domains/{DomainName}/layouts/{LayoutDefinitionName}", "CreateDomainLayout"},
    {"POST", "/domains/{DomainName}/event-streams/{EventStreamName}", "CreateEventStream"},
    {"POST", "/domains/{DomainName}/event-triggers/{EventTriggerName}", "CreateEventTrigger"},
    {"POST", "/domains/{DomainName}/workflows/integrations", "CreateIntegrationWorkflow"},
    {"POST", "/domains/{DomainName}/profiles", "CreateProfile"},
    {"POST", "/domains/{DomainName}/recommenders/{RecommenderName}", "CreateRecommender"},
    {"POST", "/domains/{DomainName}/recommender-filters/{RecommenderFilterName}", "CreateRecommenderFilter"},
    {"POST", "/domains/{DomainName}/recommender-schemas/{RecommenderSchemaName}", "CreateRecommenderSchema"},
    {"POST", "/domains/{DomainName}/segment-definitions/{SegmentDefinitionName}", "CreateSegmentDefinition"},
    {"POST", "/domains/{DomainName}/segment-estimates", "CreateSegmentEstimate"},
    {"POST", "/domains/{DomainName}/segments/{SegmentDefinitionName}/snapshots", "CreateSegmentSnapshot"},
    {"DELETE", "/domains/{DomainName}/calculated-attributes/{CalculatedAttributeName}", "DeleteCalculatedAttributeDefinition"},
    {"DELETE", "/domains/{DomainName}/layouts/{LayoutDefinitionName}", "DeleteDomainLayout"},
    {"DELETE", "/domains/{DomainName}/domain-object-types/{ObjectTypeName}", "DeleteDomainObjectType"},
    {"DELETE", "/domains/{DomainName}/event-streams/{EventStreamName}", "DeleteEventStream"},
    {"DELETE", "/domains/{DomainName}/event-triggers/{EventTriggerName}", "DeleteEventTrigger"},
    {"POST", "/domains/{DomainName}/integrations/delete", "DeleteIntegration"},
    {"POST", "/domains/{DomainName}/profiles/delete", "DeleteProfile"},
    {"POST", "/domains/{DomainName}/profiles/keys/delete", "DeleteProfileKey"},
    {"POST", "/domains/{DomainName}/profiles/objects/delete", "DeleteProfileObject"},
    {"DELETE", "/domains/{DomainName}/object-types/{ObjectTypeName}", "DeleteProfileObjectType"},
    {"DELETE", "/domains/{DomainName}/recommenders/{RecommenderName}", "DeleteRecommender"},
    {"DELETE", "/domains/{DomainName}/recommender-filters/{RecommenderFilterName}", "DeleteRecommenderFilter"},
    {"DELETE", "/domains/{DomainName}/recommender-schemas/{RecommenderSchemaName}", "DeleteRecommenderSchema"},
    {"DELETE", "/domains/{DomainName}/segment-definitions/{SegmentDefinitionName}", "DeleteSegmentDefinition"},
    {"DELETE", "/domains/{DomainName}/workflows/{WorkflowId}", "DeleteWorkflow"},
    {"POST", "/domains/{DomainName}/detect/object-types", "DetectProfileObjectType"},
    {"POST", "/domains/{DomainName}/identity-resolution-jobs/auto-merging-preview", "GetAutoMergingPreview"},
    {"GET", "/domains/{DomainName}/calculated-attributes/{CalculatedAttributeName}", "GetCalculatedAttributeDefinition"},
    {"GET", "/domains/{DomainName}/profile/{ProfileId}/calculated-attributes/{CalculatedAttributeName}", "GetCalculatedAttributeForProfile"},
    {"GET", "/domains/{DomainName}/layouts/{LayoutDefinitionName}", "GetDomainLayout"},
    {"GET", "/domains/{DomainName}/domain-object-types/{ObjectTypeName}", "GetDomainObjectType"},
    {"GET", "/domains/{DomainName}/event-streams/{EventStreamName}", "GetEventStream"},
    {"GET", "/domains/{DomainName}/event-triggers/{EventTriggerName}", "GetEventTrigger"},
    {"GET", "/domains/{DomainName}/identity-resolution-jobs/{JobId}", "GetIdentityResolutionJob"},
    {"POST", "/domains/{DomainName}/integrations", "GetIntegration"},
    {"GET", "/domains/{DomainName}/matches", "GetMatches"},
    {"POST", "/domains/{DomainName}/object-types/{ObjectTypeName}/attributes/{AttributeName}/statistics", "GetObjectTypeAttributeStatistics"},
    {"GET", "/domains/{DomainName}/profiles/{ProfileId}/history-records/{Id}", "GetProfileHistoryRecord"},
    {"GET", "/domains/{DomainName}/object-types/{ObjectTypeName}", "GetProfileObjectType"},
    {"GET", "/templates/{TemplateId}", "GetProfileObjectTypeTemplate"},
    {"POST", "/domains/{DomainName}/profiles/{ProfileId}/recommendations", "GetProfileRecommendations"},
    {"GET", "/domains/{DomainName}/recommenders/{RecommenderName}", "GetRecommender"},
    {"GET", "/domains/{DomainName}/recommender-filters/{RecommenderFilterName}", "GetRecommenderFilter"},
    {"GET", "/domains/{DomainName}/recommender-schemas/{RecommenderSchemaName}", "GetRecommenderSchema"},
    {"GET", "/domains/{DomainName}/segment-definitions/{SegmentDefinitionName}", "GetSegmentDefinition"},
    {"GET", "/domains/{DomainName}/segment-estimates/{EstimateId}", "GetSegmentEstimate"},
    {"POST", "/domains/{DomainName}/segments/{SegmentDefinitionName}/membership", "GetSegmentMembership"},
    {"GET", "/domains/{DomainName}/segments/{SegmentDefinitionName}/snapshots/{SnapshotId}", "GetSegmentSnapshot"},
    {"POST", "/domains/{DomainName}/matches", "GetSimilarProfiles"},
    {"GET", "/domains/{DomainName}/workflows/{WorkflowId}", "GetWorkflow"},
    {"GET", "/domains/{DomainName}/workflows/{WorkflowId}/steps", "GetWorkflowSteps"},
    {"POST", "/integrations", "ListAccountIntegrations"},
    {"GET", "/domains/{DomainName}/calculated-attributes", "ListCalculatedAttributeDefinitions"},
    {"GET", "/domains/{DomainName}/profile/{ProfileId}/calculated-attributes", "ListCalculatedAttributesForProfile"},
    {"GET", "/domains/{DomainName}/layouts", "ListDomainLayouts"},
    {"GET", "/domains/{DomainName}/domain-object-types", "ListDomainObjectTypes"},
    {"GET", "/domains/{DomainName}/event-streams", "ListEventStreams"},
    {"GET", "/domains/{DomainName}/event-triggers", "ListEventTriggers"},
    {"GET", "/domains/{DomainName}/identity-resolution-jobs", "ListIdentityResolutionJobs"},
    {"GET", "/domains/{DomainName}/integrations", "ListIntegrations"},
    {"GET", "/domains/{DomainName}/object-types/{ObjectTypeName}/attributes/{AttributeName}/values", "ListObjectTypeAttributeValues"},
    {"GET", "/domains/{DomainName}/object-types/{ObjectTypeName}/attributes", "ListObjectTypeAttributes"},
    {"GET", "/domains/{DomainName}/profile-attributes/{AttributeName}/values", "ListProfileAttributeValues"},
    {"POST", "/domains/{DomainName}/profiles/history-records", "ListProfileHistoryRecords"},
    {"GET", "/templates", "ListProfileObjectTypeTemplates"},
    {"GET", "/domains/{DomainName}/object-types", "ListProfileObjectTypes"},
    {"POST", "/domains/{DomainName}/profiles/objects", "ListProfileObjects"},
    {"GET", "/domains/{DomainName}/recommender-filters", "ListRecommenderFilters"},
    {"GET", "/recommender-recipes", "ListRecommenderRecipes"},
    {"GET", "/domains/{DomainName}/recommender-schemas", "ListRecommenderSchemas"},
    {"GET", "/domains/{DomainName}/recommenders", "ListRecommenders"},
    {"GET", "/domains/{DomainName}/profiles/ruleBasedMatches", "ListRuleBasedMatches"},
    {"GET", "/domains/{DomainName}/segment-definitions", "ListSegmentDefinitions"},
    {"GET", "/tags/{resourceArn}", "ListTagsForResource"},
    {"POST", "/domains/{DomainName}/workflows", "ListWorkflows"},
    {"POST", "/domains/{DomainName}/profiles/objects/merge", "MergeProfiles"},
    {"PUT", "/domains/{DomainName}/domain-object-types/{ObjectTypeName}", "PutDomainObjectType"},
    {"PUT", "/domains/{DomainName}/integrations", "PutIntegration"},
    {"PUT", "/domains/{DomainName}/profiles/objects", "PutProfileObject"},
    {"PUT", "/domains/{DomainName}/object-types/{ObjectTypeName}", "PutProfileObjectType"},
    {"PUT", "/domains/{DomainName}/recommenders/{RecommenderName}/start", "StartRecommender"},
    {"PUT", "/domains/{DomainName}/recommenders/{RecommenderName}/stop", "StopRecommender"},
    {"POST", "/tags/{resourceArn}", "TagResource"},
    {"DELETE", "/tags/{resourceArn}", "UntagResource"},
    {"PUT", "/domains/{DomainName}/calculated-attributes/{CalculatedAttributeName}", "UpdateCalculatedAttributeDefinition"},
    {"PUT", "/domains/{DomainName}", "UpdateDomain"},
    {"PUT", "/domains/{DomainName}/layouts/{LayoutDefinitionName}", "UpdateDomainLayout"},
    {"PUT", "/domains/{DomainName}/event-triggers/{EventTriggerName}", "UpdateEventTrigger"},
    {"PUT", "/domains/{DomainName}/profiles", "UpdateProfile"},
    {"PATCH", "/domains/{DomainName}/recommenders/{RecommenderName}", "UpdateRecommender"},
};

/* Whether a path fits a template such as /domains/{DomainName}/profiles: how many of its parts are literal, or -1. */
static int fit(const char *template, const char *path)
{
    int literal = 0;
    while (*template && *path) {
        if (*template == '{') {
            size_t len = strcspn(path, "/");
            if (len == 0)
                return -1;
            path += len;
            template += strcspn(template, "}") + 1;
        } else if (*template++ != *path++) {
            return -1;
        } else {
            literal++;
        }
    }
    return *template || *path ? -1 : literal;
}

const char *not_built_name(const char *method, const char *path)
{
    const char *name = NULL;
    int most = -1;
    for (size_t i = 0; i < sizeof operations / sizeof operations[0]; i++) {
        if (strcmp(operations[i].method, method) != 0)
            continue;
        int literal = fit(operations[i].path, path);
        if (literal > most) {
            most = literal;
            name = operations[i].name;
        }
    }
    return name;
}
