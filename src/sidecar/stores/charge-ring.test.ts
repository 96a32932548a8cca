import { expect, test } from "vitest";
import type { Claim, ReserveRequest } from "../ports/quota-store.ts";
import { ChargeRing } from "./charge-ring.ts";

const window = { type: "Sliding", durationMs: 60_000 } as const;
const claims: readonly Claim[] = [
  { counter: "a/b/c/all", window, max: 100, amount: 7, enforced: true },
  { counter: "a/b/d/all", window, max: Number.MAX_SAFE_INTEGER, amount: 0, perOutput: 0.6, enforced: false },
  { counter: "a/b/e/all", window: { type: "Concurrency" }, max: 1, amount: 1, enforced: true, scope: "Cluster" },
  { counter: "a/b/f/all", window, max: 1, amount: 1, perOutput: 0, enforced: true, precision: "Leased" },
];
const request: ReserveRequest = { namespace: "team", holdId: "h", leaseMs: 3_600_000, claims };

const many = Array.from({ length: 64 }, (_, i): Claim => ({ ...claims[i % 4], counter: `${i}` }) as Claim);

test.each([
  ["no claim", { ...request, claims: [] }],
  ["some", request],
  ["as many as lie in a place", { ...request, claims: many.slice(0, 8) }],
  ["one more", { ...request, claims: many.slice(0, 9) }],
  ["as many as a reservation has", { ...request, claims: many }],
  ["output in steps", { ...request, output: { wanted: 90, min: 3, step: 3 } }],
])("a charge is read as it was put, and as it was settled: %s", (_, put) => {
  const ring = new ChargeRing(3);
  ring.put(0, { ...request, holdId: "before", claims: many });
  ring.put(2, { ...request, holdId: "after", claims: many });
  for (const amounts of [put.claims.map((_claim, i) => i * 3), []]) {
    ring.put(1, put);
    const output = { wanted: 30, min: 30, step: put.output?.step ?? 1 };
    expect(ring.requestAt(1, "team", 30)).toEqual({ ...put, output });
    expect([ring.isRunning(1), ring.actualAt(1), ring.holdIdAt(1)]).toEqual([true, undefined, "h"]);
    ring.settle(1, amounts);
    expect([ring.isRunning(1), ring.actualAt(1)]).toEqual([false, amounts]);
    expect(ring.requestAt(1, "team", 30).claims).toEqual(put.claims);
    ring.free(1);
    expect(ring.holdIdAt(1)).toBeUndefined();
  }
  expect([ring.holdIdAt(0), ring.holdIdAt(2)]).toEqual(["before", "after"]);
  expect(ring.requestAt(2, "team", 0).claims).toEqual(many);
  expect(ring.isRunning(0)).toBe(true);
});
