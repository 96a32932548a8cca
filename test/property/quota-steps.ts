/** Steps of sidecars and of the network between them and a store, and what carries them out beside the ledger. */
import fc from "fast-check";
import { expect } from "vitest";
import type { QuotaStore } from "../../src/sidecar/ports/quota-store.ts";
import { type Asked, Ledger, type LedgerLimit } from "./quota-ledger.ts";

/** One message of a sidecar to the store. It may arrive late, twice, or after its sidecar died. */
type Message =
  | { readonly do: "reserve"; readonly asked: Asked; readonly isRetry: boolean }
  | { readonly do: "settle"; readonly share: number }
  | { readonly do: "release" | "giveUp" }
  | { readonly do: "renew"; readonly leaseMs: number };

/** One step. `send`: a slow message is still on its way for a while; `crash`: the sidecar forgets its request. */
export type Step =
  | { readonly step: "send"; readonly request: number; readonly message: Message; readonly isSlow: boolean }
  | { readonly step: "deliver"; readonly which: number; readonly stays: boolean }
  | { readonly step: "burst"; readonly which: readonly number[] }
  | { readonly step: "crash"; readonly request: number }
  | { readonly step: "time"; readonly ms: number };

const requestsAtOnce = 5;

/** Lists of steps; leases and spans of time are drawn from these. */
export const stepsWith = (leasesMs: readonly number[], spansMs: readonly number[]): fc.Arbitrary<readonly Step[]> => {
  const request = fc.nat(requestsAtOnce - 1);
  const leaseMs = fc.constantFrom(...leasesMs);
  const rarely = fc.nat(3).map((one) => one === 0);
  const asked = fc.record({
    amounts: fc.tuple(fc.nat(9), fc.integer({ min: 1, max: 2 }), fc.nat(9), fc.nat(9), fc.nat(9)),
    wanted: fc.nat(30),
    min: fc.constant(0),
    leaseMs,
  });
  const message: fc.Arbitrary<Message> = fc.oneof(
    { weight: 4, arbitrary: fc.record({ do: fc.constant("reserve" as const), asked, isRetry: rarely }) },
    {
      weight: 3,
      arbitrary: fc.record({ do: fc.constant("settle" as const), share: fc.double({ min: 0, max: 1, noNaN: true }) }),
    },
    { weight: 1, arbitrary: fc.record({ do: fc.constantFrom("release" as const, "giveUp" as const) }) },
    { weight: 1, arbitrary: fc.record({ do: fc.constant("renew" as const), leaseMs }) },
  );
  const which = fc.nat(50);
  return fc.array(
    fc.oneof(
      { weight: 6, arbitrary: fc.record({ step: fc.constant("send" as const), request, message, isSlow: rarely }) },
      { weight: 6, arbitrary: fc.record({ step: fc.constant("deliver" as const), which, stays: fc.boolean() }) },
      {
        weight: 1,
        arbitrary: fc.record({ step: fc.constant("burst" as const), which: fc.array(which, { maxLength: 6 }) }),
      },
      { weight: 1, arbitrary: fc.record({ step: fc.constant("crash" as const), request }) },
      { weight: 2, arbitrary: fc.record({ step: fc.constant("time" as const), ms: fc.constantFrom(...spansMs) }) },
    ),
    { minLength: 25, maxLength: 70, size: "max" },
  );
};

/** A store and its time. */
export interface World {
  /** The doors to one store: connections of several sidecars. */
  readonly stores: readonly QuotaStore[];
  readonly limits: readonly LedgerLimit[];
  nowMs(): number;
  /** Lets time pass in the store, and tells the ledger what has ended by then. */
  pass(ms: number, ledger: Ledger): Promise<void>;
  /** Releases a hold and turns away a reserve of it that comes later. */
  giveUp(namespace: string, id: string): Promise<unknown>;
  /** false: giving up is a plain release. */
  readonly turnsLateAway: boolean;
}

interface Underway {
  readonly id: string;
  readonly message: Message;
}

let runs = 0;
let deliveries = 0;

/** Carries the steps out; fails at the first moment where store and ledger differ or a limit is passed. */
export const expectLawful = async (world: World, steps: readonly Step[]): Promise<void> => {
  const ledger = new Ledger(world.limits);
  const namespace = `run-${++runs}`;
  const ids = Array.from({ length: requestsAtOnce }, (_, i) => `r${i}-0`);
  const underway: Underway[] = [];
  let serial = 0;
  const take = (which: number, stays: boolean): Underway | undefined => {
    if (underway.length === 0) return undefined;
    const index = which % underway.length;
    return stays ? underway[index] : underway.splice(index, 1)[0];
  };
  for (const step of steps) {
    await world.pass(0, ledger);
    if (step.step === "send") {
      const { message } = step;
      if (message.do === "reserve" && !message.isRetry) ids[step.request] = `r${step.request}-${++serial}`;
      const one = { id: ids[step.request] ?? "", message };
      if (step.isSlow) underway.push(one);
      else await deliver(world, ledger, namespace, one, true);
    } else if (step.step === "crash") ids[step.request] = `r${step.request}-${++serial}`;
    else if (step.step === "time") await world.pass(step.ms, ledger);
    else if (step.step === "deliver") {
      const one = take(step.which, step.stays);
      if (one !== undefined) await deliver(world, ledger, namespace, one, true);
    } else {
      const some = new Map(step.which.flatMap((which) => take(which, false) ?? []).map((one) => [one.id, one]));
      await Promise.all([...some.values()].map((one) => deliver(world, ledger, namespace, one, false)));
    }
    await expectTruth(world, ledger, namespace);
  }
  // Everything that is still on its way arrives at last.
  for (const one of underway) {
    await world.pass(0, ledger);
    await deliver(world, ledger, namespace, one, true);
  }
  await world.pass(0, ledger);
  await expectTruth(world, ledger, namespace);
};

/** Hands a message to the store and its outcome to the ledger. `isAlone`: nothing else is under way, so the outcome is known beforehand. */
const deliver = async (
  world: World,
  ledger: Ledger,
  namespace: string,
  { id, message }: Underway,
  isAlone: boolean,
) => {
  const store = world.stores[deliveries++ % world.stores.length];
  if (store === undefined) throw new Error("a world has a store");
  const wasLive = ledger.isLive(id);
  switch (message.do) {
    case "reserve": {
      const { asked } = message;
      const want = ledger.decide(id, asked, world.nowMs());
      const claims = world.limits.map((limit, i) => ({ ...limit, amount: asked.amounts[i] ?? 0 }));
      const request = {
        namespace,
        holdId: id,
        leaseMs: asked.leaseMs,
        claims,
        output: { wanted: asked.wanted, min: asked.min },
      };
      if (ledger.isGivenUp(id) && world.turnsLateAway) {
        await expect(store.reserve(request)).rejects.toThrow(/given up/);
        return;
      }
      const result = await store.reserve(request);
      if (isAlone) expect([result.admitted, result.outputGranted]).toEqual([want !== undefined, want ?? 0]);
      if (result.admitted) ledger.admit(id, asked, result.outputGranted, world.nowMs());
      return;
    }
    case "settle": {
      const amounts = world.limits.map((_, i) => Math.floor((ledger.held(id)?.[i] ?? 7) * message.share));
      expect(await store.settle({ namespace, holdId: id, amounts })).toBe(wasLive);
      ledger.end(id, amounts);
      return;
    }
    case "release":
      expect(await store.release(namespace, id)).toBe(wasLive);
      ledger.end(
        id,
        world.limits.map(() => 0),
      );
      return;
    case "giveUp":
      await world.giveUp(namespace, id);
      ledger.giveUp(id);
      return;
    case "renew":
      expect(await store.renew(namespace, [id], message.leaseMs)).toEqual(wasLive ? [] : [id]);
      ledger.renew(id, message.leaseMs, world.nowMs());
  }
};

/** Every counter is the sum of the truth, and no enforced one is over. */
const expectTruth = async (world: World, ledger: Ledger, namespace: string): Promise<void> => {
  await world.pass(0, ledger);
  const [store] = world.stores;
  const nowMs = world.nowMs();
  const seen = await Promise.all(world.limits.map(({ counter, window }) => store?.peek(namespace, counter, window)));
  expect(seen).toEqual(world.limits.map((_, i) => ledger.used(i, nowMs)));
  expect(await store?.liveHolds(namespace)).toBe(ledger.live);
  for (const [i, { enforced, max, window }] of world.limits.entries()) {
    if (!enforced) continue;
    expect(seen[i]).toBeLessThanOrEqual(max);
    if (window.type === "Sliding") expect(ledger.within(i, window.durationMs, nowMs)).toBeLessThanOrEqual(max);
  }
};
