// What calls.lua does, with the JavaScript SDK: node calls_sdk.mjs SDK-DIRECTORY URL COUNT
import { createRequire } from "node:module";
import { performance } from "node:perf_hooks";

const [directory, url, countText] = process.argv.slice(2);
const { CustomerProfilesClient, GetDomainCommand } = createRequire(directory + "/")("@aws-sdk/client-customer-profiles");
const count = Number(countText);
const client = new CustomerProfilesClient({
  endpoint: url, region: "us-east-1", credentials: { accessKeyId: "local", secretAccessKey: "local" },
});

async function timed(work) {
  const began = performance.now(), used = process.cpuUsage();
  await work();
  const { user, system } = process.cpuUsage(used);
  return { seconds: (performance.now() - began) / 1000, cpu: (user + system) / 1e6 };
}

async function call(times) {
  for (let i = 0; i < times; i++) await client.send(new GetDomainCommand({ DomainName: "bench" }));
}

await call(20);
const one = await timed(() => call(count));
const eight = await timed(() => Promise.all(Array.from({ length: 8 }, () => call(count >> 3))));
console.log(JSON.stringify({ one, eight }));
