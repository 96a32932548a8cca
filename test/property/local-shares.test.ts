/**
 * LocalShare: whatever sidecars did before they were cut off, together they admit no more than was left over; and whatever fails on the
 * way back, the store ends with the sum of the truth.
 */
import { setImmediate as settledPromises } from "node:timers/promises";
import fc from "fast-check";
import { expect, test } from "vitest";
import { FakeClock } from "../../src/base/clock.ts";
import type { QuotaStore } from "../../src/sidecar/ports/quota-store.ts";
import { refreshMs } from "../../src/sidecar/quota/share/local-shares.ts";
import { createMemoryQuotaStore } from "../../src/sidecar/stores/memory/quota.ts";
import { share } from "../fixtures/proof.ts";
import {
  claimOn,
  namespace,
  openShareSidecar,
  type Running,
  type ShareLimit,
  type ShareSidecar,
} from "../fixtures/share-sidecar.ts";

const hour = 3_600_000;
const startMs = 480_000 * hour; // the start of a window of an hour
const limits: readonly ShareLimit[] = [
  { counter: "fixed", window: { type: "Fixed", durationMs: hour }, max: 60 },
  { counter: "sliding", window: { type: "Sliding", durationMs: hour }, max: 47 },
  { counter: "running", window: { type: "Concurrency" }, max: 23 },
];
const [fixed, , concurrency] = limits as readonly [ShareLimit, ShareLimit, ShareLimit];

/** What a sidecar does. `at`: which one; `much`: an amount, or which of the running requests. */
interface Step {
  readonly kind: "ask" | "end" | "giveUp" | "refresh" | "wait" | "die";
  readonly at: number;
  readonly much: number;
}
const stepsOf = (kinds: readonly Step["kind"][], length: number) =>
  fc.array(fc.record({ kind: fc.constantFrom(...kinds), at: fc.nat({ max: 4 }), much: fc.nat({ max: 9 }) }), {
    maxLength: length,
  });

/** Sidecars with what runs on them, in front of one store. */
class Scene {
  readonly clock = new FakeClock(startMs);
  readonly store: QuotaStore = createMemoryQuotaStore({ clock: this.clock });
  readonly limit: ShareLimit;
  readonly sidecars: ShareSidecar[] = [];
  readonly running: { readonly run: Running; readonly at: number; readonly amount: number }[] = [];
  /** What the ended ones came to. */
  truth = 0;
  /** What was admitted by shares and runs or has ended since `localTruth` was set back. */
  localTruth = 0;

  constructor(limit: ShareLimit, count: number) {
    this.limit = limit;
    for (let i = 0; i < count; i++) this.sidecars.push(openShareSidecar(this.store, this.clock));
  }
  get local(): number {
    return this.localTruth + this.running.reduce((sum, { run, amount }) => sum + (run.isLocal ? amount : 0), 0);
  }
  used(): Promise<number> {
    return this.store.peek(namespace, this.limit.counter, this.limit.window);
  }
  async take({ kind, at, much }: Step): Promise<void> {
    const sidecar = this.sidecars[at % this.sidecars.length];
    if (!sidecar) return;
    const isConcurrency = this.limit.window.type === "Concurrency";
    if (kind === "ask") {
      const amount = isConcurrency ? 1 : much;
      const run = await sidecar.ask([claimOn(this.limit, amount)]);
      if (run) this.running.push({ run, at: at % this.sidecars.length, amount });
    } else if (kind === "end" || kind === "giveUp") {
      const [ended] = this.running.splice(much % Math.max(1, this.running.length), 1);
      if (!ended) return;
      const actual = kind === "giveUp" || isConcurrency ? 0 : Math.min(ended.amount, at * 2);
      ended.run.end(kind === "giveUp" ? undefined : [actual]);
      this.truth += actual;
      if (ended.run.isLocal) this.localTruth += actual;
    } else if (kind === "refresh") await sidecar.shares.refresh();
    else if (kind === "wait") this.clock.advance(much * 500);
    else if (kind === "die") this.sidecars[at % this.sidecars.length] = openShareSidecar(this.store, this.clock);
    await settledPromises(); // settlements are sent beside the request
  }
}

const before = stepsOf(["ask", "ask", "ask", "end", "end", "giveUp", "refresh", "refresh", "wait", "die"], 60);
const away = stepsOf(["ask", "ask", "ask", "end", "giveUp", "wait", "refresh"], 80);

test.each(limits)(
  "cut off at once, sidecars admit no more than is left: $window.type",
  async (limit) => {
    await fc.assert(
      fc.asyncProperty(fc.integer({ min: 1, max: 5 }), before, away, async (count, history, outage) => {
        const scene = new Scene(limit, count);
        for (const step of history) await scene.take(step);
        scene.clock.advance(refreshMs);
        for (const { shares } of scene.sidecars) await shares.refresh(); // all know of everything, as after a quiet second
        await settledPromises();
        for (const { store } of scene.sidecars) store.way = "away";
        for (const step of outage) {
          await scene.take(step);
          // what runs there and what ended there count in the store, as far as it has not been told
          const inStore = scene.running.reduce((sum, { run, amount }) => sum + (run.isLocal ? 0 : amount), 0);
          const known = limit.window.type === "Concurrency" ? inStore : scene.truth - scene.localTruth + inStore;
          expect(known + scene.local).toBeLessThanOrEqual(limit.max);
        }
        // each tries for as much as it gets
        for (const at of scene.sidecars.keys())
          for (let i = 0; i < limit.max; i++) await scene.take({ kind: "ask", at, much: 1 });
        const inStore = scene.running.reduce((sum, { run, amount }) => sum + (run.isLocal ? 0 : amount), 0);
        const known = limit.window.type === "Concurrency" ? inStore : scene.truth - scene.localTruth + inStore;
        expect(known + scene.local).toBeLessThanOrEqual(limit.max);
      }),
      { numRuns: share(1_000) },
    );
  },
  600_000,
);

test("cut off one by one, each admits no more than its part of what it saw left over", async () => {
  await fc.assert(
    fc.asyncProperty(fc.integer({ min: 1, max: 5 }), before, async (count, history) => {
      const scene = new Scene(fixed, count);
      let seenLeast = Number.POSITIVE_INFINITY;
      for (const step of history) await scene.take(step);
      scene.clock.advance(refreshMs);
      for (const { shares, store } of scene.sidecars) {
        await shares.refresh();
        seenLeast = Math.min(seenLeast, await scene.used());
        store.way = "away";
        // those that still reach the store go on
        for (const at of scene.sidecars.keys())
          if (scene.sidecars[at]?.store.way === "up") await scene.take({ kind: "ask", at, much: 3 });
      }
      for (const at of scene.sidecars.keys())
        for (let i = 0; i < fixed.max; i++) await scene.take({ kind: "ask", at, much: 1 });
      expect(scene.local).toBeLessThanOrEqual(fixed.max - seenLeast);
    }),
    { numRuns: share(1_000) },
  );
}, 600_000);

test("a window that begins while all are cut off has one limit for all of them", async () => {
  await fc.assert(
    fc.asyncProperty(fc.integer({ min: 1, max: 5 }), before, fc.nat({ max: 2 }), async (count, history, at) => {
      const limit = limits[at] ?? fixed;
      if (limit.window.type === "Concurrency") return;
      const scene = new Scene(limit, count);
      for (const step of history) await scene.take(step);
      for (const { store } of scene.sidecars) store.way = "away";
      for (let window = 0; window < 3; window++) {
        scene.clock.advance(2 * hour);
        const earlier = scene.local;
        for (const each of scene.sidecars.keys())
          for (let i = 0; i < limit.max; i++) await scene.take({ kind: "ask", at: each, much: 1 });
        expect(scene.local - earlier).toBeLessThanOrEqual(limit.max);
      }
    }),
    { numRuns: share(500) },
  );
}, 600_000);

test.each([fixed, concurrency])(
  "back again, the store knows the truth, once: $window.type",
  async (limit) => {
    const ways = ["up", "up", "away", "deaf"] as const;
    const changes = fc.array(
      fc.record({
        way: fc.constantFrom(...ways),
        at: fc.nat({ max: 4 }),
        steps: stepsOf(["ask", "ask", "end", "refresh", "giveUp", "wait"], 8),
      }),
      { maxLength: 12 },
    );
    await fc.assert(
      fc.asyncProperty(fc.integer({ min: 1, max: 5 }), changes, async (count, history) => {
        const scene = new Scene(limit, count);
        for (const { way, at, steps } of history) {
          const sidecar = scene.sidecars[at % count];
          if (sidecar) sidecar.store.way = way;
          if (way === "up") await sidecar?.store.releaseLost();
          for (const step of steps) await scene.take(step);
        }
        for (const sidecar of scene.sidecars) await sidecar.recover();
        while (scene.running.length > 0) await scene.take({ kind: "end", at: 1, much: 0 });
        for (const sidecar of scene.sidecars) {
          await sidecar.recover();
          await settledPromises();
          expect(sidecar.shares.ledgerSize).toBe(0);
          expect(sidecar.dropped()).toBe(0);
          await sidecar.shares.close();
        }
        expect(await scene.used()).toBe(limit.window.type === "Concurrency" ? 0 : scene.truth);
        expect(await scene.store.liveHolds(namespace)).toBe(0);
      }),
      { numRuns: share(2_000) },
    );
  },
  600_000,
);
