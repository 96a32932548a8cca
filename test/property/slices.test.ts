/**
 * Leased: however sidecars with slices go on beside each other, with wrong clocks, crashes and outages, no span of the window ever has more
 * than the limit; and one alone admits just what it would without slices.
 */
import { setImmediate as settledPromises } from "node:timers/promises";
import fc from "fast-check";
import { afterAll, expect, test } from "vitest";
import { type Clock, FakeClock } from "../../src/base/clock.ts";
import { slotMsOf, type WindowSpec } from "../../src/base/window.ts";
import type { Claim } from "../../src/sidecar/ports/quota-store.ts";
import { StoreUnavailable } from "../../src/sidecar/ports/store-unavailable.ts";
import { createMemoryQuotaStore } from "../../src/sidecar/stores/memory/quota.ts";
import { share } from "../fixtures/proof.ts";
import { type Asked, namespace, openSliceSidecar, type SliceSidecar } from "../fixtures/slice-sidecar.ts";

const minute = 60_000;
const startMs = 28_000_000 * minute;
const boundariesMs = [startMs - minute, startMs, startMs + minute, startMs + 2 * minute, startMs + 60 * minute];
const windows: readonly WindowSpec[] = [
  { type: "Sliding", durationMs: minute },
  { type: "Fixed", durationMs: minute },
  { type: "Calendar", boundariesMs },
];

/** Claims that slices admitted, over all runs: a test in which there were none would prove nothing. */
let bySlice = 0;
afterAll(() => expect(bySlice).toBeGreaterThan(1_000));

/** A pod's clocks. One of both may be wrong at a time: the wall clock is set, or the monotonic one stands still while the pod sleeps. */
class PodClock implements Clock {
  readonly #store: FakeClock;
  wallOffMs = 0;
  sleptMs = 0;
  constructor(store: FakeClock) {
    this.#store = store;
  }
  nowMs(): number {
    return this.#store.nowMs() + this.wallOffMs;
  }
  monotonicMs(): number {
    return this.#store.monotonicMs() - this.sleptMs;
  }
}

interface Admitted {
  readonly atMs: number;
  readonly by: number;
  readonly asked: Asked;
  units: number;
  runs: boolean;
}

/** Whether what was admitted at `atMs` counts at `nowMs`, by the truth and not by slots. */
const counts = (window: WindowSpec, atMs: number, nowMs: number): boolean => {
  if (window.type === "Sliding") return atMs > nowMs - window.durationMs;
  if (window.type === "Fixed") return Math.floor(atMs / window.durationMs) === Math.floor(nowMs / window.durationMs);
  const startOf = (ms: number): number => Math.max(...boundariesMs.filter((each) => each <= ms));
  return startOf(atMs) === startOf(nowMs);
};

const amountOf = (much: number, isSmall: boolean): number => (isSmall ? 1 : 1 + (much % 5));
const claimOn = (window: WindowSpec, max: number, amount: number, precision?: "Leased"): Claim => ({
  ...{ counter: "team/q/l/all", window, max, amount, enforced: true },
  ...(precision && { precision }),
});

const stepOf = <Kind extends string>(...kinds: readonly Kind[]) =>
  fc.record({ kind: fc.constantFrom(...kinds), at: fc.nat({ max: 7 }), much: fc.nat({ max: 40 }) });
const kinds = [
  ...(["ask", "ask", "burst", "burst", "flood", "end", "look", "wait", "edge", "edge"] as const),
  ...(["die", "clock", "away"] as const),
] as const;
type Kind = (typeof kinds)[number];

/** Sidecars with pods' clocks in front of one store, and the truth of what they admitted. */
class Scene {
  readonly clock = new FakeClock(startMs);
  readonly store = createMemoryQuotaStore({ clock: this.clock });
  readonly admitted: Admitted[] = [];
  readonly sidecars: SliceSidecar[];
  /** Something stays charged that nobody used. */
  isMoved = false;
  readonly #window: WindowSpec;
  readonly #max: number;
  readonly #isSmall: boolean;
  readonly #clocks: PodClock[];

  constructor(window: WindowSpec, count: number, max: number, isSmall: boolean) {
    this.#window = window;
    this.#max = max;
    this.#isSmall = isSmall;
    this.#clocks = Array.from({ length: count }, () => new PodClock(this.clock));
    this.sidecars = this.#clocks.map((clock) => openSliceSidecar(this.store, clock));
  }

  used(): Promise<number> {
    return this.store.peek(namespace, "team/q/l/all", this.#window);
  }
  spent(): number {
    const nowMs = this.clock.nowMs();
    return this.admitted.reduce((sum, { atMs, units }) => sum + (counts(this.#window, atMs, nowMs) ? units : 0), 0);
  }
  async check(): Promise<void> {
    const [spent, used] = [this.spent(), await this.used()];
    expect(spent).toBeLessThanOrEqual(this.#max);
    expect(used).toBeLessThanOrEqual(this.#max);
    expect(used).toBeGreaterThanOrEqual(spent);
  }
  async lookAll(): Promise<void> {
    for (const sidecar of this.sidecars) await sidecar.look();
    await settledPromises();
  }

  async #ask(at: number, much: number): Promise<void> {
    const units = amountOf(much, this.#isSmall);
    const claims = [claimOn(this.#window, this.#max, units, "Leased")];
    const asked = await this.sidecars[at]?.ask(claims).catch((fault: unknown) => {
      if (!(fault instanceof StoreUnavailable)) throw fault;
    });
    if (asked?.admitted) this.admitted.push({ atMs: this.clock.nowMs(), by: at, asked, units, runs: true });
  }
  async #burst(at: number, much: number, times: number): Promise<void> {
    await Promise.all(Array.from({ length: times }, () => this.#ask(at, much)));
  }
  #end(much: number): void {
    const running = this.admitted.filter(({ runs }) => runs);
    const one = running[much % Math.max(1, running.length)];
    if (!one) return;
    one.runs = false;
    const actual = much % 7 === 0 ? undefined : Math.min(one.units, much % 6);
    one.units = actual ?? 0;
    one.asked.end(actual === undefined ? undefined : [actual]);
  }
  /** Timers look so often that no lease ends; of who is away for long one may. */
  async #pass(ms: number): Promise<void> {
    for (let left = ms; left > 0; left -= 15_000) {
      this.clock.advance(Math.min(left, 15_000));
      if (left > 15_000) await this.lookAll();
      else for (const { leases } of this.sidecars) await leases.renewDue();
    }
    if (ms > 10_000 && this.sidecars.some(({ store }) => store.way !== "up")) this.isMoved = true;
  }
  /** To the end of a slot, this one or one to come, or a little before: there a slice is of little use, and of much harm. */
  async #toEdge(place: number, much: number): Promise<void> {
    const isSliding = this.#window.type === "Sliding";
    const slotMs = isSliding ? slotMsOf(this.#window) : minute;
    const slot = Math.floor(this.clock.nowMs() / slotMs) + 1 + (isSliding ? place * 2 : 0);
    await this.#pass(Math.max(0, slot * slotMs - this.clock.nowMs() - (much % 4) * 300));
    if (place % 2 === 0) await this.lookAll();
  }
  /** What ran there, and its slices, stay charged as they were held. */
  #die(at: number): void {
    this.sidecars[at] = openSliceSidecar(this.store, this.#clocks[at] ?? this.clock);
    for (const one of this.admitted) if (one.by === at) one.runs = false;
    this.isMoved = true;
  }
  #turnClock(at: number, much: number): void {
    const pod = this.#clocks[at];
    if (!pod) return;
    if (at % 2 === 0) pod.wallOffMs = (much - 20) * 1_000;
    else {
      this.clock.advance(much * 50);
      pod.sleptMs += much * 50;
    }
  }

  async take({ kind, at: place, much }: { readonly kind: Kind; readonly at: number; readonly much: number }) {
    const at = place % this.sidecars.length;
    const sidecar = this.sidecars[at];
    if (kind === "ask") await this.#ask(at, much);
    else if (kind === "burst") await this.#burst(at, much, much);
    else if (kind === "flood") for (const each of this.sidecars.keys()) await this.#burst(each, much, 40);
    else if (kind === "end") this.#end(much);
    else if (kind === "look") await sidecar?.look();
    else if (kind === "edge") await this.#toEdge(place, much);
    else if (kind === "die") this.#die(at);
    else if (kind === "clock") this.#turnClock(at, much);
    else if (kind === "away") {
      if (sidecar) sidecar.store.way = sidecar.store.way === "up" ? "away" : "up";
    } else {
      this.clock.advance(much * 100);
      await this.lookAll(); // leases are renewed
    }
    await settledPromises();
  }

  /** All calls end at nothing, all sidecars give back what they have. */
  async end(): Promise<void> {
    for (const { store } of this.sidecars) store.way = "up";
    for (const one of this.admitted) {
      if (!one.runs) continue;
      one.runs = false;
      one.units = 0;
      one.asked.end([0]);
    }
    for (const { slices } of this.sidecars) await slices.close();
    await this.lookAll();
    for (const { counted } of this.sidecars) bySlice += counted.slice;
  }
}

test.each(windows)(
  "no span has more than the limit, and nothing is left in slices: $type",
  async (window) => {
    await fc.assert(
      fc.asyncProperty(
        fc.integer({ min: 1, max: 8 }),
        fc.integer({ min: 5, max: 400 }),
        fc.boolean(),
        fc.array(stepOf(...kinds), { maxLength: 120, size: "max" }),
        async (count, max, isSmall, steps) => {
          const scene = new Scene(window, count, max, isSmall);
          for (const step of steps) {
            await scene.take(step);
            await scene.check();
          }
          await scene.end();
          await scene.check();
          if (scene.isMoved) return;
          const used = await scene.used();
          if (window.type === "Sliding")
            expect(used).toBeGreaterThanOrEqual(scene.spent()); // the oldest slot counts whole
          else expect(used).toBe(scene.spent());
          expect(await scene.store.liveHolds(namespace)).toBe(0);
        },
      ),
      { numRuns: share(1_500) },
    );
  },
  600_000,
);

test.each(windows)(
  "one sidecar alone admits what it would without slices, to the token: $type",
  async (window) => {
    await fc.assert(
      fc.asyncProperty(
        fc.integer({ min: 5, max: 300 }),
        fc.boolean(),
        fc.array(stepOf("ask", "ask", "ask", "ask", "grant", "end", "end", "wait", "nap"), {
          maxLength: 150,
          size: "max",
        }),
        async (max, isSmall, steps) => {
          const clock = new FakeClock(startMs);
          const stores = [createMemoryQuotaStore({ clock }), createMemoryQuotaStore({ clock })] as const;
          const [leased, exact] = [openSliceSidecar(stores[0], clock), openSliceSidecar(stores[1], clock)];
          const running: { readonly both: readonly Asked[]; readonly held: number }[] = [];
          const other: Claim = { ...claimOn(window, max * 2, 1), counter: "team/q/other/all" };
          for (const { kind, at, much } of steps) {
            if (kind === "ask" || kind === "grant") {
              const amount = amountOf(much, isSmall);
              const output = kind === "grant" ? { wanted: 3 + much, min: 2, step: 1 + (at % 2) } : undefined;
              const perOutput = output ? 1 : 0;
              const ask = (sidecar: SliceSidecar, precision?: "Leased"): Promise<Asked> =>
                sidecar.ask(
                  [{ ...claimOn(window, max, amount, precision), perOutput }, ...(at > 5 ? [other] : [])],
                  output,
                );
              const both = [await ask(leased, "Leased"), await ask(exact)];
              const [a, b] = both;
              expect({ admitted: a?.admitted, granted: a?.outputGranted }).toEqual({
                admitted: b?.admitted,
                granted: b?.outputGranted,
              });
              if (a?.admitted) running.push({ both, held: amount + perOutput * a.outputGranted });
            } else if (kind === "end") {
              const [one] = running.splice(much % Math.max(1, running.length), 1);
              const amounts = one?.both[0]?.claims.map(() => Math.min(one.held, much));
              for (const each of one?.both ?? []) each.end(much % 9 === 0 ? undefined : amounts);
            } else clock.advance(kind === "wait" ? much * 100 : much);
            await leased.look();
            await exact.look();
            await settledPromises();
          }
          for (const { both } of running) for (const each of both) each.end(each.claims.map(() => 1));
          await leased.slices.close();
          await settledPromises();
          const [a, b] = await Promise.all(stores.map((store) => store.peek(namespace, "team/q/l/all", window)));
          expect(a).toBe(b);
          expect(await stores[0].liveHolds(namespace)).toBe(0);
        },
      ),
      { numRuns: share(1_500) },
    );
  },
  600_000,
);
