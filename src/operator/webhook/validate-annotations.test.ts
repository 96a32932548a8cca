import { expect, test } from "vitest";
import { aiquotaBase } from "../../api/aiquota.rows.ts";
import { parseReview } from "./review.ts";
import { createValidateHandler } from "./validate.ts";

const quotaWith = (annotations: object, spec: object = aiquotaBase): object => ({
  ...{ apiVersion: "sidegate.dev/v1alpha1", kind: "AIQuota" },
  metadata: { name: "q", namespace: "default", annotations },
  spec,
});
const resetBy = (...entries: object[]): object => ({ "sidegate.dev/reset": JSON.stringify(entries) });
const reset = { at: "2026-01-20T10:00:00Z", by: "ana", reason: "loop" };

const nowMs = Date.parse("2026-01-20T10:00:00Z");

const view = { isSynced: true, routes: () => [], quotas: () => [], secrets: () => [] };
const decide = (object: object, oldObject: object) => {
  const kind = { group: "sidegate.dev", version: "v1alpha1", kind: "AIQuota" };
  const request = { uid: "u", kind, operation: "UPDATE", namespace: "default", object, oldObject };
  const review = { apiVersion: "admission.k8s.io/v1", kind: "AdmissionReview", request };
  return createValidateHandler({ view, nowMs: () => nowMs })(parseReview(Buffer.from(JSON.stringify(review))));
};

test("an annotation that can be read is allowed", async () => {
  expect(await decide(quotaWith(resetBy(reset)), quotaWith({}))).toMatchObject({ kind: "allowed", reason: "Valid" });
});

test("one that cannot be read is refused, although the spec is the same", async () => {
  const decision = await decide(quotaWith(resetBy({ ...reset, limit: "tpm" })), quotaWith({}));
  expect(decision).toMatchObject({ kind: "refused", reason: "Invalid" });
  expect(decision.kind === "refused" && decision.message).toContain("there is no limit tpm");
});

test("a reset that lies ahead is refused with its annotation, its entry and what to do; a little is no more than another clock", async () => {
  const ahead = (at: string) => decide(quotaWith(resetBy(reset, { ...reset, at })), quotaWith({}));
  expect(await ahead("2026-01-20T10:05:00Z")).toMatchObject({ kind: "allowed", reason: "Valid" });
  const decision = await ahead("2026-01-20T10:05:01Z");
  expect(decision).toMatchObject({ kind: "refused", reason: "Invalid" });
  expect(decision.kind === "refused" && decision.message).toBe(
    'metadata.annotations["sidegate.dev/reset"]: the annotation sidegate.dev/reset is not done, the limits stand as they are written: ' +
      "entry 1: at: 2026-01-20T10:05:01Z lies more than 5 minutes ahead; write the time of now, as `sidegate quota reset` does",
  );
});

test("one that stood there before is a warning, so that the quota can be edited", async () => {
  const annotations = resetBy({ ...reset, limit: "tpm" });
  const edited = quotaWith(annotations, { ...aiquotaBase, mode: "Audit" });
  expect(await decide(edited, quotaWith(annotations))).toMatchObject({ kind: "allowed", reason: "InvalidBefore" });
});

test("another annotation is not looked at", async () => {
  const other = quotaWith({ "sidegate.dev/other": "[{}]" });
  expect(await decide(other, quotaWith({}))).toMatchObject({ kind: "allowed", reason: "Unchanged" });
});
