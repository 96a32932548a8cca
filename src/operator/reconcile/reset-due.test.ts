import { expect, test } from "vitest";
import { aiquotaBase } from "../../api/aiquota.rows.ts";
import { aiquotaSchema } from "../../api/aiquota.ts";
import { resetDueMs } from "./reset-due.ts";

const nowMs = Date.parse("2026-01-20T10:00:00Z");
const quota = (...ats: readonly string[]) =>
  aiquotaSchema.parse({
    ...{ apiVersion: "sidegate.dev/v1alpha1", kind: "AIQuota", spec: aiquotaBase },
    metadata: {
      ...{ name: "q", namespace: "team" },
      annotations: {
        "sidegate.dev/reset": JSON.stringify(ats.map((at) => ({ at, by: "ana", reason: "loop" }))),
      },
    },
  });

test("the first reset that lies ahead counts five minutes before its time, by clocks that differ", () => {
  expect(resetDueMs([quota("2026-01-20T10:07:00Z", "2026-01-20T10:06:00Z"), quota()], nowMs)).toBe(60_000);
});

test("a year is looked at again before", () => {
  expect(resetDueMs([quota("2027-01-20T10:00:00Z")], nowMs)).toBe(600_000);
});

test("what counts already is nothing to wait for", () => {
  expect(resetDueMs([quota("2026-01-20T10:05:00Z"), quota("2026-01-01T00:00:00Z")], nowMs)).toBeUndefined();
});
