/* The rows of the operations: Customer Profiles, API version 2020-08-15, from the public service model. */
#include "core/operations_table.h"

/* CreateUploadJob */
INTEGER(expirationDaysInteger, FROM_TO(1, 1098));
STRING(string1To255, FROM_TO(1, 255));
STRING(name, FROM_TO(1, 64), LIKE("^[a-zA-Z0-9_-]+$"));
STRING(fieldName, FROM_TO(1, 64), LIKE("^[a-zA-Z0-9_.-]+$"));
ENUM(FieldContentType, "STRING", "NUMBER", "PHONE_NUMBER", "EMAIL_ADDRESS", "NAME");
STRING(text, FROM_TO(1, 1000));
STRUCTURE(ObjectTypeField, MAY(ContentType, FieldContentType) MAY(Source, text) MAY(Target, text));
MAP(FieldMap, fieldName, ObjectTypeField, SENSITIVE);
STRUCTURE(CreateUploadJobRequest,
    MAY(DataExpiry, expirationDaysInteger) MUST(DisplayName, string1To255) PATH(DomainName, name)
    MUST(Fields, FieldMap) MUST(UniqueKey, text));
STRING(uuid, LIKE("[a-f0-9]{32}"));
STRUCTURE(CreateUploadJobResponse, MUST(JobId, uuid));

/* ListUploadJobs */
INTEGER(MaxSize500, FROM_TO(1, 500));
STRING(token, FROM_TO(1, 1024));
STRUCTURE(ListUploadJobsRequest,
    PATH(DomainName, name) QUERY(MaxResults, MaxSize500, "max-results") QUERY(NextToken, token, "next-token"));
TIMESTAMP(timestamp);
ENUM(UploadJobStatus, "CREATED", "IN_PROGRESS", "PARTIALLY_SUCCEEDED", "SUCCEEDED", "FAILED", "STOPPED");
ENUM(StatusReason, "VALIDATION_FAILURE", "INTERNAL_FAILURE");
STRUCTURE(UploadJobItem,
    MAY(CompletedAt, timestamp) MAY(CreatedAt, timestamp) MAY(DataExpiry, expirationDaysInteger)
    MAY(DisplayName, string1To255) MAY(JobId, uuid) MAY(Status, UploadJobStatus) MAY(StatusReason, StatusReason));
LIST(UploadJobsList, UploadJobItem);
STRUCTURE(ListUploadJobsResponse, MAY(Items, UploadJobsList) MAY(NextToken, token));

/* GetUploadJob */
STRUCTURE(GetUploadJobRequest, PATH(DomainName, name) PATH(JobId, uuid));
INTEGER(optionalLong);
STRUCTURE(ResultsSummary,
    MAY(CreatedRecords, optionalLong) MAY(FailedRecords, optionalLong) MAY(UpdatedRecords, optionalLong));
STRUCTURE(GetUploadJobResponse,
    MAY(CompletedAt, timestamp) MAY(CreatedAt, timestamp) MAY(DataExpiry, expirationDaysInteger)
    MAY(DisplayName, string1To255) MAY(Fields, FieldMap) MAY(JobId, uuid) MAY(ResultsSummary, ResultsSummary)
    MAY(Status, UploadJobStatus) MAY(StatusReason, StatusReason) MAY(UniqueKey, text));

/* GetUploadJobPath */
STRUCTURE(GetUploadJobPathRequest, PATH(DomainName, name) PATH(JobId, name));
STRING(stringTo2048, UP_TO(2048), LIKE(".*"));
STRUCTURE(GetUploadJobPathResponse, MAY(ClientToken, text) MUST(Url, stringTo2048) MAY(ValidUntil, timestamp));

/* StartUploadJob */
STRUCTURE(StartUploadJobRequest, PATH(DomainName, name) PATH(JobId, name));
STRUCTURE(StartUploadJobResponse, );

/* StopUploadJob */
STRUCTURE(StopUploadJobRequest, PATH(DomainName, name) PATH(JobId, name));
STRUCTURE(StopUploadJobResponse, );

/* CreateDomain */
BOOLEAN(optionalBoolean);
STRUCTURE(DataStoreRequest, MAY(Enabled, optionalBoolean));
STRING(sqsQueueUrl, FROM_TO(0, 255));
STRING(encryptionKey, FROM_TO(0, 255));
ENUM(ConflictResolvingModel, "RECENCY", "SOURCE");
STRUCTURE(ConflictResolution, MUST(ConflictResolvingModel, ConflictResolvingModel) MAY(SourceName, string1To255));
LIST(MatchingAttributes, string1To255, FROM_TO(1, 20));
LIST(MatchingAttributesList, MatchingAttributes, FROM_TO(1, 10));
STRUCTURE(Consolidation, MUST(MatchingAttributesList, MatchingAttributesList));
DOUBLE(Double0To1, FROM_TO(0, 1));
STRUCTURE(AutoMerging,
    MAY(ConflictResolution, ConflictResolution) MAY(Consolidation, Consolidation) MUST(Enabled, optionalBoolean)
    MAY(MinAllowedConfidenceScoreForMerging, Double0To1));
STRING(s3BucketName, FROM_TO(3, 63), LIKE("^[a-z0-9.-]+$"));
STRING(s3KeyNameCustomerOutputConfig, FROM_TO(1, 800), LIKE(".*"));
STRUCTURE(S3ExportingConfig, MUST(S3BucketName, s3BucketName) MAY(S3KeyName, s3KeyNameCustomerOutputConfig));
STRUCTURE(ExportingConfig, MAY(S3Exporting, S3ExportingConfig));
ENUM(JobScheduleDayOfTheWeek, "SUNDAY", "MONDAY", "TUESDAY", "WEDNESDAY", "THURSDAY", "FRIDAY", "SATURDAY");
STRING(JobScheduleTime, FROM_TO(3, 5), LIKE("^([0-9]|0[0-9]|1[0-9]|2[0-3]):[0-5][0-9]$"));
STRUCTURE(JobSchedule, MUST(DayOfTheWeek, JobScheduleDayOfTheWeek) MUST(Time, JobScheduleTime));
STRUCTURE(MatchingRequest,
    MAY(AutoMerging, AutoMerging) MUST(Enabled, optionalBoolean) MAY(ExportingConfig, ExportingConfig)
    MAY(JobSchedule, JobSchedule));
LIST(AddressList, string1To255, FROM_TO(1, 4));
ENUM(AttributeMatchingModel, "ONE_TO_ONE", "MANY_TO_MANY");
LIST(EmailList, string1To255, FROM_TO(1, 3));
LIST(PhoneNumberList, string1To255, FROM_TO(1, 4));
STRUCTURE(AttributeTypesSelector,
    MAY(Address, AddressList) MUST(AttributeMatchingModel, AttributeMatchingModel) MAY(EmailAddress, EmailList)
    MAY(PhoneNumber, PhoneNumberList));
LIST(MatchingRuleAttributeList, string1To255, FROM_TO(1, 15));
STRUCTURE(MatchingRule, MUST(Rule, MatchingRuleAttributeList));
LIST(MatchingRules, MatchingRule, FROM_TO(1, 15));
INTEGER(MaxAllowedRuleLevelForMatching, FROM_TO(1, 15));
INTEGER(MaxAllowedRuleLevelForMerging, FROM_TO(1, 15));
STRUCTURE(RuleBasedMatchingRequest,
    MAY(AttributeTypesSelector, AttributeTypesSelector) MAY(ConflictResolution, ConflictResolution)
    MUST(Enabled, optionalBoolean) MAY(ExportingConfig, ExportingConfig) MAY(MatchingRules, MatchingRules)
    MAY(MaxAllowedRuleLevelForMatching, MaxAllowedRuleLevelForMatching)
    MAY(MaxAllowedRuleLevelForMerging, MaxAllowedRuleLevelForMerging));
STRING(TagKey, FROM_TO(1, 128), LIKE("^(?!aws:)[a-zA-Z+-=._:/]+$"));
STRING(TagValue, UP_TO(256));
MAP(TagMap, TagKey, TagValue, FROM_TO(1, 50));
STRUCTURE(CreateDomainRequest,
    MAY(DataStore, DataStoreRequest) MAY(DeadLetterQueueUrl, sqsQueueUrl) MAY(DefaultEncryptionKey, encryptionKey)
    MUST(DefaultExpirationDays, expirationDaysInteger) PATH(DomainName, name) MAY(Matching, MatchingRequest)
    MAY(RuleBasedMatching, RuleBasedMatchingRequest) MAY(Tags, TagMap));
INTEGER(percentageInteger, FROM_TO(0, 100));
STRUCTURE(Readiness, MAY(Message, text) MAY(ProgressPercentage, percentageInteger));
STRUCTURE(DataStoreResponse, MAY(Enabled, optionalBoolean) MAY(Readiness, Readiness));
STRUCTURE(MatchingResponse,
    MAY(AutoMerging, AutoMerging) MAY(Enabled, optionalBoolean) MAY(ExportingConfig, ExportingConfig)
    MAY(JobSchedule, JobSchedule));
ENUM(RuleBasedMatchingStatus, "PENDING", "IN_PROGRESS", "ACTIVE");
STRUCTURE(RuleBasedMatchingResponse,
    MAY(AttributeTypesSelector, AttributeTypesSelector) MAY(ConflictResolution, ConflictResolution)
    MAY(Enabled, optionalBoolean) MAY(ExportingConfig, ExportingConfig) MAY(MatchingRules, MatchingRules)
    MAY(MaxAllowedRuleLevelForMatching, MaxAllowedRuleLevelForMatching)
    MAY(MaxAllowedRuleLevelForMerging, MaxAllowedRuleLevelForMerging) MAY(Status, RuleBasedMatchingStatus));
STRUCTURE(CreateDomainResponse,
    MUST(CreatedAt, timestamp) MAY(DataStore, DataStoreResponse) MAY(DeadLetterQueueUrl, sqsQueueUrl)
    MAY(DefaultEncryptionKey, encryptionKey) MUST(DefaultExpirationDays, expirationDaysInteger)
    MUST(DomainName, name) MUST(LastUpdatedAt, timestamp) MAY(Matching, MatchingResponse)
    MAY(RuleBasedMatching, RuleBasedMatchingResponse) MAY(Tags, TagMap));

/* GetDomain */
STRUCTURE(GetDomainRequest, PATH(DomainName, name));
INTEGER(long);
STRUCTURE(DomainStats,
    MAY(MeteringProfileCount, long) MAY(ObjectCount, long) MAY(ProfileCount, long) MAY(TotalSize, long));
STRUCTURE(GetDomainResponse,
    MUST(CreatedAt, timestamp) MAY(DataStore, DataStoreResponse) MAY(DeadLetterQueueUrl, sqsQueueUrl)
    MAY(DefaultEncryptionKey, encryptionKey) MAY(DefaultExpirationDays, expirationDaysInteger) MUST(DomainName, name)
    MUST(LastUpdatedAt, timestamp) MAY(Matching, MatchingResponse) MAY(RuleBasedMatching, RuleBasedMatchingResponse)
    MAY(Stats, DomainStats) MAY(Tags, TagMap));

/* ListDomains */
INTEGER(maxSize100, FROM_TO(1, 100));
STRUCTURE(ListDomainsRequest, QUERY(MaxResults, maxSize100, "max-results") QUERY(NextToken, token, "next-token"));
STRUCTURE(ListDomainItem,
    MUST(CreatedAt, timestamp) MUST(DomainName, name) MUST(LastUpdatedAt, timestamp) MAY(Tags, TagMap));
LIST(DomainList, ListDomainItem);
STRUCTURE(ListDomainsResponse, MAY(Items, DomainList) MAY(NextToken, token));

/* DeleteDomain */
STRUCTURE(DeleteDomainRequest, PATH(DomainName, name));
STRING(message);
STRUCTURE(DeleteDomainResponse, MUST(Message, message));

/* SearchProfiles */
LIST(requestValueList, string1To255);
STRUCTURE(AdditionalSearchKey, MUST(KeyName, name) MUST(Values, requestValueList));
LIST(additionalSearchKeysList, AdditionalSearchKey, FROM_TO(1, 4));
ENUM(logicalOperator, "AND", "OR");
STRUCTURE(SearchProfilesRequest,
    MAY(AdditionalSearchKeys, additionalSearchKeysList) PATH(DomainName, name) MUST(KeyName, name)
    MAY(LogicalOperator, logicalOperator) QUERY(MaxResults, maxSize100, "max-results")
    QUERY(NextToken, token, "next-token") MUST(Values, requestValueList));
STRING(sensitiveString1To255, FROM_TO(1, 255), SENSITIVE);
STRING(sensitiveString1To1000, FROM_TO(1, 1000), SENSITIVE);
SENSITIVE_STRUCTURE(Address,
    MAY(Address1, string1To255) MAY(Address2, string1To255) MAY(Address3, string1To255) MAY(Address4, string1To255)
    MAY(City, string1To255) MAY(Country, string1To255) MAY(County, string1To255) MAY(PostalCode, string1To255)
    MAY(Province, string1To255) MAY(State, string1To255));
MAP(Attributes, string1To255, string1To255, SENSITIVE);
ENUM(ContactType,
    "PhoneNumber", "MobilePhoneNumber", "HomePhoneNumber", "BusinessPhoneNumber", "EmailAddress",
    "PersonalEmailAddress", "BusinessEmailAddress");
STRUCTURE(ContactPreference,
    MAY(ContactType, ContactType) MAY(KeyName, name) MAY(KeyValue, string1To255) MAY(ProfileId, uuid));
LIST(EmailPreferenceList, ContactPreference);
LIST(PhonePreferenceList, ContactPreference);
SENSITIVE_STRUCTURE(EngagementPreferences, MAY(Email, EmailPreferenceList) MAY(Phone, PhonePreferenceList));
STRUCTURE(FoundByKeyValue, MAY(KeyName, name) MAY(Values, requestValueList));
LIST(foundByList, FoundByKeyValue, FROM_TO(1, 5));
SENSITIVE_ENUM(Gender, "MALE", "FEMALE", "UNSPECIFIED");
SENSITIVE_ENUM(PartyType, "INDIVIDUAL", "BUSINESS", "OTHER");
SENSITIVE_ENUM(ProfileType, "ACCOUNT_PROFILE", "PROFILE");
STRUCTURE(Profile,
    MAY(AccountNumber, sensitiveString1To255) MAY(AdditionalInformation, sensitiveString1To1000)
    MAY(Address, Address) MAY(Attributes, Attributes) MAY(BillingAddress, Address)
    MAY(BirthDate, sensitiveString1To255) MAY(BusinessEmailAddress, sensitiveString1To255)
    MAY(BusinessName, sensitiveString1To255) MAY(BusinessPhoneNumber, sensitiveString1To255)
    MAY(EmailAddress, sensitiveString1To255) MAY(EngagementPreferences, EngagementPreferences)
    MAY(FirstName, sensitiveString1To255) MAY(FoundByItems, foundByList) MAY(Gender, Gender)
    MAY(GenderString, sensitiveString1To255) MAY(HomePhoneNumber, sensitiveString1To255)
    MAY(LastName, sensitiveString1To255) MAY(MailingAddress, Address) MAY(MiddleName, sensitiveString1To255)
    MAY(MobilePhoneNumber, sensitiveString1To255) MAY(PartyType, PartyType)
    MAY(PartyTypeString, sensitiveString1To255) MAY(PersonalEmailAddress, sensitiveString1To255)
    MAY(PhoneNumber, sensitiveString1To255) MAY(ProfileId, uuid) MAY(ProfileType, ProfileType)
    MAY(ShippingAddress, Address));
LIST(ProfileList, Profile);
STRUCTURE(SearchProfilesResponse, MAY(Items, ProfileList) MAY(NextToken, token));

/* ---- the operations ---- */

/* Creating an upload job has no idempotency token: sent twice, it makes two jobs. The others may be sent again. */
const struct operation operations_table[] = {
    OPERATION(CreateUploadJob, "create_upload_job", "POST", "/domains/{DomainName}/upload-jobs",
              .idempotent = false),
    OPERATION(ListUploadJobs, "list_upload_jobs", "GET", "/domains/{DomainName}/upload-jobs",
              .idempotent = true, .items = "Items"),
    OPERATION(GetUploadJob, "get_upload_job", "GET", "/domains/{DomainName}/upload-jobs/{JobId}",
              .idempotent = true),
    OPERATION(GetUploadJobPath, "get_upload_job_path", "GET", "/domains/{DomainName}/upload-jobs/{JobId}/path",
              .idempotent = true, .secret = "ClientToken"),
    OPERATION(StartUploadJob, "start_upload_job", "PUT", "/domains/{DomainName}/upload-jobs/{JobId}",
              .idempotent = true),
    OPERATION(StopUploadJob, "stop_upload_job", "PUT", "/domains/{DomainName}/upload-jobs/{JobId}/stop",
              .idempotent = true),
    OPERATION(CreateDomain, "create_domain", "POST", "/domains/{DomainName}",
              .idempotent = true),
    OPERATION(GetDomain, "get_domain", "GET", "/domains/{DomainName}",
              .idempotent = true),
    OPERATION(ListDomains, "list_domains", "GET", "/domains",
              .idempotent = true, .items = "Items"),
    OPERATION(DeleteDomain, "delete_domain", "DELETE", "/domains/{DomainName}",
              .idempotent = true),
    OPERATION(SearchProfiles, "search_profiles", "POST", "/domains/{DomainName}/profiles/search",
              .idempotent = true, .items = "Items"),
};
const size_t operations_count = sizeof operations_table / sizeof *operations_table;
