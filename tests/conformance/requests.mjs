// What upjob sends for every operation, and what it makes of the reply, beside what the AWS SDK for JavaScript and botocore do
// with the same parameters.
import { createHash } from "node:crypto";
import { execFile } from "node:child_process";
import { writeFileSync } from "node:fs";
import { promisify } from "node:util";
import { casesFor, errorsFor } from "./cases.mjs";
import { NormalizedSchema, check, model, same, sdk, upjob } from "./peers.mjs";
import { record } from "./recorder.mjs";
import { compareSchemas, schemaOf } from "./schema.mjs";

const here = new URL(".", import.meta.url).pathname, work = process.env.WORK;
const run = promisify(execFile), most = { maxBuffer: 1 << 28 };

// What is not compared: who sends, when and how often; the signature, which follows from these; what is of the connection alone.
const apart = ["user-agent", "x-amz-user-agent", "amz-sdk-invocation-id", "amz-sdk-request", "x-amz-date", "authorization",
  "connection", "host"];
// botocore neither sends nor signs some that the SDK for JavaScript does, as upjob, and gives a DELETE a length.
const peers = { sdk: { headers: apart, signed: apart },
  botocore: { headers: [...apart, "x-amz-content-sha256", "accept-encoding"], signed: [...apart, "x-amz-content-sha256", "content-length"],
    lengthOfNothing: true } };

// ---- senders: each takes the cases to a URL and gives the replies as plain JSON ----

/** JSON as the SDK wants it (dates), or back. */
function converted(value, schema, convert) {
  if (value === undefined || value === null) return undefined;
  if (schema.isTimestampSchema()) return convert(value);
  if (schema.isListSchema()) return value.map(each => converted(each, schema.getValueSchema(), convert));
  if (schema.isMapSchema())
    return Object.fromEntries(Object.entries(value).map(([key, each]) => [key, converted(each, schema.getValueSchema(), convert)]));
  if (!schema.isStructSchema()) return value;
  const out = {};
  for (const [member, inner] of schema.structIterator())
    if (value[member] !== undefined) out[member] = converted(value[member], inner, convert);
  return out;
}

async function sendWithSdk(cases, url) {
  const client = new sdk.CustomerProfilesClient({ region: "us-east-1", endpoint: url, maxAttempts: 1,
    credentials: { accessKeyId: "AKIDEXAMPLE", secretAccessKey: "secret", sessionToken: "token/with+odd=characters" } });
  const replies = [];
  for (const { operation, params } of cases) {
    const [, , , , input, output] = schemaOf(operation);
    const command = new sdk[`${operation}Command`](converted(params, NormalizedSchema.of(input), seconds => new Date(seconds * 1000)));
    const reply = await client.send(command).catch(error => ({ error: { code: error.name, message: error.message,
      status: error.$metadata?.httpStatusCode, request_id: error.$metadata?.requestId } }));
    replies.push(reply.error ? reply : converted(reply, NormalizedSchema.of(output), date => date.getTime() / 1000));
  }
  client.destroy();
  return replies;
}

async function sendWith(command, ...args) {
  const { stdout } = await run(command, args, most);
  return stdout.trim().split("\n").map(line => JSON.parse(line));
}

// ---- comparison ----

const ordered = value => Array.isArray(value) ? value.map(ordered)
  : value && typeof value === "object" ? Object.fromEntries(Object.keys(value).sort().map(key => [key, ordered(value[key])])) : value;

const sha256 = text => createHash("sha256").update(text).digest("hex");

const fromJson = text => {
  try {
    return ordered(JSON.parse(text));
  } catch {
    return text;
  }
};

/** What must be equal of a request. Parameters have no order but in the signature, and members of an object none. */
function essence({ method, target, headers, body }, not) {
  const [path, query = ""] = target.split("?");
  let kept = headers.map(([name, value]) => [name.toLowerCase(), value]).filter(([name]) => !not.headers.includes(name));
  const authorization = headers.find(([name]) => name.toLowerCase() === "authorization")?.[1] ?? "";
  const signed = (/SignedHeaders=([^,]*)/.exec(authorization)?.[1] ?? "").split(";").filter(name => !not.signed.includes(name) || name === "host");
  if (not.lengthOfNothing) kept = kept.filter(([name, value]) => name !== "content-length" || value !== "0");
  // Both follow from the spelling of the JSON.
  const follows = { "content-length": String(Buffer.byteLength(body)), "x-amz-content-sha256": sha256(body) };
  const plain = kept.map(([name, value]) => [name, body && follows[name] === value ? "of the body" : value]);
  return { method, path, query: query.split("&").sort(), headers: Object.fromEntries(plain.sort()), signed: signed.join(";"),
    credential: /Credential=([^,]*)/.exec(authorization)?.[1].replace(/\/\d{8}\//, "/"), body: fromJson(body) };
}

/** The requests and replies of both sides. */
async function both(cases, send) {
  const file = `${work}/cases.json`;
  writeFileSync(file, JSON.stringify(cases));
  const theirs = await record(cases, url => send(cases, url, file));
  const ours = await record(cases, url => sendWith(upjob, "run", `${here}send.lua`, url, file));
  return { ours, theirs };
}

async function compareWith(peer, title, send) {
  const cases = casesFor(peer), { ours, theirs } = await both(cases, send);
  await check(`upjob and ${title} send one request for each of ${cases.length} cases`, () => {
    same("requests", [ours.requests.length, theirs.requests.length], [cases.length, cases.length]);
  });
  for (const operation of Object.keys(model.operations)) {
    const indices = [...cases.keys()].filter(index => cases[index].operation === operation);
    if (indices.length === 0) continue;
    await check(`${operation} as ${title}: ${indices.length} requests and their replies`, () => {
      for (const index of indices) {
        const name = cases[index].name;
        same(`${name}: reply`, ordered(ours.replies[index]), ordered(theirs.replies[index]));
        const sent = essence(ours.requests[index], peers[peer]), wanted = essence(theirs.requests[index], peers[peer]);
        for (const part of Object.keys(wanted)) same(`${name}: ${part}`, sent[part], wanted[part]);
      }
    });
  }
}

async function compareErrors(peer, title, send) {
  const cases = errorsFor(peer), { ours, theirs } = await both(cases, send);
  for (const [index, { name }] of cases.entries())
    await check(`${name} as ${title} reads it`, () => same("error", ours.replies[index], theirs.replies[index]));
}

await compareSchemas();
const sendWithBotocore = (cases, url, file) => sendWith("/usr/bin/python3", `${here}send.py`, url, file);
await compareWith("sdk", "the SDK for JavaScript", sendWithSdk);
await compareWith("botocore", "botocore", sendWithBotocore);
await compareErrors("sdk", "the SDK for JavaScript", sendWithSdk);
await compareErrors("botocore", "botocore", sendWithBotocore);
