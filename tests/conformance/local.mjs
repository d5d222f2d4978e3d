// The AWS SDK for JavaScript drives `upjob local`: an import from its domain to its profiles, pages, and errors by their classes.
import { createHash } from "node:crypto";
import http from "node:http";
import { Difference, check, refusal, same, sdk } from "./peers.mjs";
import { caller, withService } from "./service.mjs";

const SSE = "x-amz-server-side-encryption-customer-";
const Fields = { id: { Source: "_source.Id", Target: "_profile.Attributes.id" },
  mail: { Source: "_source.Mail", Target: "_profile.EmailAddress", ContentType: "EMAIL_ADDRESS" },
  phone: { Source: "_source.Phone", Target: "_profile.PhoneNumber", ContentType: "PHONE_NUMBER" },
  last: { Source: "_source.Last", Target: "_profile.LastName" } };
const rows = Array.from({ length: 25 }, (_, i) => `k${i},user${i}@example.com,+4930${1000000 + i},Müller-${i % 2 ? "Lüd" : "Łuk"}`);
const csv = ["Id,Mail,Phone,Last", ...rows, ",nobody@example.com,+49301,Nobody"].join("\n") + "\n";
const job = { DomainName: "acme", DisplayName: "spring – Zoë", UniqueKey: "id", Fields, DataExpiry: 30 };

/** A PUT through Node's own http, with the three headers and no other. */
function put(path, body, change = {}) {
  const key = Buffer.from(path.ClientToken, "base64");
  const headers = { [`${SSE}algorithm`]: "AES256", [`${SSE}key`]: path.ClientToken,
    [`${SSE}key-MD5`]: createHash("md5").update(key).digest("base64"), "Content-Length": Buffer.byteLength(body), ...change };
  return new Promise((resolve, reject) => {
    const request = http.request(path.Url, { method: "PUT", headers }, response => {
      let text = "";
      response.on("data", part => text += part);
      response.on("end", () => resolve({ status: response.statusCode, headers: response.headers, text }));
    });
    request.on("error", reject);
    request.end(body);
  });
}

async function ended(call, JobId) {
  for (const until = Date.now() + 60000; Date.now() < until;) {
    const reply = await call("GetUploadJob", { DomainName: "acme", JobId });
    if (!["CREATED", "IN_PROGRESS"].includes(reply.Status)) return reply;
    await new Promise(resolve => setTimeout(resolve, 20));
  }
  throw new Difference("the job has not ended within a minute");
}

/** The SDK has no paginator for these: the tokens passed on by hand. */
async function pagesByToken(call, operation, params) {
  const pages = [];
  let NextToken;
  do {
    const page = await call(operation, { ...params, NextToken });
    pages.push(page.Items);
    NextToken = page.NextToken;
  } while (NextToken);
  return pages;
}

async function pagesOf(paginate, call, params, pageSize) {
  const pages = [];
  for await (const page of paginate({ client: call.client, pageSize }, params)) pages.push(page.Items);
  return pages;
}

/** An error is of its class and of the service's, and has what every error of the SDK has. */
function isError(call, error, name, status) {
  same("name", error.name, name);
  same("status", error.$metadata.httpStatusCode, status);
  same("fault", error.$fault, status < 500 ? "client" : "server");
  if (sdk[name]) {
    same(`is a ${name}`, error instanceof sdk[name], true);
    same("message", error.message, JSON.parse(call.last().body).Message);
  }
  same("is the service's", error instanceof sdk.CustomerProfilesServiceException, true);
  if (!error.message || !error.$metadata.requestId) throw new Difference(`no message or request id: ${JSON.stringify(error)}`);
}

async function domains(call) {
  await check("CreateDomain", async () => {
    const reply = await call("CreateDomain", { DomainName: "acme", DefaultExpirationDays: 90, Tags: { team: "crm" } });
    same("reply", [reply.DomainName, reply.DefaultExpirationDays, reply.Tags], ["acme", 90, { team: "crm" }]);
    same("dates", [reply.CreatedAt instanceof Date, Math.abs(reply.CreatedAt - Date.now()) < 60000], [true, true]);
  });
  await check("GetDomain", async () => {
    const reply = await call("GetDomain", { DomainName: "acme" });
    same("reply", [reply.DomainName, reply.DefaultExpirationDays, reply.Stats.ProfileCount, reply.Tags], ["acme", 90, 0, { team: "crm" }]);
  });
  await check("ListDomains, in pages", async () => {
    for (const name of ["b", "c", "d", "e"]) await call("CreateDomain", { DomainName: name, DefaultExpirationDays: 1 });
    const pages = await pagesByToken(call, "ListDomains", { MaxResults: 2 });
    const names = pages.map(page => page.map(item => item.DomainName));
    same("names", names, [["acme", "b"], ["c", "d"], ["e"]]);
  });
  await check("DeleteDomain", async () => {
    await call("DeleteDomain", { DomainName: "e" });
    isError(call, await refusal(call("GetDomain", { DomainName: "e" })), "ResourceNotFoundException", 404);
  });
}

async function imports(call) {
  let JobId, path;
  await check("CreateUploadJob", async () => ({ JobId } = await call("CreateUploadJob", job)));
  await check("GetUploadJob gives back what was created", async () => {
    const reply = await call("GetUploadJob", { DomainName: "acme", JobId });
    const { DisplayName, UniqueKey, DataExpiry, Status } = reply;
    same("job", { DisplayName, UniqueKey, DataExpiry, Status, Fields: reply.Fields, JobId: reply.JobId },
      { DisplayName: job.DisplayName, UniqueKey: "id", DataExpiry: 30, Status: "CREATED", Fields, JobId });
    same("CreatedAt is a Date", reply.CreatedAt instanceof Date, true);
  });
  await check("GetUploadJobPath", async () => {
    path = await call("GetUploadJobPath", { DomainName: "acme", JobId });
    same("the key's bytes", Buffer.from(path.ClientToken, "base64").length, 32);
    same("is valid", path.ValidUntil > new Date(), true);
  });
  await check("a PUT with a wrong digest of the key is refused in XML", async () => {
    const reply = await put(path, csv, { [`${SSE}key-MD5`]: "AAAAAAAAAAAAAAAAAAAAAA==" });
    same("status and code", [reply.status, /<Code>(.*)<\/Code>/.exec(reply.text)?.[1]], [400, "InvalidArgument"]);
  });
  await check("a PUT through Node's http with SSE-C", async () => {
    const reply = await put(path, csv);
    same("status", [reply.status, reply.headers[`${SSE}algorithm`]], [200, "AES256"]);
  });
  await check("StartUploadJob, and the job ends", async () => {
    await call("StartUploadJob", { DomainName: "acme", JobId });
    const { Status, ResultsSummary, CompletedAt } = await ended(call, JobId);
    same("job", [Status, ResultsSummary, CompletedAt instanceof Date],
      ["PARTIALLY_SUCCEEDED", { CreatedRecords: 25, UpdatedRecords: 0, FailedRecords: 1 }, true]);
  });
  await check("a job that was started cannot be started again: BadRequestException", async () => {
    isError(call, await refusal(call("StartUploadJob", { DomainName: "acme", JobId })), "BadRequestException", 400);
  });
  await check("StopUploadJob", async () => {
    const other = await call("CreateUploadJob", job);
    await call("StopUploadJob", { DomainName: "acme", JobId: other.JobId });
    same("status", (await call("GetUploadJob", { DomainName: "acme", JobId: other.JobId })).Status, "STOPPED");
  });
  await check("ListUploadJobs, in pages of the SDK's paginator", async () => {
    for (let i = 0; i < 3; i++) await call("CreateUploadJob", { ...job, DisplayName: `job ${i}` });
    const pages = await pagesOf(sdk.paginateListUploadJobs, call, { DomainName: "acme" }, 2);
    same("pages", pages.map(page => page.length), [2, 2, 1]);
    same("all jobs once", new Set(pages.flat().map(item => item.JobId)).size, 5);
    await call("ListUploadJobs", { DomainName: "acme", MaxResults: 500 });
  });
}

async function searches(call) {
  const search = params => call("SearchProfiles", { DomainName: "acme", ...params });
  for (const [KeyName, value, found] of [["_email", "USER3@example.com", 1], ["_phone", "+49301000003", 1], ["id", "k3", 1],
    ["_fullName", "müller-łuk", 13], ["_email", "none@example.com", 0]])
    await check(`SearchProfiles for ${KeyName} ${value}`, async () => {
      same("found", (await search({ KeyName, Values: [value] })).Items.length, found);
    });
  await check("SearchProfiles gives a Profile as it was imported", async () => {
    const { Items: [profile] } = await search({ KeyName: "id", Values: ["k3"] });
    same("profile", [profile.EmailAddress, profile.PhoneNumber, profile.LastName, profile.Attributes],
      ["user3@example.com", "+49301000003", "Müller-Lüd", { id: "k3" }]);
  });
  await check("SearchProfiles with several keys, OR and AND", async () => {
    const keys = { KeyName: "id", Values: ["k3"], AdditionalSearchKeys: [{ KeyName: "_email", Values: ["user4@example.com"] }] };
    same("OR", (await search({ ...keys, LogicalOperator: "OR" })).Items.length, 2);
    same("AND", (await search({ ...keys, LogicalOperator: "AND" })).Items.length, 0);
  });
  await check("SearchProfiles, in pages", async () => {
    const params = { DomainName: "acme", KeyName: "_fullName", Values: ["Müller-Łuk"], MaxResults: 5 };
    const pages = await pagesByToken(call, "SearchProfiles", params);
    same("pages", pages.map(page => page.length), [5, 5, 3]);
    same("all profiles once", new Set(pages.flat().map(item => item.ProfileId)).size, 13);
  });
}

async function segments(call) {
  const SegmentGroups = { Include: "ALL", Groups: [{ Type: "ANY", Dimensions: [{ ProfileAttributes: {
    Attributes: { id: { DimensionType: "INCLUSIVE", Values: ["k3", "k4"] } } } }] }] };
  const named = { DomainName: "acme", SegmentDefinitionName: "two" };
  const segment = { ...named, DisplayName: "Two – Zoë", Description: "two of them", SegmentGroups, Tags: { team: "crm" } };
  let EstimateId;
  await check("CreateSegmentDefinition", async () => {
    const { CreatedAt, DisplayName, Tags } = await call("CreateSegmentDefinition", segment);
    same("reply", [CreatedAt instanceof Date, DisplayName, Tags], [true, segment.DisplayName, segment.Tags]);
  });
  await check("CreateSegmentDefinition of a name that is taken: BadRequestException", async () => {
    isError(call, await refusal(call("CreateSegmentDefinition", segment)), "BadRequestException", 400);
  });
  await check("GetSegmentDefinition gives back what was created", async () => {
    const reply = await call("GetSegmentDefinition", named);
    same("reply", [reply.SegmentGroups, reply.SegmentType, reply.Description], [SegmentGroups, "CLASSIC", segment.Description]);
  });
  await check("CreateSegmentEstimate", async () => {
    const reply = await call("CreateSegmentEstimate", { DomainName: "acme", SegmentQuery: SegmentGroups });
    same("status", reply.StatusCode, 200);
    ({ EstimateId } = reply);
  });
  await check("GetSegmentEstimate, and the estimate ends", async () => {
    let reply;
    for (const until = Date.now() + 60000; Date.now() < until;) {
      reply = await call("GetSegmentEstimate", { DomainName: "acme", EstimateId });
      if (reply.Status !== "RUNNING") break;
      await new Promise(resolve => setTimeout(resolve, 20));
    }
    same("estimate", [reply.Status, reply.Estimate, reply.EstimateId], ["SUCCEEDED", "2", EstimateId]);
  });
  await check("GetSegmentMembership", async () => {
    const missing = "0123456789abcdef0123456789abcdef", ids = [];
    for (const id of ["k3", "k5"])
      ids.push((await call("SearchProfiles", { DomainName: "acme", KeyName: "id", Values: [id] })).Items[0].ProfileId);
    const reply = await call("GetSegmentMembership", { ...named, ProfileIds: [...ids, missing] });
    same("results", reply.Profiles.map(item => item.QueryResult), ["PRESENT", "ABSENT"]);
    same("profile", reply.Profiles[0].Profile.EmailAddress, "user3@example.com");
    same("failures", reply.Failures.map(item => item.ProfileId), [missing]);
    same("LastComputedAt is a Date", reply.LastComputedAt instanceof Date, true);
  });
  await check("ListSegmentDefinitions, in pages of the SDK's paginator", async () => {
    for (const name of ["a", "b"]) await call("CreateSegmentDefinition", { ...segment, SegmentDefinitionName: name });
    const pages = await pagesOf(sdk.paginateListSegmentDefinitions, call, { DomainName: "acme" }, 2);
    same("names", pages.map(page => page.map(item => item.SegmentDefinitionName)), [["a", "b"], ["two"]]);
  });
  await check("DeleteSegmentDefinition", async () => {
    await call("DeleteSegmentDefinition", named);
    isError(call, await refusal(call("GetSegmentDefinition", named)), "ResourceNotFoundException", 404);
  });
  await check("a SegmentSqlQuery: 501 NotImplementedException", async () => {
    const error = await refusal(call("CreateSegmentEstimate", { DomainName: "acme", SegmentSqlQuery: "SELECT 1" }));
    isError(call, error, "NotImplementedException", 501);
  });
}

async function errors(call, url) {
  const missing = "0123456789abcdef0123456789abcdef";
  for (const [operation, params] of [["GetDomain", {}], ["DeleteDomain", {}], ["ListUploadJobs", {}], ["CreateUploadJob", job],
    ["GetUploadJob", { JobId: missing }], ["GetUploadJobPath", { JobId: missing }], ["StartUploadJob", { JobId: missing }],
    ["StopUploadJob", { JobId: missing }], ["SearchProfiles", { KeyName: "id", Values: ["x"] }]])
    await check(`${operation} in a domain that is missing: ResourceNotFoundException`, async () => {
      isError(call, await refusal(call(operation, { ...params, DomainName: "none" })), "ResourceNotFoundException", 404);
    });
  for (const [operation, params] of [["CreateDomain", { DefaultExpirationDays: 0 }], ["CreateDomain", { DefaultExpirationDays: 1 }],
    ["GetUploadJob", { JobId: "short" }], ["ListUploadJobs", { MaxResults: 501 }],
    ["ListUploadJobs", { NextToken: "made up" }], ["SearchProfiles", { KeyName: "id", Values: ["x"], MaxResults: 101 }]])
    await check(`${operation} with ${JSON.stringify(params)}: BadRequestException`, async () => {
      isError(call, await refusal(call(operation, { DomainName: "acme", ...params })), "BadRequestException", 400);
    });
  await check("CreateUploadJob with a DataExpiry of 1099 days: BadRequestException", async () => {
    isError(call, await refusal(call("CreateUploadJob", { ...job, DataExpiry: 1099 })), "BadRequestException", 400);
  });
  await check("an operation that is not built in: 501 NotImplementedException, named", async () => {
    const error = await refusal(call("ListEventTriggers", { DomainName: "acme" }));
    isError(call, error, "NotImplementedException", 501);
    same("named", error.message.includes("ListEventTriggers"), true);
  });
  for (const [accessKeyId, secretAccessKey, name] of [["other", "local", "UnrecognizedClientException"],
    ["local", "other", "InvalidSignatureException"]])
    await check(`a key that is not local's: ${name}`, async () => {
      const stranger = caller(url, { credentials: { accessKeyId, secretAccessKey } });
      isError(stranger, await refusal(stranger("ListDomains", {})), name, 403);
    });
}

async function badDays() {
  for (const [fault, name, status] of [["throttle", "ThrottlingException", 429], ["error", "InternalServerException", 500],
    ["deny", "AccessDeniedException", 403]])
    await check(`--fault ${fault}=1: ${name}`, () => withService(["--domain", "acme", "--fault", `${fault}=1`], async url => {
      const call = caller(url);
      isError(call, await refusal(call("ListUploadJobs", { DomainName: "acme" })), name, status);
      same("retryable", Boolean((await refusal(call("GetDomain", { DomainName: "acme" }))).$retryable), false);
    }));
  await check("throttled calls are taken up by the SDK's own retries", () =>
    withService(["--domain", "acme", "--fault", "throttle=0.5,seed=1"], async url => {
      const call = caller(url, { maxAttempts: 10 });
      for (let i = 0; i < 5; i++) same("name", (await call("GetDomain", { DomainName: "acme" })).DomainName, "acme");
    }));
}

await withService([], async url => {
  const call = caller(url);
  await domains(call);
  await imports(call);
  await searches(call);
  await segments(call);
  await errors(call, url);
});
await badDays();
