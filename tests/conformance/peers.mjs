// What the JavaScript parts share: the SDK, the model that the build wrote from upjob's own table, checks that print TAP.
import { createRequire } from "node:module";
import { readFileSync } from "node:fs";
import { isDeepStrictEqual } from "node:util";

const require = createRequire(`${process.env.PEERS}/`);
export const sdk = require("@aws-sdk/client-customer-profiles");
export const { NormalizedSchema } = require("@smithy/core/schema");
export const model = JSON.parse(readFileSync(`${process.env.AWS_DATA_PATH}/customer-profiles/2020-08-15/service-2.json`));
export const upjob = process.env.UPJOB;

let number = 0;

/** One check, one line: `body` throws when it fails. */
export async function check(name, body) {
  number++;
  try {
    await body();
    console.log(`ok ${number} - ${name}`);
  } catch (error) {
    process.exitCode = 1;
    const text = error instanceof Difference ? error.message : error.stack;
    console.log(`not ok ${number} - ${name}\n${text.replace(/^/gm, "# ")}`);
  }
}

export class Difference extends Error {}

const shown = value => (JSON.stringify(value) ?? "nothing").slice(0, 500);

/** Names where the first difference is. */
export function same(what, ours, theirs) {
  if (isDeepStrictEqual(ours, theirs)) return;
  if (ours && theirs && ours.constructor === theirs.constructor && typeof ours === "object") {
    for (const key of new Set([...Object.keys(ours), ...Object.keys(theirs)])) same(`${what}.${key}`, ours[key], theirs[key]);
  }
  throw new Difference(`${what}\n  is     ${shown(ours)}\n  wanted ${shown(theirs)}`);
}

/** The rejection of a promise; a promise that is kept is a failure. */
export async function refusal(promise) {
  const kept = await promise.then(value => value, error => ({ error }));
  if (!kept.error) throw new Difference(`it was taken: ${JSON.stringify(kept)}`);
  return kept.error;
}
