// The table against the schemas of the SDK: operations, routes, members, where they travel, which are required, enums. What is
// newer than the SDK is named in newer.json, so that a member, or a value of an enum, that is only ours is there or a mistake.
import { readFileSync } from "node:fs";
import { NormalizedSchema, check, model, same, sdk } from "./peers.mjs";

const listed = JSON.parse(readFileSync(new URL("newer.json", import.meta.url)));
const newer = { operations: new Set(listed.operations), members: new Set(listed.members) };
const seen = { operations: new Set(), members: new Set() };

const kinds = { string: "isStringSchema", long: "isNumericSchema", double: "isNumericSchema", boolean: "isBooleanSchema",
  timestamp: "isTimestampSchema", blob: "isBlobSchema", list: "isListSchema", map: "isMapSchema", structure: "isStructSchema" };

export const schemaOf = operation => sdk[`${operation}$`];
export const isNewer = (shape, member) => newer.members.has(`${shape}.${member}`);
export const isNewerOperation = operation => newer.operations.has(operation);

function travels(member, traits) {
  if (traits.httpLabel) return ["uri", member];
  if (traits.httpQuery) return ["querystring", traits.httpQuery];
  if (traits.httpResponseCode) return ["statusCode", undefined];
  return [undefined, traits.jsonName ?? member];
}

/** Members of a structure, or values of an enum: those that are listed as newer aside. */
function compareNames(name, ours, theirs) {
  for (const each of ours)
    if (!theirs.includes(each)) seen.members.add(`${name}.${each}`);
  same(`${name}: members`, ours.filter(each => !isNewer(name, each)).sort(), [...theirs].sort());
}

function compareMembers(name, shape, schema, visited) {
  const [, , , , members, , required = 0] = schema.getSchema();
  compareNames(name, Object.keys(shape.members), members);
  same(`${name}: is a union`, shape.union ?? false, schema.isUnionSchema());
  same(`${name}: required`, [...shape.required].sort(), schema.isUnionSchema() ? [] : members.slice(0, required).sort());
  for (const [member, inner] of schema.structIterator()) {
    const of = shape.members[member];
    same(`${name}.${member}: travels`, [of.location, of.location === "statusCode" ? undefined : of.locationName ?? member],
      travels(member, inner.getMergedTraits()));
    compare(of.shape, inner, visited, `${name}.${member}`);
  }
}

function compare(name, schema, visited, where) {
  const shape = model.shapes[name];
  same(`${where}: is a ${shape.type}`, schema[kinds[shape.type]](), true);
  if (visited.has(name)) return;
  visited.add(name);
  if (shape.enum && sdk[name]) compareNames(name, shape.enum, Object.values(sdk[name]));
  if (shape.type === "structure") compareMembers(name, shape, schema, visited);
  if (shape.type === "list") compare(shape.member.shape, schema.getValueSchema(), visited, `${where}[]`);
  if (shape.type === "map") compare(shape.value.shape, schema.getValueSchema(), visited, `${where}{}`);
}

export async function compareSchemas() {
  const visited = new Set();
  for (const [name, operation] of Object.entries(model.operations)) {
    const known = schemaOf(name);
    if (!known) {
      seen.operations.add(name);
      continue;
    }
    await check(`${name} is what the SDK's schema says`, () => {
      const [, , , traits, input, output] = known;
      same("the route", [operation.http.method, operation.http.requestUri], traits.http.slice(0, 2));
      compare(operation.input.shape, NormalizedSchema.of(input), visited, "input");
      compare(operation.output.shape, NormalizedSchema.of(output), visited, "output");
    });
  }
  await check("every operation of the SDK is a row", () => {
    const names = Object.keys(sdk).filter(name => /.Command$/.test(name) && name !== "$Command");
    same("no row", names.map(name => name.replace(/Command$/, "")).filter(name => !model.operations[name]), []);
  });
  await check("newer.json lists what is newer than the SDK, and no more", () => {
    for (const kind of ["operations", "members"]) same(kind, [...newer[kind]].sort(), [...seen[kind]].sort());
  });
}
