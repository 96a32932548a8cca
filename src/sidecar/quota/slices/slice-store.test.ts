import { setImmediate as settledPromises } from "node:timers/promises";
import { beforeEach, expect, test } from "vitest";
import { type Asked, namespace, openSliceSidecar, type SliceSidecar } from "../../../../test/fixtures/slice-sidecar.ts";
import { FakeClock } from "../../../base/clock.ts";
import type { WindowSpec } from "../../../base/window.ts";
import type { Claim, QuotaStore } from "../../ports/quota-store.ts";
import { StoreUnavailable } from "../../ports/store-unavailable.ts";
import { createMemoryQuotaStore } from "../../stores/memory/quota.ts";
import { refusalMs } from "./refusal-memory.ts";
import { sliceMs } from "./slice.ts";
import { slicedCountersMax, sliceLookMs } from "./slice-store.ts";

const hour: WindowSpec = { type: "Fixed", durationMs: 3_600_000 };
const counter = "team/q/l/all";
const leased = (more: Partial<Claim> = {}): Claim => ({
  ...{ counter, window: hour, max: 10_000, amount: 1, enforced: true, precision: "Leased" },
  ...more,
});

let clock: FakeClock;
let store: QuotaStore;
let sidecar: SliceSidecar;
beforeEach(() => {
  clock = new FakeClock(480_000 * 3_600_000);
  store = createMemoryQuotaStore({ clock });
  sidecar = openSliceSidecar(store, clock);
});

const used = (name = counter): Promise<number> => store.peek(namespace, name, hour);
const pass = async (ms: number, ...others: SliceSidecar[]): Promise<void> => {
  for (let left = ms; left > 0; left -= sliceLookMs) {
    clock.advance(Math.min(left, sliceLookMs));
    for (const each of [sidecar, ...others]) await each.look();
    await settledPromises();
  }
};
/** Asks so many times, and lets each end at once. */
const serve = async (times: number, claims = [leased()], by = sidecar): Promise<number> => {
  let admitted = 0;
  for (let i = 0; i < times; i++) {
    const asked = await by.ask(claims);
    if (asked.admitted) admitted++;
    asked.end(claims.map(({ amount }) => amount));
  }
  await settledPromises();
  return admitted;
};
const warm = (claims = [leased()], by = sidecar): Promise<number> => serve(4, claims, by);

test("few requests are the store's, each in one call to admit and one to settle", async () => {
  for (let i = 0; i < 10; i++) {
    expect(await serve(1)).toBe(1);
    await pass(sliceMs);
  }
  expect(sidecar.counted).toMatchObject({ slice: 0, store: 10, refilled: 0 });
  expect(sidecar.calls()).toBe(20);
  expect(await used()).toBe(10);
});

test("many cost the store one call or so a second, and it knows the truth all the time but for what lies in slices", async () => {
  await warm();
  const before = sidecar.calls();
  for (let i = 0; i < 1_000; i++) {
    await serve(1);
    clock.advance(10);
    if (i % 50 === 0) await sidecar.look();
    expect(await used()).toBeGreaterThanOrEqual(i + 5);
  }
  expect(sidecar.calls() - before).toBeLessThan(40);
  await pass(sliceMs + sliceLookMs);
  expect(await used()).toBe(1_004);
  expect(await store.liveHolds(namespace)).toBe(0);
});

test("what lies unused in a slice is back after its time, and until then another may be refused: that is the bound", async () => {
  const claims = [leased({ max: 80 })];
  const other = openSliceSidecar(store, clock);
  await warm(claims);
  const inSlices = (await used()) - 4;
  expect(inSlices).toBeGreaterThan(1);
  expect(inSlices).toBeLessThanOrEqual((80 - 4) / 8);
  const ofOther = await serve(100, claims, other);
  expect(ofOther).toBeLessThan(80 - 4);
  await pass(sliceMs + sliceLookMs, other);
  expect(ofOther + (await serve(100, claims, other))).toBe(80 - 4);
  expect(await used()).toBe(80);
});

test("near the limit nobody holds more than he needs", async () => {
  const claims = [leased({ max: 20 })];
  expect(await serve(100, claims)).toBe(20);
  expect(sidecar.counted.refilled).toBeLessThanOrEqual(2);
  expect(await used()).toBe(20);
});

test("requests that come while a slice is fetched wait for it, and share it", async () => {
  await serve(3);
  const before = sidecar.calls();
  const asked = await Promise.all(Array.from({ length: 4 }, () => sidecar.ask([leased()])));
  expect(asked.map(({ admitted }) => admitted)).toEqual([true, true, true, true]);
  expect(sidecar.calls() - before).toBe(1);
});

/** A store whose answers come when they are let go. */
const slow = () => {
  const held: (() => void)[] = [];
  const through = store;
  const gated: QuotaStore = {
    ...{ settle: (s) => through.settle(s), release: (n, h) => through.release(n, h) },
    ...{ trim: (n, t) => through.trim(n, t), renew: (n, h, l) => through.renew(n, h, l) },
    ...{ peek: (n, c, w) => through.peek(n, c, w), liveHolds: (n) => through.liveHolds(n) },
    reserve: async (request) => {
      const result = await through.reserve(request);
      if (request.holdId.startsWith("slice-")) await new Promise<void>((resolve) => void held.push(resolve));
      return result;
    },
  };
  return { gated, letGo: () => held.splice(0).forEach((resolve) => void resolve()) };
};

test("a slice that comes when its slot is over serves who asked before it was booked, and nobody else", async () => {
  const { gated, letGo } = slow();
  sidecar = openSliceSidecar(gated, clock);
  await serve(2);
  const first = sidecar.ask([leased()]);
  await settledPromises();
  clock.advance(3_600_000 - 5); // the window ends
  const second = sidecar.ask([leased()]);
  clock.advance(10);
  await settledPromises();
  letGo();
  expect(await Promise.all([first, second])).toMatchObject([{ admitted: true }, { admitted: true }]);
  expect(sidecar.counted).toMatchObject({ slice: 1, store: 3 });
  expect(await used(), "the second is in the new window").toBe(1);
});

test("exact claims go in the one call as ever; what they refuse goes back to the slice", async () => {
  const exact: Claim = { ...leased({ counter: "team/q/exact/all", max: 6 }) };
  const { precision: _, ...plain } = exact;
  const claims = [plain, leased()];
  await warm(claims);
  const before = sidecar.calls();
  const asked = [await sidecar.ask(claims), await sidecar.ask(claims), await sidecar.ask(claims)];
  expect(sidecar.calls() - before, "three, and a slice").toBe(4);
  expect(asked.map(({ admitted }) => admitted)).toEqual([true, true, false]);
  expect(asked[2]?.claims.map(({ exceeded }) => exceeded)).toEqual([true, false]);
  asked[0]?.end([1, 1]);
  asked[1]?.end();
  await pass(sliceMs + sliceLookMs);
  expect([await used(), await used("team/q/exact/all")]).toEqual([5, 5]);
});

test("output is granted as the store would: all that is wanted, or what every claim has room for", async () => {
  const tokens = leased({ amount: 0, perOutput: 1, max: 4_000 });
  const output = { wanted: 50, min: 5 };
  for (let i = 0; i < 5; i++) (await sidecar.ask([tokens], output)).end([20]);
  expect(sidecar.counted.slice).toBeGreaterThan(0);
  const { precision: _, ...tight } = { ...tokens, counter: "team/q/tight/all", max: 30 };
  const cut = await sidecar.ask([tokens, tight], output);
  expect(cut).toMatchObject({ admitted: true, outputGranted: 30 });
  cut.end([7, 7]);
  await pass(sliceMs + sliceLookMs);
  expect([await used(), await used("team/q/tight/all")]).toEqual([107, 7]);
});

test("while the store is away a slice is used up, within its time; then the failure policy decides", async () => {
  await warm();
  sidecar.store.way = "away";
  expect((await sidecar.ask([leased()])).admitted).toBe(true);
  clock.advance(sliceMs);
  await expect(sidecar.ask([leased()])).rejects.toThrow(StoreUnavailable);
  sidecar.store.way = "up";
  await pass(sliceMs + sliceLookMs);
  expect(await serve(1)).toBe(1);
});

test("what waits for a slice that does not come is told so, and what it took elsewhere is given back", async () => {
  const other = leased({ counter: "team/q/other/all" });
  await warm([other]);
  await serve(2);
  sidecar.store.way = "deaf";
  await expect(sidecar.ask([other, leased()])).rejects.toThrow(StoreUnavailable);
  sidecar.store.way = "up";
  await sidecar.store.releaseLost();
  await pass(sliceMs + sliceLookMs);
  expect([await used(), await used("team/q/other/all")]).toEqual([2, 4]);
});

test("a flood at a spent limit asks the store twice a second, and is answered with what it said", async () => {
  const claims = [leased({ max: 5 })];
  await serve(6, claims);
  const before = sidecar.calls();
  for (let i = 0; i < 100; i++) {
    const { admitted, claims: states } = await sidecar.ask(claims);
    expect(admitted).toBe(false);
    expect(states[0]).toMatchObject({ used: 5, exceeded: true, retryAfterMs: states[0]?.resetMs });
    clock.advance(10);
  }
  expect(sidecar.calls() - before).toBeLessThanOrEqual(Math.ceil(1_000 / refusalMs));
  expect(sidecar.counted.refusal).toBeGreaterThan(90);
});

test("a limit that is lowered counts at once: slices from before are not used", async () => {
  await warm();
  expect(await serve(1, [leased({ max: 3 })])).toBe(0);
  expect(await serve(1, [leased({ max: 20_000 })])).toBe(1);
});

test("in mode Audit nothing is refused, and what is above the limit is told", async () => {
  const claims = [leased({ max: 100, enforced: false })];
  const asked: Asked[] = [];
  for (let i = 0; i < 120; i++) asked.push(await sidecar.ask(claims));
  expect(asked.every(({ admitted }) => admitted)).toBe(true);
  expect(asked.map(({ claims: [state] }) => state?.exceeded).indexOf(true)).toBe(100);
  expect(sidecar.counted.slice).toBeGreaterThan(0);
});

test("calls that outlive their slice stay held, with what is unused given back, and settle once", async () => {
  await warm();
  const tokens = leased({ amount: 100 });
  const asked = [await sidecar.ask([tokens]), await sidecar.ask([tokens]), await sidecar.ask([tokens])];
  await pass(sliceMs + sliceLookMs);
  expect(await used()).toBe(304);
  asked[0]?.end([10]);
  asked[1]?.end();
  await pass(sliceLookMs);
  expect(await used()).toBe(114);
  await pass(180_000); // longer than any lease
  expect(await used()).toBe(114);
  expect(await store.liveHolds(namespace)).toBe(1);
  asked[2]?.end([33]);
  asked[2]?.end([50]);
  await pass(sliceLookMs);
  expect(await used()).toBe(47);
  expect([await store.liveHolds(namespace), sidecar.leases.size]).toEqual([0, 0]);
});

test("what ends while its slice lasts is room for the next, without a call", async () => {
  await warm();
  const before = sidecar.calls();
  for (let i = 0; i < 20; i++) (await sidecar.ask([leased({ amount: 2 })])).end();
  expect(sidecar.calls() - before).toBe(0);
});

test("of a sidecar that died its slice stays charged, and no more", async () => {
  await warm();
  const held = await used();
  expect(held).toBeGreaterThan(4);
  const next = openSliceSidecar(store, clock);
  clock.advance(120_000);
  expect([await used(), await store.liveHolds(namespace)]).toEqual([held, 0]);
  expect(await serve(10, [leased()], next)).toBe(10);
});

test("closed, it has given everything back", async () => {
  await warm();
  await sidecar.slices.close();
  await settledPromises();
  expect([await used(), sidecar.slices.slices]).toEqual([4, 0]);
});

test("with more counters than are looked at, further ones are the store's", async () => {
  for (let i = 0; i < slicedCountersMax; i++) await sidecar.ask([leased({ counter: `team/q/l/user=${i}` })]);
  const { refilled } = sidecar.counted;
  await serve(20);
  expect(sidecar.counted.refilled).toBe(refilled);
  await pass(3_000);
  await serve(20);
  expect(sidecar.counted.refilled).toBeGreaterThan(refilled);
});

test("asked again under its id a request has its first answer, and holds nothing more", async () => {
  await warm();
  const request = { namespace, holdId: "again", leaseMs: 60_000, claims: [leased()] };
  const first = await sidecar.slices.reserve(request);
  expect(await sidecar.slices.reserve(request)).toEqual(first);
  expect(await sidecar.slices.renew(namespace, ["again", "never"], 60_000)).toEqual(["never"]);
  expect(await sidecar.slices.settle({ namespace, holdId: "again", amounts: [1] })).toBe(true);
  expect(await sidecar.slices.settle({ namespace, holdId: "again", amounts: [1] })).toBe(false);
  await pass(sliceMs + sliceLookMs);
  expect(await used()).toBe(5);
});
