import fc from "fast-check";
import { expect, test } from "vitest";
import { beatFaultCharsMax, decodeBeat, encodeBeat } from "./heartbeat.ts";

const beat = { pod: "pod-1", instance: "ab12", contract: 1, digest: "sha256:00", release: "0.1.0" };

test.each([
  { ...beat },
  { ...beat, fault: "route: must be an object" },
  { ...beat, identityFault: "token_expired: The token has ended" },
  { ...beat, fault: "route: must be an object", identityHeld: "key_unknown: a key" },
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
  { name: "a digest beyond any", text: JSON.stringify({ ...beat, digest: "x".repeat(300) }) },
  { name: "a text beyond any", text: `${JSON.stringify(beat)}${" ".repeat(5_000)}` },
])("$name is no heartbeat", ({ text }) => {
  expect(decodeBeat(text)).toBeUndefined();
});

test("nothing that stands there makes reading fail", () => {
  fc.assert(fc.property(fc.oneof(fc.string(), fc.json()), (text) => void decodeBeat(text)));
});
