import { expect, test } from "vitest";
import type { WindowSpec } from "../../base/window.ts";
import type { PlannedClaim } from "./plan.ts";
import { ToldHold } from "./told-hold.ts";

const claimOf = (counter: string, window: WindowSpec, more: object = {}): PlannedClaim => {
  const claim = { counter, window, max: 100, amount: 10, enforced: true, ...more };
  // No more of a planned claim is read.
  return { claim } as PlannedClaim;
};
const month = claimOf("team/q/month/all", { type: "Calendar", boundariesMs: [0, 1] }, { perOutput: 0.5 });
const running = claimOf("team/q/running/all", { type: "Concurrency" });
const org = claimOf("sys/org/day/all", { type: "Fixed", durationMs: 1_000 }, { scope: "Cluster" });
const resultOf = (resets: readonly number[]) => ({
  ...{ admitted: true, outputGranted: 5 },
  claims: resets.map((resetMs) => ({ used: 1, resetMs, exceeded: false, retryAfterMs: 0 })),
});

test("a hold tells its counters by their keys, the units held, and when their windows end; Concurrency is left out", () => {
  const asked = [running, month, org];
  const hold = new ToldHold("team", { asked, planned: asked, result: resultOf([0, 70, 80]) });
  expect(hold.counters()).toEqual([
    ["sg:{team}:calendar:team/q/month/all", 13, 70],
    ["sg:{_cluster}:fixed:1000:sys/org/day/all", 10, 80],
  ]);
  expect(hold.charged(), "it runs").toEqual([]);
  hold.end([0, 7, 8]);
  expect(hold.charged()).toEqual([7, 8]);
  hold.end(undefined);
  expect(hold.charged(), "given back").toEqual([]);
});

test("of what shares decided only their part is told, with its own amounts", () => {
  const shared = { ...org, claim: { ...org.claim, max: 5 } };
  const hold = new ToldHold("team", { asked: [running, month, org], planned: [shared], result: resultOf([80]) });
  hold.end([0, 7, 8]);
  expect([hold.counters().length, hold.charged()]).toEqual([1, [8]]);
});
