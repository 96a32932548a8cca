/** What a guard knows of the moment of a loss, and of what was said without an answer. */
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { LossyStore } from "../../../test/fixtures/lossy-store.ts";
import { FakeClock } from "../../base/clock.ts";
import { createLog } from "../../base/log.ts";
import type { Claim } from "../ports/quota-store.ts";
import { LossGuard } from "./loss-guard.ts";

const namespace = "team";
const window = { type: "Fixed", durationMs: 86_400_000 } as const;
const tokens: Claim = { counter: "tokens", window, max: 100, amount: 5, perOutput: 1, enforced: true };
const running: Claim = { counter: "running", window: { type: "Concurrency" }, max: 10, amount: 1, enforced: true };

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

const reserve = (holdId: string, max = 10) =>
  guard.reserve({
    ...{ namespace, holdId, leaseMs: 60_000, claims: [tokens, { ...running, max }] },
    output: { wanted: 10, min: 1 },
  });
const settle = (holdId: string, amount: number) => guard.settle({ namespace, holdId, amounts: [amount, 0] });
const used = async () => [
  await store.peek(namespace, "tokens", window),
  await store.peek(namespace, "running", { type: "Concurrency" }),
];

describe("after the last mark that Redis acknowledged", () => {
  const loseWhatFollows = async (follow: () => Promise<unknown>): Promise<void> => {
    await reserve("kept");
    await guard.look();
    const kept = store.written;
    await follow();
    await store.failOver(kept);
    expect(await used()).toEqual([15, 1]);
  };

  test("what is lost is told again as soon as another server answers", async () => {
    await loseWhatFollows(async () => {
      await reserve("settled");
      await settle("settled", 11);
      await reserve("runs");
    });
    await guard.look();
    expect(await used()).toEqual([15 + 11 + 15, 2]);
    expect(guard.told).toBe(2);
    expect(logLines.join()).toContain("another redis server answers");
    await guard.look();
    expect(guard.told).toBe(2);
  });

  test("a settlement that finds its hold gone is made good", async () => {
    await loseWhatFollows(() => reserve("lost"));
    expect(await settle("lost", 9)).toBe(false);
    await guard.look();
    expect(await used()).toEqual([15 + 9, 1]);
  });

  test("a renewed lease whose hold is gone has its hold again", async () => {
    await loseWhatFollows(() => reserve("stream"));
    expect(await guard.renew(namespace, ["stream"], 60_000)).toEqual([]);
    expect(await used()).toEqual([30, 2]);
  });

  test("another server that lacks nothing is told of the calls that ended since then, and of no others", async () => {
    await reserve("before");
    await settle("before", 4);
    await guard.look();
    await reserve("runs");
    await reserve("settled");
    await settle("settled", 6);
    await store.failOver(store.written);
    for (let i = 0; i < 3; i++) await guard.look();
    expect(await used()).toEqual([4 + 15 + 6 + 6, 1]);
  });

  test("nothing is told where the server does not say which it is, and the mark stands", async () => {
    store.tellsServer = false;
    await loseWhatFollows(() => reserve("lost"));
    await guard.look();
    expect([await used(), guard.told]).toEqual([[15, 1], 0]);
  });
});

test("what is lost of a sidecar's first moments is told again", async () => {
  const first = reserve("first");
  const kept = 1; // its first mark
  await first;
  await settle("first", 3);
  await store.failOver(kept);
  await guard.look();
  expect(await used()).toEqual([3, 0]);
});

test("a charge after a quiet time is not taken for lost because the server has changed meanwhile", async () => {
  await reserve("before");
  await settle("before", 3);
  for (let i = 0; i < 15; i++) await guard.look();
  await store.failOver(store.written);
  await reserve("after");
  await settle("after", 4);
  await guard.look();
  expect([await used(), guard.told]).toEqual([[7, 0], 0]);
  expect(logLines).toEqual([]);
});

describe("what is told without an answer", () => {
  const lose = async (follow: () => Promise<unknown>): Promise<void> => {
    await reserve("kept");
    await guard.look();
    const kept = store.written;
    await follow();
    await guard.look();
    await store.failOver(kept);
  };

  test.each(["reserve", "settle"] as const)("counts once, however often the answer to %s is lost", async (what) => {
    await lose(async () => {
      await reserve("ended");
      await settle("ended", 7);
    });
    store.deafTo.add(what);
    for (let i = 0; i < 5; i++) await guard.look();
    store.deafTo.clear();
    await guard.look();
    expect([await used(), guard.told]).toEqual([[15 + 7, 1], 1]);
  });

  test("counts once where the call ends before the answer comes", async () => {
    await lose(() => reserve("runs"));
    store.deafTo.add("reserve");
    await guard.look();
    store.deafTo.clear();
    expect(await settle("runs", 7)).toBe(true);
    await guard.look();
    expect(await used()).toEqual([15 + 7, 1]);
  });

  test("is told whole when that is lost once more", async () => {
    await lose(async () => {
      await reserve("ended");
      await settle("ended", 7);
    });
    const lacking = store.written;
    store.deafTo.add("settle");
    await guard.look(); // its reserve is answered
    store.deafTo.clear();
    await store.failOver(lacking);
    await guard.look();
    expect(await used()).toEqual([15 + 7, 1]);
  });
});

describe("the order of what one call asks", () => {
  test("a look that finds nothing lost keeps no release waiting", async () => {
    await reserve("one", 1);
    const move = Promise.withResolvers<void>();
    store.answersAfter.set("move", move.promise);
    const looking = guard.look();
    const released = guard.release(namespace, "one");
    const next = reserve("two", 1);
    expect((await next).admitted).toBe(true);
    expect(await released).toBe(true);
    move.resolve();
    await looking;
  });

  test("what follows a release waits with it while charges are told again", async () => {
    await reserve("kept");
    await guard.look();
    const kept = store.written;
    await reserve("one", 2);
    await store.failOver(kept);
    const told = Promise.withResolvers<void>();
    store.answersAfter.set("reserve", told.promise);
    const looking = guard.look();
    await until(async () => (await used())[1] === 2);
    const released = guard.release(namespace, "one");
    const next = reserve("two", 2);
    told.resolve();
    expect((await next).admitted).toBe(true);
    expect([await released, await used()]).toEqual([true, [30, 2]]);
    await looking;
  });

  test("a settlement under way when a loss is found is told as it ended, not as a hold", async () => {
    await reserve("kept");
    await guard.look();
    const kept = store.written;
    await reserve("ended");
    await store.failOver(kept);
    const settled = Promise.withResolvers<void>();
    store.answersAfter.set("settle", settled.promise);
    const settling = settle("ended", 4);
    const looking = guard.look();
    await until(async () => logLines.length > 0);
    expect(await used()).toEqual([15, 1]);
    settled.resolve();
    expect(await settling).toBe(false);
    await looking;
    expect(await used()).toEqual([15 + 4, 1]);
  });
});

/** Turns of the microtask queue until it is so. */
const until = async (holds: () => Promise<boolean>): Promise<void> => {
  for (let i = 0; i < 1_000; i++) if (await holds()) return;
  throw new Error("it is not so");
};
