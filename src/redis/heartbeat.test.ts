import fc from "fast-check";
import { expect, test } from "vitest";
import { beatFaultCharsMax, beatRefusedMax, decodeBeat, encodeBeat } from "./heartbeat.ts";

const refused = { backend: "main", credential: "team/openai/key" };
const beat = { pod: "pod-1", instance: "ab12", contract: 1, digest: "sha256:00", release: "0.1.0" };

test.each([
  { ...beat },
  { ...beat, fault: "route: must be an object" },
  { ...beat, identityFault: "token_expired: The token has ended" },
  { ...beat, fault: "route: must be an object", identityHeld: "key_unknown: a key" },
  { ...beat, refusedCredentials: [refused, { backend: "azure", credential: "tenant/client" }] },
])("a heartbeat reads back as it was written", (each) => {
  expect(decodeBeat(encodeBeat(each))).toEqual(each);
});

test.each(["fault", "identityFault", "identityHeld"] as const)("%s is cut to its bound", (member) => {
  expect(decodeBeat(encodeBeat({ ...beat, [member]: "x".repeat(10_000) }))?.[member]).toHaveLength(beatFaultCharsMax);
});

test.each([
  { name: "no JSON", text: "released" },
  { name: "no object", text: "null" },
  { name: "a list", text: "[]" },
  { name: "no pod", text: encodeBeat({ ...beat, pod: "" }) },
  { name: "a contract that is none", text: JSON.stringify({ ...beat, contract: "1" }) },
  { name: "a fault that is none", text: JSON.stringify({ ...beat, fault: {} }) },
  { name: "an identity's fault that is none", text: JSON.stringify({ ...beat, identityFault: 1 }) },
  { name: "refused credentials that are no list", text: JSON.stringify({ ...beat, refusedCredentials: "main" }) },
  { name: "a refused credential that is none", text: JSON.stringify({ ...beat, refusedCredentials: [null] }) },
  {
    name: "a refused credential without a name",
    text: JSON.stringify({ ...beat, refusedCredentials: [{ backend: "b" }] }),
  },
  { name: "a digest beyond any", text: JSON.stringify({ ...beat, digest: "x".repeat(300) }) },
  { name: "a text beyond any", text: `${JSON.stringify(beat)}${" ".repeat(9_000)}` },
])("$name is no heartbeat", ({ text }) => {
  expect(decodeBeat(text)).toBeUndefined();
});

test("without refused credentials none stand in it, so that it is what releases before wrote", () => {
  expect(encodeBeat({ ...beat, refusedCredentials: [] })).toBe(encodeBeat(beat));
});

test("however many were refused, and however long their names, it can be read", () => {
  const many = Array.from({ length: 100 }, (_, index) => ({ ...refused, backend: `b-${index}` }));
  expect(decodeBeat(encodeBeat({ ...beat, refusedCredentials: many }))?.refusedCredentials).toEqual(
    many.slice(0, beatRefusedMax),
  );
  const long = many.map((each) => ({ ...each, credential: "x".repeat(571) }));
  const fault = "x".repeat(10_000);
  const faults = { fault, identityFault: fault, identityHeld: fault };
  expect(decodeBeat(encodeBeat({ ...beat, ...faults, refusedCredentials: long }))?.refusedCredentials).toHaveLength(3);
});

test("nothing that stands there makes reading fail", () => {
  fc.assert(fc.property(fc.oneof(fc.string(), fc.json()), (text) => void decodeBeat(text)));
});
