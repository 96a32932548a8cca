/** What the operator hears from sidecars: the real sidecar, the real Redis, the namespace's own user. */
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { systemClock } from "../../src/base/clock.ts";
import { createLog } from "../../src/base/log.ts";
import { digestOf, encodeConfig } from "../../src/config/codec.ts";
import { contractVersion } from "../../src/config/contract.ts";
import { startFakeProvider } from "../../src/fakeprovider/provider.ts";
import { RedisState } from "../../src/operator/state/redis-state.ts";
import { withLogin } from "../../src/redis/url.ts";
import { type RunningSidecar, startSidecar } from "../../src/sidecar/sidecar.ts";
import { openRedis, type RedisStores } from "../../src/sidecar/stores/redis/open.ts";
import { chat, send, until } from "../fixtures/calls.ts";
import { startRedis, type TestRedis } from "../fixtures/redis.ts";
import { configFrom, openRoute } from "../fixtures/sidecar.ts";

let redis: TestRedis;
let state: RedisState;
let lines: { msg: string }[];
const ends: (() => Promise<unknown>)[] = [];
const log = () =>
  createLog({ name: "test", level: "info", destination: { write: (line) => void lines.push(JSON.parse(line)) } });
const said = (message: string): number => lines.filter(({ msg }) => msg.startsWith(message)).length;

beforeEach(async () => {
  lines = [];
  redis = await startRedis();
  ends.push(() => redis.stop());
  state = new RedisState({
    place: { url: redis.url },
    users: "Managed",
    passwordsOf: () => ["password"],
    log: log(),
    clock: systemClock,
  });
  ends.push(() => state.close());
  await state.ready();
  await state.ensureUser("default");
});
afterEach(async () => {
  redis.resume();
  for (const end of ends.splice(0).toReversed()) await end();
});

const config = configFrom(openRoute("http://127.0.0.1:9"));
const digest = digestOf(encodeConfig(config));
const other = configFrom(openRoute("http://127.0.0.1:10"));
const otherDigest = digestOf(encodeConfig(other));

const start = async (): Promise<{ sidecar: RunningSidecar; redisStores: RedisStores }> => {
  const url = withLogin(redis.url, { username: "sg-default", password: "password" });
  const redisStores = openRedis({ url, log: log(), clock: systemClock });
  await redisStores.ready();
  const { quota, cache, beats } = redisStores;
  const isUp = () => redisStores.state().quota.up;
  const sidecar = await startSidecar({
    config,
    digest,
    identity: { namespace: "default", serviceAccount: "default", pod: "pod-1" },
    stores: { kind: "redis", quota, cache, beats, isUp, close: () => redisStores.close() },
    log: log(),
    listen: { host: "127.0.0.1", port: 0 },
    admin: { host: "127.0.0.1", port: 0 },
    graceMs: 100,
    release: "1.2.3",
    processMetrics: false,
  });
  ends.push(() => sidecar.stop());
  return { sidecar, redisStores };
};
const heard = async () => (await state.heartbeats("default", ["pod-1"])).get("pod-1");

describe("a sidecar", () => {
  test("tells at once what it runs, what it refuses, and that it goes", async () => {
    const { sidecar } = await start();
    await until("the first heartbeat", async () => (await heard()) !== undefined);
    expect(await heard()).toEqual({ pod: "pod-1", contract: contractVersion, digest, release: "1.2.3" });

    const swappedMs = performance.now();
    sidecar.reload(other, otherDigest);
    await until("the new digest", async () => (await heard())?.digest === otherDigest);
    expect(performance.now() - swappedMs).toBeLessThan(500);

    sidecar.reloadFailed("the sidecar config is refused: route.rules: must be a list");
    await until("the fault", async () => (await heard())?.fault !== undefined);
    expect(await heard()).toMatchObject({ digest: otherDigest, fault: expect.stringContaining("route.rules") });
    sidecar.reload(config, digest);
    await until("the fault is gone", async () => (await heard())?.fault === undefined);

    expect(await sidecar.stop()).toEqual([]);
    expect(await heard()).toBeUndefined();
    expect(said("heartbeat not written")).toBe(0);
  });

  test("tells at once which credential a provider refuses, and that it works again or was rotated", async () => {
    const provider = await startFakeProvider();
    ends.push(() => provider.close());
    const { sidecar } = await start();
    const put = (key: string): void => {
      const yaml = openRoute(provider.url).replace("sk-main-key", key);
      sidecar.reload(configFrom(yaml), digestOf(encodeConfig(configFrom(yaml))));
    };
    const call = (): ReturnType<typeof send> => send(`${sidecar.url}/v1/chat/completions`, { body: chat("hi") });
    const refused = async () => (await heard())?.refusedCredentials;
    put("sk-one");
    provider.acceptKeys(["sk-one"]);
    expect((await call()).status).toBe(200);
    expect(await refused()).toBeUndefined();

    provider.acceptKeys([]);
    const revokedMs = performance.now();
    expect((await call()).status).toBe(401);
    await until("the refusal", async () => (await refused()) !== undefined);
    expect(performance.now() - revokedMs).toBeLessThan(500);
    expect(await refused()).toEqual([{ backend: "main", credential: "default/keys/main" }]);
    expect(await heard()).not.toHaveProperty("fault");

    provider.acceptKeys(["sk-one"]);
    expect((await call()).status).toBe(200);
    await until("it works again", async () => (await refused()) === undefined);

    provider.acceptKeys(["sk-two"]);
    expect((await call()).status).toBe(401);
    await until("the next refusal", async () => (await refused()) !== undefined);
    put("sk-two");
    await until("it was rotated", async () => (await refused()) === undefined);
  });

  test("that may not write heartbeats serves on: no breaker hears of it, and the log says it once", async () => {
    const { sidecar, redisStores } = await start();
    await until("the first heartbeat", async () => (await heard()) !== undefined);
    await redis.command("ACL SETUSER sg-default -set");
    for (let i = 1; i <= 12; i++) {
      sidecar.reload(i % 2 === 0 ? config : other, i % 2 === 0 ? digest : otherDigest);
      await until(`failure ${i}`, async () =>
        (await sidecar.metrics.registry.metrics()).includes(`sidegate_heartbeat_failures_total ${i}\n`),
      );
    }
    expect(redisStores.state().quota).toEqual({ up: true, breaker: "Closed", full: false });
    expect(said("heartbeat not written")).toBe(1);
    await redis.command("ACL SETUSER sg-default +set");
    sidecar.reload(other, otherDigest);
    await until("it is heard again", async () => (await heard())?.digest === otherDigest);
    expect(said("heartbeats are written again")).toBe(1);
  });

  test("whose Redis is frozen neither waits for its heartbeat nor opens the breaker by it", async () => {
    const { sidecar, redisStores } = await start();
    await until("the first heartbeat", async () => (await heard()) !== undefined);
    redis.pause();
    for (let i = 0; i < 20; i++) sidecar.reload(i % 2 === 0 ? other : config, i % 2 === 0 ? otherDigest : digest);
    await until("it failed", async () =>
      /sidegate_heartbeat_failures_total [1-9]/.test(await sidecar.metrics.registry.metrics()),
    );
    expect(redisStores.state().quota.breaker).toBe("Closed");
    redis.resume();
    sidecar.reload(other, otherDigest);
    await until("it is heard again", async () => (await heard())?.digest === otherDigest);
  });
});
