// `upjob local` as a process, the SDK pointed at it as its README says, and every reply held against the model as it came.
import { spawn } from "node:child_process";
import { createRequire } from "node:module";
import { Readable } from "node:stream";
import { mkdtempSync } from "node:fs";
import { Difference, model, sdk, upjob } from "./peers.mjs";

const require = createRequire(`${process.env.PEERS}/`);
const { NodeHttpHandler } = require("@smithy/node-http-handler");

/** Runs `body` with the URL of a service that has options of its own and nothing in it. */
export async function withService(options, body) {
  const data = `${mkdtempSync(`${process.env.WORK}/local-`)}/data`;
  const child = spawn(upjob, ["local", "--data", data, ...options], { stdio: ["ignore", "pipe", "pipe"] });
  const ended = new Promise(resolve => child.on("exit", resolve));
  let messages = "";
  child.stderr.on("data", text => messages += text);
  try {
    const url = await new Promise((resolve, reject) => {
      child.stdout.on("data", text => resolve(/^ready (\S+)/.exec(text)?.[1]));
      child.on("exit", status => reject(new Error(`upjob local ended with ${status}: ${messages}`)));
    });
    return await body(url);
  } finally {
    child.kill("SIGTERM");
    await ended;
  }
}

const raw = { string: "string", long: "number", double: "number", timestamp: "number", boolean: "boolean" };

/** Throws unless a value in JSON is what the model promises: no member but its own, those that are required, types, limits. */
export function promised(name, value, where) {
  const shape = model.shapes[name], fail = text => { throw new Difference(`${where} ${text}: ${JSON.stringify(value)}`); };
  if (raw[shape.type]) {
    if (typeof value !== raw[shape.type]) fail(`is not a ${shape.type}`);
    if (shape.type === "long" && !Number.isInteger(value)) fail("is not whole");
    if (shape.enum && !shape.enum.includes(value)) fail(`is not one of ${shape.enum}`);
    if (shape.pattern && !new RegExp(shape.pattern, "s").test(value)) fail(`does not match ${shape.pattern}`);
    const size = shape.type === "string" ? [...value].length : value;
    if (size < (shape.min ?? -Infinity) || size > (shape.max ?? Infinity)) fail("is out of its limits");
    return;
  }
  if (Array.isArray(value) !== (shape.type === "list") || typeof value !== "object" || value === null) fail(`is not a ${shape.type}`);
  if (shape.type === "list") value.forEach((each, i) => promised(shape.member.shape, each, `${where}[${i}]`));
  if (shape.type === "map")
    for (const [key, each] of Object.entries(value)) {
      promised(shape.key.shape, key, `${where} key`);
      promised(shape.value.shape, each, `${where}.${key}`);
    }
  if (shape.type !== "structure") return;
  for (const member of shape.required) if (!(member in value)) fail(`lacks ${member}`);
  for (const [member, each] of Object.entries(value)) {
    if (!shape.members[member]) fail(`has a member ${member}, which the model has not`);
    promised(shape.members[member].shape, each, `${where}.${member}`);
  }
}

/** Reads a reply before the SDK does. */
class Handler extends NodeHttpHandler {
  async handle(request, options) {
    const result = await super.handle(request, options), parts = [];
    for await (const part of result.response.body) parts.push(part);
    const body = Buffer.concat(parts);
    this.last = { status: result.response.statusCode, headers: result.response.headers, body: body.toString() };
    result.response.body = Readable.from([body]);
    return result;
  }
}

/** Calls of the SDK by operation: call("ListDomains", {…}). A reply that the model does not promise is an error. */
export function caller(url, options = {}) {
  const requestHandler = new Handler();
  const client = new sdk.CustomerProfilesClient({ region: "eu-central-1", endpoint: url, requestHandler, maxAttempts: 1,
    credentials: { accessKeyId: "local", secretAccessKey: "local" }, ...options });
  const call = async (operation, params) => {
    const reply = await client.send(new sdk[`${operation}Command`](params));
    promised(model.operations[operation].output.shape, JSON.parse(requestHandler.last.body), operation);
    return reply;
  };
  return Object.assign(call, { client, last: () => requestHandler.last });
}
