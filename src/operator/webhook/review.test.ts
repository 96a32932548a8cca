import { expect, test } from "vitest";
import { boundedWarnings, parseReview, reviewAnswer, warningsLengthMax } from "./review.ts";

const request = { uid: "u1", kind: { group: "", version: "v1", kind: "Pod" }, operation: "CREATE" };
const review = { apiVersion: "admission.k8s.io/v1", kind: "AdmissionReview", request };
const bytes = (value: unknown): Buffer => Buffer.from(typeof value === "string" ? value : JSON.stringify(value));

test("a question is read with what the API server leaves out, and with what a newer one adds", () => {
  expect(parseReview(bytes({ ...review, request: { ...request, later: 1 }, more: 2 }))).toMatchObject({
    uid: "u1",
    namespace: "",
    name: "",
    dryRun: false,
  });
});

test.each([
  { name: "an empty body", body: "", says: "the body (0 bytes) is not JSON" },
  { name: "text", body: "sk-secret", says: "the body (9 bytes) is not JSON" },
  { name: "a list", body: [], says: "the body: " },
  { name: "another kind", body: { ...review, kind: "Pod" }, says: "kind: " },
  { name: "another version", body: { ...review, apiVersion: "admission.k8s.io/v1beta1" }, says: "apiVersion: " },
  { name: "no request", body: { ...review, request: undefined }, says: "request: " },
  { name: "no uid", body: { ...review, request: { ...request, uid: undefined } }, says: "request.uid: " },
  {
    name: "an operation of its own",
    body: { ...review, request: { ...request, operation: "EAT" } },
    says: "request.operation: ",
  },
])("$name is refused with the field, and quotes nothing", ({ body, says }) => {
  expect(() => parseReview(bytes(body))).toThrow(says);
  expect(() => parseReview(bytes(body))).not.toThrow("sk-secret");
});

test("a patch travels in base64 with its type", () => {
  const patch = [{ op: "add", path: "/a", value: "ü" }];
  const { response } = reviewAnswer("u1", { kind: "patched", reason: "Injected", patch }) as {
    response: { patch: string };
  };
  expect(response).toMatchObject({ uid: "u1", allowed: true, patchType: "JSONPatch" });
  expect(JSON.parse(Buffer.from(response.patch, "base64").toString())).toEqual(patch);
});

test("a refusal says whose fault it is", () => {
  expect(reviewAnswer("u1", { kind: "refused", reason: "X", message: "spec.a: no" })).toMatchObject({
    response: { allowed: false, status: { code: 422, reason: "Invalid", message: "spec.a: no" } },
  });
  expect(reviewAnswer("u1", { kind: "refused", reason: "X", message: "m", status: 500 })).toMatchObject({
    response: { allowed: false, status: { code: 500, reason: "InternalError" } },
  });
});

test("warnings come once each, on one line, cut, and no more than a client takes", () => {
  expect(boundedWarnings(["a\r\nb\u0000", "a b", "x".repeat(300)])).toEqual(["a b", `${"x".repeat(253)}...`]);
  const many = boundedWarnings(Array.from({ length: 100 }, (_, index) => `${index} `.padEnd(200, "w")));
  expect(many.at(-1)).toMatch(/^and \d+ more$/);
  expect(many.join("").length).toBeLessThanOrEqual(warningsLengthMax);
  expect(many.length - 1 + Number(many.at(-1)?.split(" ")[1])).toBe(100);
});
