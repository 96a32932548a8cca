/** The law of a fleet: many sidecars, one store, clients that give up, sidecars that are killed; no limit is ever passed, nothing leaks. */
import { setTimeout as sleep } from "node:timers/promises";
import type { Cluster, Redis } from "ioredis";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { randomFrom } from "../../src/fakeprovider/words.ts";
import { until } from "../fixtures/calls.ts";
import { isWhole, share, tellFigure } from "../fixtures/proof.ts";
import { look, watch } from "./counters.ts";
import { type Fleet, startFleet } from "./fleet.ts";
import { type LoadCount, runLoad, sendCall } from "./load.ts";
import { type Limits, leaseMs, models, price, watchedOf, yamlWith } from "./scene.ts";

const size = isWhole ? 16 : 4;
const calls = share(200_000);
const killEveryMs = 1_500;
const clients = 64;
/** Each budget is spent in the course of the load: of a quarter of the calls that ask for its model about a third is admitted. */
const limits: Limits = {
  requests: Math.floor(calls / 12),
  tokens: Math.floor((calls / 12) * 25),
  costNanos: Math.floor((calls / 12) * 120_000),
  // A tenth takes a few seconds on a fast machine: a rate that bites there would keep it from the budgets.
  second: isWhole ? 1_000 : 5_000,
  tokensRate: 250_000,
  running: 40,
};
/** On a slow machine the rates are not reached. */
const isReached = ({ name }: { readonly name: string }): boolean => name !== "rate" && name !== "second";
const everyModel = Object.values(models);

/** The Redis under the fleet. */
export interface Ground {
  readonly url: string;
  /** For the harness to read with. */
  readonly watcher: Redis | Cluster;
  stop(): Promise<void>;
}

let ground: Ground;
let watcher: Redis | Cluster;
let fleet: Fleet;
const counts: LoadCount[] = [];

const usedNow = async (): Promise<Record<string, number>> =>
  Object.fromEntries((await look(watcher, watchedOf(limits))).map(({ name, used }) => [name, used]));
const liveHolds = (): Promise<number> => watcher.zcount("sg:{default}:holds", `(${Date.now()}`, "+inf");
const told = (model: string) => {
  const all = counts.map(({ byModel }) => byModel[model] ?? { ok: 0, input: 0, output: 0, lost: 0 });
  const sum = (of: "ok" | "input" | "output" | "lost"): number => all.reduce((total, each) => total + each[of], 0);
  return { ok: sum("ok"), input: sum("input"), output: sum("output"), lost: sum("lost") };
};
const refused = (): Record<string, number> => {
  const all: Record<string, number> = {};
  for (const { refused: each } of counts)
    for (const [code, n] of Object.entries(each)) all[code] = (all[code] ?? 0) + n;
  return all;
};

/** Proves it on a Redis of this kind. */
export const proveFleet = (kind: string, open: () => Promise<Ground>): void => {
  describe(`${size} sidecars and ${kind}`, () => {
    beforeAll(async () => {
      ground = await open();
      watcher = ground.watcher;
      fleet = await startFleet({ size, redisUrl: ground.url, yamlFor: yamlWith(limits) });
    });
    afterAll(async () => {
      await fleet?.stop();
      await ground?.stop();
    });

    test("in peace every counter is the sum of what clients were told, to the unit", async () => {
      counts.push(
        await runLoad({
          members: fleet.members,
          models: everyModel,
          calls: calls / 20,
          clients: 24,
          abortShare: 0,
          seed: 1,
        }),
      );
      await until("all is settled", async () => (await liveHolds()) === 0, 3 * leaseMs);
      const used = await usedNow();
      const cost = told(models.cost);
      expect(told(models.free).ok).toBeGreaterThan(0);
      expect(told(models.free).lost).toBe(0);
      expect(used["requests"]).toBe(told(models.requests).ok);
      expect(used["tokens"]).toBe(told(models.tokens).input + told(models.tokens).output);
      expect(used["cost"]).toBe(cost.input * price.input + cost.output * price.output);
      expect(used["running"]).toBe(0);
    });

    test(`${calls} calls, clients that give up, sidecars that are killed: not one unit above any limit at any time`, async () => {
      const watching = watch(watcher, watchedOf(limits), 5);
      const random = randomFrom(3);
      let kills = 0;
      let isDone = false;
      const killing = (async () => {
        while (!isDone) {
          await sleep(killEveryMs);
          const member = fleet.members[Math.floor(random() * size)];
          if (isDone || member === undefined) continue;
          kills++;
          await member.restart();
        }
      })();
      const startedMs = performance.now();
      const left = calls - calls / 20;
      counts.push(
        await runLoad({ members: fleet.members, models: everyModel, calls: left, clients, abortShare: 0.06, seed: 2 }),
      );
      const seconds = (performance.now() - startedMs) / 1000;
      isDone = true;
      await killing;
      const { looks, most, over } = await watching.stop();
      expect(over).toEqual([]);
      // Limits were reached, or it would prove nothing.
      for (const { name, limit } of watchedOf(limits).filter(isReached))
        expect(most.get(name), name).toBeGreaterThan(limit * 0.9);
      const sum = everyModel
        .map(told)
        .reduce((all, each) => ({ ok: all.ok + each.ok, lost: all.lost + each.lost }), { ok: 0, lost: 0 });
      tellFigure(`fleet on ${kind}`, {
        sidecars: size,
        calls,
        "calls/s": Math.round(left / seconds),
        kills,
        answered: sum.ok,
        lost: sum.lost,
        looks,
        over: over.length,
        ...Object.fromEntries(
          [...most].map(([name, value]) => [
            `most ${name}`,
            `${value}/${limits[name === "cost" ? "costNanos" : name === "rate" ? "tokensRate" : (name as "requests")]}`,
          ]),
        ),
        ...refused(),
      });
    });

    test("what the provider counted is within what was charged, and what was charged is within the limit", async () => {
      await fleet.killAll(); // what they still hold is left behind, as in a node's loss
      await until("all leases have ended", async () => (await liveHolds()) === 0, 4 * leaseMs);
      const [seen, used] = [await fleet.providerCounts(), await usedNow()];
      const at = (model: string) => seen[model] ?? { requests: 0, input: 0, output: 0 };
      const cost = at(models.cost).input * price.input + at(models.cost).output * price.output;
      const rows = [
        ["requests", at(models.requests).requests, limits.requests],
        ["tokens", at(models.tokens).input + at(models.tokens).output, limits.tokens],
        ["cost", cost, limits.costNanos],
      ] as const;
      for (const [name, provider, limit] of rows) {
        expect(provider, name).toBeLessThanOrEqual(used[name] ?? 0);
        expect(used[name], name).toBeLessThanOrEqual(limit);
      }
      // Nothing is charged that no client asked for: whole answers, and calls whose end no client saw.
      const { ok, lost } = told(models.requests);
      const unsure = Object.entries(refused()).filter(
        ([code]) => code !== "rate_limit_exceeded" && code !== "insufficient_quota",
      );
      expect(used["requests"]).toBeGreaterThanOrEqual(ok);
      expect(used["requests"]).toBeLessThanOrEqual(ok + lost + unsure.reduce((sum, [, n]) => sum + n, 0));
      tellFigure(
        `ledger on ${kind}`,
        Object.fromEntries(
          rows.map(([name, provider, limit]) => [
            name,
            `provider ${provider} <= charged ${used[name]} <= limit ${limit}`,
          ]),
        ),
      );
    });

    test("after all leases have ended exactly the remainder is admitted: no phantom refusal, none too many", async () => {
      const remainder = 30;
      const used = await usedNow();
      const more = { ...limits, requests: (used["requests"] ?? 0) + remainder };
      await fleet.reconfigure(yamlWith(more));
      const call = { stream: false, tokens: 2, maxTokens: 8, delayMs: 0 };
      const urls = fleet.members.map(({ url }) => url);
      const url = (i: number): string => urls[i % urls.length] ?? "";
      const count: LoadCount = { byModel: {}, refused: {} };
      const send = (times: number): Promise<unknown> =>
        Promise.all(
          Array.from({ length: times }, (_, i) => sendCall(url(i), { ...call, model: models.requests }, count)),
        );
      // On a busy machine Redis is late now and then: such a call is not decided, what it may hold is released, and others go on.
      await until(
        "a whole batch is refused while nothing is held",
        async () => {
          const isIdle = (await liveHolds()) === 0;
          const before = count.refused["insufficient_quota"] ?? 0;
          await send(10);
          const refusals = (count.refused["insufficient_quota"] ?? 0) - before;
          return isIdle && refusals === 10;
        },
        30_000,
      );
      expect(count.byModel[models.requests]?.ok).toBe(remainder);

      // All places are free again, and there are no more of them than the limit says.
      await until(
        "every call is decided",
        async () => {
          const running: LoadCount = { byModel: {}, refused: {} };
          const slow = { ...call, model: models.free, delayMs: 1_500 };
          await Promise.all(Array.from({ length: limits.running + 5 }, (_, i) => sendCall(url(i), slow, running)));
          const ok = running.byModel[models.free]?.ok ?? 0;
          expect(ok).toBeLessThanOrEqual(limits.running);
          return ok === limits.running && running.refused["rate_limit_exceeded"] === 5;
        },
        30_000,
      );
    });
  });
};
