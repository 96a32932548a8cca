/**
 * A fleet of sidecars with one shared quota, in virtual time: their own code (SliceStore) and the store's law, with Redis as one server
 * with a queue that takes for each call what it was measured to take. Says what Exact and Leased cost, and whom they refuse.
 */
import { silentLog } from "../../src/base/log.ts";
import { slotMsOf, spanOf, usedOf, type WindowSpec } from "../../src/base/window.ts";
import type { Claim, QuotaStore } from "../../src/sidecar/ports/quota-store.ts";
import { LeaseKeeper } from "../../src/sidecar/quota/leases.ts";
import { Settler } from "../../src/sidecar/quota/settler.ts";
import { SliceStore, sliceLookMs } from "../../src/sidecar/quota/slices/slice-store.ts";
import { createMemoryQuotaStore } from "../../src/sidecar/stores/memory/quota.ts";
import { callUs } from "./fleet-costs.ts";
import { VirtualTime } from "./virtual-time.ts";

/** What is simulated. */
export interface FleetSetup {
  readonly sidecars: number;
  /** Requests a second of each sidecar, on average over all. */
  readonly perSecond: number;
  /** zipf: the n-th sidecar asks 1/n as often as the first. */
  readonly load: "uniform" | "zipf";
  readonly precision: "Exact" | "Leased";
  /** Requests that are admitted in any minute. */
  readonly limit: number;
  readonly seconds: number;
  /** Left out of what is said of Redis, at the beginning: a fleet does not start at once. */
  readonly warmUpSeconds: number;
  readonly seed?: number;
}

/** What came of it. */
export interface FleetFigures {
  readonly requests: number;
  readonly callsPerSecond: number;
  /** Of one core; above 1 the queue grows without end, and the waits say how long the simulation was. */
  readonly utilisation: number;
  readonly waitP50Ms: number;
  readonly waitP99Ms: number;
  readonly waitMaxMs: number;
  readonly admitted: number;
  readonly refused: number;
  /** Refused although what was really admitted left room. */
  readonly refusedWithRoom: number;
  /** The room that there was at such a refusal, on average and at most, as parts of the limit. */
  readonly roomMean: number;
  readonly roomMax: number;
  /** The most that was admitted within the window, by slots and as the store counted it with what lay in slices, as parts of the limit. */
  readonly peakAdmitted: number;
  readonly peakCounted: number;
}

const window: WindowSpec = { type: "Sliding", durationMs: 60_000 };
const namespace = "team";
const counter = "team/q/l/all";
/** From a sidecar to Redis, and back. */
const networkMs = 0.2;
/** How long a call of a model takes on average, exponentially. */
const callMs = 1_500;
const startMs = 28_000_000 * 60_000;

/** Mulberry32: the same load from the same seed. */
const randomFrom = (seed: number): (() => number) => {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
};

/** Redis: one call after the other. */
class QueuedStore {
  readonly #time: VirtualTime;
  readonly #store: QuotaStore;
  #freeMs = 0;
  calls = 0;
  busyMs = 0;
  waitsMs: number[] = [];

  constructor(time: VirtualTime, store: QuotaStore) {
    this.#time = time;
    this.#store = store;
  }

  #serve<Answer>(costUs: number, run: () => Promise<Answer>): Promise<Answer> {
    const arrivesMs = this.#time.monotonicMs() + networkMs;
    const beginsMs = Math.max(arrivesMs, this.#freeMs);
    this.#freeMs = beginsMs + costUs / 1000;
    this.calls++;
    this.busyMs += costUs / 1000;
    this.waitsMs.push(beginsMs - arrivesMs);
    return new Promise((resolve) => {
      this.#time.after(this.#freeMs - this.#time.monotonicMs(), () => {
        void run().then((answer) => this.#time.after(networkMs, () => resolve(answer)));
      });
    });
  }

  /** Measures anew. */
  reset(): void {
    this.calls = 0;
    this.busyMs = 0;
    this.waitsMs = [];
  }

  readonly view: QuotaStore = {
    reserve: (request) =>
      this.#serve(request.output ? callUs.slice : callUs.reserve, () => this.#store.reserve(request)),
    settle: (settlement) => this.#serve(callUs.settle, () => this.#store.settle(settlement)),
    release: (space, holdId) => this.#serve(callUs.settle, () => this.#store.release(space, holdId)),
    trim: (space, trims) => this.#serve(callUs.trim * trims.length, () => this.#store.trim(space, trims)),
    renew: (space, ids, leaseMs) => this.#serve(callUs.trim * ids.length, () => this.#store.renew(space, ids, leaseMs)),
    peek: (space, name, spec) => this.#store.peek(space, name, spec),
    liveHolds: (space) => this.#store.liveHolds(space),
  };
}

const nothing = (): void => undefined;

class Fleet {
  readonly #setup: FleetSetup;
  readonly #random: () => number;
  readonly #time = new VirtualTime(startMs);
  readonly #store = createMemoryQuotaStore({ clock: this.#time, entriesMax: 10_000_000 });
  readonly #redis = new QueuedStore(this.#time, this.#store);
  readonly #claims: readonly Claim[];
  /** What was admitted, by slot. */
  readonly #truth = new Map<number, number>();
  readonly #seen = {
    requests: 0,
    admitted: 0,
    refused: 0,
    refusedWithRoom: 0,
    roomMax: 0,
    peakAdmitted: 0,
    peakCounted: 0,
  };
  #roomSum = 0;

  constructor(setup: FleetSetup) {
    this.#setup = setup;
    this.#random = randomFrom(setup.seed ?? 1);
    const claim: Claim = { counter, window, max: setup.limit, amount: 1, enforced: true };
    this.#claims = [setup.precision === "Leased" ? { ...claim, precision: "Leased" } : claim];
    const { sidecars, load, perSecond } = setup;
    const weights = Array.from({ length: sidecars }, (_, i) => (load === "zipf" ? 1 / (i + 1) : 1));
    const whole = weights.reduce((sum, each) => sum + each, 0);
    for (const [at, weight] of weights.entries()) this.#open(at, (1000 * whole) / (sidecars * perSecond * weight));
  }

  async run(): Promise<FleetFigures> {
    const { seconds, warmUpSeconds, limit } = this.#setup;
    const [seen, redis] = [this.#seen, this.#redis];
    for (let quarter = 0; quarter < seconds * 4; quarter++) {
      if (quarter === warmUpSeconds * 4) redis.reset();
      await this.#time.run(250);
      seen.peakAdmitted = Math.max(seen.peakAdmitted, this.#spent() / limit);
      seen.peakCounted = Math.max(seen.peakCounted, (await this.#store.peek(namespace, counter, window)) / limit);
    }
    const waits = Float64Array.from(redis.waitsMs).sort();
    const waitAt = (part: number): number => waits[Math.min(waits.length - 1, Math.floor(waits.length * part))] ?? 0;
    return {
      ...seen,
      roomMean: seen.refusedWithRoom === 0 ? 0 : this.#roomSum / seen.refusedWithRoom,
      callsPerSecond: redis.calls / (seconds - warmUpSeconds),
      utilisation: redis.busyMs / ((seconds - warmUpSeconds) * 1000),
      waitP50Ms: waitAt(0.5),
      waitP99Ms: waitAt(0.99),
      waitMaxMs: waitAt(1),
    };
  }

  #spent(): number {
    return usedOf(this.#truth, spanOf(window, this.#time.nowMs()));
  }

  /** Exponentially distributed. */
  #chanceMs(meanMs: number): number {
    return -Math.log(1 - this.#random()) * meanMs;
  }

  /** One sidecar, which is asked every `meanMs` or so. */
  #open(at: number, meanMs: number): void {
    const time = this.#time;
    const slices = new SliceStore({ store: this.#redis.view, clock: time, log: silentLog(), instance: `i${at}` });
    const settler = new Settler({ store: slices, log: silentLog(), dropped: () => undefined });
    const leases = new LeaseKeeper({ store: slices, clock: time, log: silentLog() });
    slices.use({
      ...{ settler, leases, random: this.#random, later: (ms, run) => time.after(ms, run) },
      metrics: { claim: nothing, refilled: nothing, returned: nothing },
    });
    const look = (): void => {
      void slices.look();
      time.after(sliceLookMs, look);
    };
    time.after(this.#random() * sliceLookMs, look);
    let serial = 0;
    const next = (): void => {
      void this.#ask(slices, settler, `r-${at}-${++serial}`);
      time.after(this.#chanceMs(meanMs), next);
    };
    time.after(this.#chanceMs(meanMs), next);
  }

  async #ask(slices: SliceStore, settler: Settler, holdId: string): Promise<void> {
    const seen = this.#seen;
    seen.requests++;
    const { admitted } = await slices.reserve({ namespace, holdId, leaseMs: 3_600_000, claims: this.#claims });
    if (!admitted) {
      seen.refused++;
      const room = (this.#setup.limit - this.#spent()) / this.#setup.limit;
      if (room <= 0) return;
      seen.refusedWithRoom++;
      this.#roomSum += room;
      seen.roomMax = Math.max(seen.roomMax, room);
      return;
    }
    seen.admitted++;
    const slot = Math.floor(this.#time.nowMs() / slotMsOf(window));
    this.#truth.set(slot, (this.#truth.get(slot) ?? 0) + 1);
    this.#time.after(this.#chanceMs(callMs), () => settler.settle({ namespace, holdId, amounts: [1] }));
  }
}

/** Runs one fleet. */
export const simulateFleet = (setup: FleetSetup): Promise<FleetFigures> => new Fleet(setup).run();
