import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { LossyStore } from "../../../test/fixtures/lossy-store.ts";
import { FakeClock } from "../../base/clock.ts";
import { createLog } from "../../base/log.ts";
import type { Claim } from "../ports/quota-store.ts";
import { StoreUnavailable } from "../ports/store-unavailable.ts";
import { LossGuard } from "./loss-guard.ts";

const namespace = "team";
const window = { type: "Fixed", durationMs: 86_400_000 } as const;
const claims: readonly Claim[] = [
  { counter: "tokens", window, max: 100, amount: 5, perOutput: 1, enforced: true },
  { counter: "running", window: { type: "Concurrency" }, max: 10, amount: 1, enforced: true },
];

let store: LossyStore;
let guard: LossGuard;
let clock: FakeClock;
let logLines: string[];
beforeEach(() => {
  store = new LossyStore();
  logLines = [];
  const log = createLog({ name: "t", level: "warn", destination: { write: (line) => void logLines.push(line) } });
  clock = new FakeClock();
  guard = new LossGuard({ store, legs: store.legs, marks: store, instance: "one", log, clock });
});
afterEach(() => guard.stop());

const reserve = (holdId: string) =>
  guard.reserve({ namespace, holdId, leaseMs: 60_000, claims, output: { wanted: 10, min: 1 } });
const settle = (holdId: string, tokens: number) => guard.settle({ namespace, holdId, amounts: [tokens, 0] });
const used = async () => [
  await store.peek(namespace, "tokens", window),
  await store.peek(namespace, "running", { type: "Concurrency" }),
];

describe("a guard against lost writes", () => {
  test("tells nothing again while nothing is lost, however often it looks", async () => {
    for (let i = 0; i < 15; i++) {
      await reserve(`h${i}`);
      await settle(`h${i}`, 3);
      await guard.look();
    }
    await reserve("runs");
    for (let i = 0; i < 15; i++) await guard.look();
    expect(await used()).toEqual([45 + 15, 1]);
    expect(guard.told).toBe(0);
    expect(logLines).toEqual([]);
  });

  test("makes lost charges again: what was settled at its amount, what runs as a hold, even above the limit", async () => {
    await reserve("before");
    await settle("before", 7);
    await guard.look();
    await guard.look();
    const kept = store.written;
    await reserve("settled");
    await settle("settled", 11);
    await reserve("running");
    await guard.look();
    await store.failOver(kept);
    expect(await used()).toEqual([7, 0]);
    // Another sidecar fills the room that the loss has made.
    await store.reserve({
      namespace,
      holdId: "other",
      leaseMs: 60_000,
      claims: claims.map((each) => ({ ...each, amount: 1 })),
      output: { wanted: 92, min: 92 },
    });
    await guard.look();
    expect(await used()).toEqual([7 + 93 + 11 + 15, 2]);
    expect((await reserve("more")).admitted).toBe(false);
    expect(await settle("running", 4)).toBe(true);
    expect(await used()).toEqual([7 + 93 + 11 + 4, 1]);
    expect(guard.told).toBe(2);
    expect(logLines.join()).toContain("redis lost its last writes");
  });

  test("a settlement alone that was lost is made again, and nothing is charged twice for it", async () => {
    await reserve("half");
    await guard.look();
    await guard.look();
    const kept = store.written;
    await settle("half", 2);
    await guard.look();
    await store.failOver(kept);
    expect(await used()).toEqual([15, 1]);
    await guard.look();
    expect(await used()).toEqual([2, 0]);
  });

  test("a settlement that finds its hold gone looks at once, and is made good", async () => {
    await reserve("first");
    await guard.look();
    await guard.look();
    const kept = store.written;
    await reserve("lost");
    await guard.look();
    await store.failOver(kept);
    expect(await settle("lost", 9)).toBe(false);
    await guard.look();
    expect(await used()).toEqual([15 + 9, 1]);
  });

  test("a renewed lease whose hold is lost has its hold again", async () => {
    await reserve("first");
    await guard.look();
    const kept = store.written;
    await reserve("stream");
    await guard.look();
    await store.failOver(kept);
    expect(await guard.renew(namespace, ["stream", "nobody"], 60_000)).toEqual(["nobody"]);
    expect(await used()).toEqual([30, 2]);
  });

  test("a store that came back empty is told all that is remembered", async () => {
    for (let i = 0; i < 3; i++) {
      await reserve(`h${i}`);
      await settle(`h${i}`, 4);
    }
    await guard.look();
    await store.failOver(0);
    await guard.look();
    expect(await used()).toEqual([12, 0]);
  });

  test("what was settled while the replica may have had it is charged rather twice than never", async () => {
    await reserve("first");
    await guard.look();
    await reserve("kept");
    await settle("kept", 6);
    const kept = store.written;
    await guard.look();
    await store.failOver(kept);
    await guard.look();
    expect(await used()).toEqual([15 + 6 + 6, 1]);
  });

  test("where one charge cannot be told yet, the others are told once", async () => {
    await reserve("first");
    await guard.look();
    const kept = store.written;
    for (const holdId of ["a", "b"]) {
      await reserve(holdId);
      await settle(holdId, 4);
    }
    await guard.look();
    await store.failOver(kept);
    store.unanswered.add("b");
    for (let i = 0; i < 5; i++) await guard.look();
    expect(await used()).toEqual([15 + 4, 1]);
    store.unanswered.clear();
    await guard.look();
    expect(await used()).toEqual([15 + 4 + 4, 1]);
    expect(guard.told).toBe(2);
  });

  test("what ends while it waits to be told is told as it ended", async () => {
    await reserve("first");
    await guard.look();
    const kept = store.written;
    await reserve("settled");
    await reserve("released");
    await guard.look();
    await store.failOver(kept);
    store.unanswered.add("settled").add("released");
    await guard.look();
    expect(await settle("settled", 3)).toBe(false);
    expect(await guard.release(namespace, "released")).toBe(false);
    await guard.look();
    store.unanswered.clear();
    await guard.look();
    expect(await used()).toEqual([15 + 3, 1]);
  });

  test("a mark that Redis forgot over an idle hour is no loss", async () => {
    await reserve("before");
    await settle("before", 2);
    for (let i = 0; i < 15; i++) await guard.look();
    for (let i = 0; i < 3600; i++) await guard.look();
    await store.forgetMarks();
    await reserve("after");
    await settle("after", 2);
    await guard.look();
    expect(await used()).toEqual([4, 0]);
    expect(guard.told).toBe(0);
    expect(logLines).toEqual([]);
  });

  test.each([
    { awayMs: 12_000, told: 2 },
    { awayMs: 59_000, told: 2 },
    { awayMs: 61_000, told: 1 }, // what runs alone: somebody may have brought the other one back from the audit
  ])("what ended is told again after $awayMs ms without Redis: $told", async ({ awayMs, told }) => {
    await reserve("ended");
    await reserve("runs");
    await guard.look();
    await settle("ended", 5);
    await store.failOver(0);
    store.isAway = true;
    for (let ms = 0; ms < awayMs; ms += 1_000) {
      clock.advance(1_000);
      await guard.look();
    }
    store.isAway = false;
    await guard.look();
    expect(guard.told).toBe(told);
    expect(await used()).toEqual([(told - 1) * 5 + 15, 1]);
  });

  test("a call that ended while Redis was away is as old as its end, though nobody could be told of it", async () => {
    await reserve("ended");
    await guard.look();
    await store.failOver(0);
    store.isAway = true;
    await expect(settle("ended", 5)).rejects.toThrow(StoreUnavailable);
    clock.advance(30_000);
    await expect(settle("ended", 5)).rejects.toThrow(StoreUnavailable);
    clock.advance(31_000);
    store.isAway = false;
    await guard.look();
    expect(await used()).toEqual([0, 0]);
  });

  test("what waits to be told while Redis goes again is told no more when it is too old", async () => {
    await reserve("first");
    await guard.look();
    const kept = store.written;
    await reserve("late");
    await settle("late", 4);
    await guard.look();
    await store.failOver(kept);
    store.unanswered.add("late");
    await guard.look();
    clock.advance(61_000);
    store.unanswered.clear();
    await guard.look();
    expect([await used(), guard.told]).toEqual([[15, 1], 0]);
  });
});
