// Quotas that count by Backend while backends fail at random: no place too many at any look, and afterwards each counter is the truth.
import { afterEach, describe, expect, test } from "vitest";
import { clusterNamespace } from "../../src/redis/keys.ts";
import { ask, common, hour, keyOf, perHour, quota, running, startBackends, used } from "../fixtures/backend-quotas.ts";
import { expectNothingHeld } from "../fixtures/bad-input.ts";
import { type Answer, until } from "../fixtures/calls.ts";
import { expectSettled } from "../fixtures/fault-calls.ts";
import { startRedis } from "../fixtures/redis.ts";
import { startRedisCluster } from "../fixtures/redis-cluster.ts";
import type { TestGateway } from "../fixtures/sidecar.ts";

const ends: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const end of ends.splice(0).toReversed()) await end();
});

const backends = ["a", "b", "c"] as const;
const moods = [undefined, undefined, "status=503;retry-after=0", "status=500", "delay=5", "status=429;retry-after=0"];
/** So many at once, each one after the other. */
const callers = 12;
const callsEach = 25;
const placesMax = 3;
const spareMs = 30_000;
const tokensOf = ({ json }: Answer): number => (json.usage as { total_tokens?: number } | undefined)?.total_tokens ?? 0;

/** Mulberry32: the same storm each time. */
const seeded = (seed: number) => (): number => {
  seed = (seed + 0x6d2b79f5) | 0;
  let word = Math.imul(seed ^ (seed >>> 15), 1 | seed);
  word = (word + Math.imul(word ^ (word >>> 7), 61 | word)) ^ word;
  return ((word ^ (word >>> 14)) >>> 0) / 4_294_967_296;
};

const storm = async (gateway: TestGateway): Promise<{ answers: readonly Answer[]; fullest: number }> => {
  const random = seeded(7);
  const answers: Answer[] = [];
  let fullest = 0;
  let isOver = false;
  const look = async (): Promise<void> => {
    while (!isOver) {
      for (const name of backends)
        fullest = Math.max(fullest, await used(gateway, `q/run/backend=test/${name}`, running).catch(() => 0)); // a busy machine
      for (const name of backends) gateway.provider.behaveFor(keyOf[name], moods[Math.floor(random() * moods.length)]);
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
  };
  const looking = look();
  const caller = async (): Promise<void> => {
    for (let i = 0; i < callsEach; i++) answers.push(await ask(gateway));
  };
  await Promise.all(Array.from({ length: callers }, caller));
  isOver = true;
  await looking;
  return { answers, fullest };
};

describe.each([{ store: "memory" }, { store: "Redis" }])("a storm, in $store:", ({ store }) => {
  test("no backend has too many at once, and each is charged for what it had", { timeout: spareMs }, async () => {
    const redis = store === "Redis" ? await startRedis() : undefined;
    if (redis) ends.push(() => redis.stop());
    const limits = [perHour("rph", "Requests", 99_999), perHour("tph", "TotalTokens", 9_999_999)];
    const gateway = await startBackends(
      quota("q", [...limits, `{name: run, resource: Concurrency, limit: ${placesMax}}`]) +
        common
          .replace("limit: 100,", "limit: 9999,")
          .replace("limit: 100000", "limit: 9999999")
          .replace("limit: 5}", "limit: 50}"),
      { refs: backends, redisUrl: redis?.url },
    );
    ends.push(() => gateway.close());
    const { answers, fullest } = await storm(gateway);
    await expectSettled(gateway);
    expect(answers).toHaveLength(callers * callsEach);
    expect(fullest).toBeLessThanOrEqual(placesMax);
    expect(answers.filter(({ status }) => status === 200).length).toBeGreaterThan(callers);
    const sumOf = (of: readonly Answer[]): number => of.reduce((sum, answer) => sum + tokensOf(answer), 0);
    const truth = backends.map((name) => {
      const calls = gateway.provider.requests.filter(
        ({ headers }) => headers.authorization === `Bearer ${keyOf[name]}`,
      );
      const own = answers.filter(({ headers }) => headers.get("x-sidegate-backend") === name);
      return [calls.length, sumOf(own), 0];
    });
    const look = async () => {
      const at = (limit: string, name: string, window = hour) =>
        used(gateway, `q/${limit}/backend=test/${name}`, window);
      const rows = backends.map((name) => Promise.all([at("rph", name), at("tph", name), at("run", name, running)]));
      return [
        ...(await Promise.all(rows)),
        [await used(gateway, "common/rph/all"), await used(gateway, "common/tph/all")],
      ];
    };
    const sent = gateway.audit.records.filter((record) => record.record === "outcome" && record.sent).length;
    await expect.poll(look, { timeout: 5_000 }).toEqual([...truth, [sent, sumOf(answers)]]);
  });
});

test.each([
  { name: "one server", start: startRedis },
  { name: "a Cluster", start: startRedisCluster },
])(
  "over namespaces, on $name: spill-over and failover, and the counters know whose route it is",
  { timeout: spareMs },
  async ({ start }) => {
    const redis = await start();
    ends.push(() => redis.stop());
    const org = quota("org", [perHour("rph", "Requests", 2), perHour("tph", "TotalTokens", 9_999)])
      .replace("namespace: default", "namespace: sidegate-system")
      .replace("{group: sidegate.dev, kind: AIRoute, name: test}", '{group: "", kind: Namespace, selector: {}}');
    const gateway = await startBackends(org + common, { redisUrl: redis.url });
    ends.push(() => gateway.close());
    await until("its nodes are known", () =>
      Promise.all([gateway.stores.quota.liveHolds("default"), gateway.stores.quota.liveHolds(clusterNamespace)]).then(
        () => true,
        () => false,
      ),
    );
    gateway.provider.behaveFor(keyOf.a, "status=503;retry-after=0");
    const first = await ask(gateway);
    gateway.provider.behaveFor(keyOf.a, undefined);
    const names = [first, await ask(gateway), await ask(gateway)].map(({ headers }) =>
      headers.get("x-sidegate-backend"),
    );
    expect(names).toEqual(["b", "a", "b"]);
    const refused = await ask(gateway);
    expect(refused.json.error?.message).toMatch(/sidegate-system\/org, limit rph .* for backend=default\/test\/[ab];/);
    await expectNothingHeld(gateway);
    const at = (limit: string, name: string) =>
      gateway.stores.quota.peek(clusterNamespace, `sidegate-system/org/${limit}/backend=default/test/${name}`, hour);
    await until("both legs are settled", async () => (await at("rph", "b")) === 2 && (await at("rph", "a")) === 2);
    const tokens = (await at("tph", "a")) + (await at("tph", "b"));
    expect(await used(gateway, "common/tph/all")).toBe(tokens);
    expect(await used(gateway, "common/rph/all")).toBe(3);
  },
);
