// Parameters and replies for every operation, made from its shapes: the least that is allowed, every member, and values at the
// edge of what is allowed. Strings are as awkward as their patterns let them be.
import { model } from "./peers.mjs";
import { isNewer, isNewerOperation } from "./schema.mjs";

const awkward = "Zoë O'Neil \"q\" \\ / <&> %2F+=?#~!*() 漢字 😀 \u2028\u007f\u0001\t\n end";
const samples = [
  awkward, awkward.replace(/[\u0001\u2028\n]/g, ""), "A b-C_9", "a-B_9.c", "a-B_9", "v_1/2026-01-02T03-04-05Z",
  "arn:aws:profile:us-east-1:123456789012:domains/Zoë %2F+=&?#~!*()/x", "arn:aws:iam::123456789012:role/upjob",
  "arn:aws:kms:us-east-1:123456789012:key/0123", "0123456789abcdef0123456789abcdef", "12:30", "42", "a_9",
];

export const variants = ["least", "every", "edge"];

/** A pattern is for the whole value, but for one that says itself where it begins. */
function matches(pattern, text) {
  return pattern === undefined || new RegExp(pattern.startsWith("^") ? pattern : `^(?:${pattern})$`).test(text);
}

function text(name, shape, variant) {
  const { min = 0, max = Infinity, pattern } = shape;
  if (variant === "edge" && min === 0 && matches(pattern, "")) return "";
  const ordered = variant === "least" ? [...samples].reverse() : samples;
  for (const sample of ordered) {
    let points = [...sample];
    while (points.length < min) points = points.concat(points);
    const cut = points.slice(0, max === Infinity ? points.length : max).join("");
    if ([...cut].length >= min && matches(pattern, cut)) return cut;
  }
  throw new Error(`no sample of cases.mjs fits ${name}, ${pattern}, ${min} to ${max} characters: add one`);
}

function number(shape, variant, whole) {
  const { min = -(2 ** 53) + 1, max = 2 ** 53 - 1 } = shape;
  if (variant === "least") return Math.max(min, Math.min(max, 1));
  if (whole) return variant === "edge" ? min : max;
  return variant === "edge" ? Math.max(min, Math.min(max, 1e-7)) : Math.max(min, Math.min(max, 0.1 + 0.2));
}

class Maker {
  /** `turn` is the member of every union that is chosen; `known`: without what is newer than the SDK. */
  constructor(variant, turn, known, wholeSeconds) {
    Object.assign(this, { variant, turn, known, wholeSeconds });
  }

  structure(name, shape) {
    const members = Object.keys(shape.members).filter(member => !(this.known && isNewer(name, member)));
    const chosen = shape.union ? [members[this.turn % members.length]]
      : members.filter(member => this.variant !== "least" || shape.required.includes(member));
    return Object.fromEntries(chosen.map(member => [member, this.value(shape.members[member].shape)]));
  }

  list(shape, entry) {
    if (this.variant === "edge" && !shape.min) return [];
    const count = this.variant === "least" ? shape.min ?? 1 : Math.min(shape.max ?? 2, Math.max(2, shape.min ?? 0));
    return Array.from({ length: count }, () => entry());
  }

  map(shape) {
    if (this.variant === "edge" && !shape.min) return {};
    const key = this.value(shape.key.shape);
    const keys = model.shapes[shape.key.shape].enum ?? [key, [...key].slice(0, -1).join("")];
    return Object.fromEntries(keys.slice(0, this.variant === "least" ? 1 : 2).map(each => [each, this.value(shape.value.shape)]));
  }

  value(name) {
    const shape = model.shapes[name];
    switch (shape.type) {
      case "structure": return this.structure(name, shape);
      case "list": return this.list(shape, () => this.value(shape.member.shape));
      case "map": return this.map(shape);
      case "string": return shape.enum ? shape.enum[this.turn % shape.enum.length] : text(name, shape, this.variant);
      case "long": return number(shape, this.variant, true);
      case "double": return number(shape, this.variant, false);
      case "boolean": return this.variant !== "edge";
      case "timestamp": return this.variant === "edge" && !this.wholeSeconds ? 1767323045.678 : 1767323045;
      default: throw new Error(`cases.mjs does not know the type ${shape.type}`);
    }
  }
}

/** How many turns it takes to have had each member of the unions in a shape. */
function turns(name, seen = new Set()) {
  const shape = model.shapes[name];
  if (seen.has(name)) return 1;
  seen.add(name);
  const inner = [...Object.values(shape.members ?? {}), shape.member, shape.key, shape.value].filter(Boolean);
  return Math.max(shape.union ? Object.keys(shape.members).length : 1, ...inner.map(each => turns(each.shape, seen)));
}

/** Everything that is sent for a peer: {operation, name, params, output, status}. The SDK is asked for no more than it knows;
 *  botocore, which writes whole seconds, for no others. */
export function casesFor(peer) {
  const known = peer === "sdk", cases = [];
  for (const [operation, { input, output }] of Object.entries(model.operations)) {
    if (known && isNewerOperation(operation)) continue;
    for (const variant of variants) {
      const count = variant === "every" ? turns(input.shape) : 1;
      for (let turn = 0; turn < count; turn++) {
        const maker = new Maker(variant, turn, known, peer === "botocore");
        const reply = new Maker(variant, turn, known, false);
        cases.push({ operation, name: `${variant}${count > 1 ? ` ${turn + 1}` : ""}`, params: maker.value(input.shape),
          output: reply.value(output.shape), status: variant === "edge" ? 202 : 200 });
      }
    }
  }
  return cases;
}

// Errors as the service and what stands before it word them; rule: AWS restJson1 protocol, "operation error serialization". Of
// these, this botocore does not take the namespace off a type in the header.
const documented = Object.entries(model.shapes).filter(([, shape]) => shape.exception);
export const errorsFor = peer => [
  ...documented.map(([name, { error }]) => [name, error.httpStatusCode, { "x-amzn-ErrorType": name }, { Message: `${name}: Zoë 漢` }]),
  ["a type with an address behind it", 400, { "x-amzn-ErrorType": "BadRequestException:http://internal.example/x/" }, { Message: "m" }],
  ...peer === "botocore" ? []
    : [["a type with a namespace before it", 400, { "x-amzn-ErrorType": "com.example#BadRequestException" }, { message: "m" }]],
  ["a type in the body as __type", 404, {}, { __type: "com.example#ResourceNotFoundException", Message: "m" }],
  ["a type in the body as code", 429, {}, { code: "ThrottlingException", message: "m" }],
  ["a type that no model has", 403, { "x-amzn-ErrorType": "InvalidSignatureException" }, { message: "Signature expired" }],
  ["a type in the header and another in the body", 400, { "x-amzn-ErrorType": "BadRequestException" }, { code: "Other", Message: "m" }],
].map(([name, status, headers, body]) => ({ operation: "GetDomain", name, params: { DomainName: "d" }, status, error: { headers, body } }));
