// ACL users are not replicated: a replica that takes over knows those that it was given itself.
import { Redis } from "ioredis";
import { afterEach, expect, test } from "vitest";
import { systemClock } from "../../src/base/clock.ts";
import { silentLog } from "../../src/base/log.ts";
import { RedisState } from "../../src/operator/state/redis-state.ts";
import { holdsKey } from "../../src/redis/keys.ts";
import { withLogin } from "../../src/redis/url.ts";
import { openRedis } from "../../src/sidecar/stores/redis/open.ts";
import { until } from "../fixtures/calls.ts";
import { startRedis, startSentinel, type TestRedis } from "../fixtures/redis.ts";
import { startRedisCluster } from "../fixtures/redis-cluster.ts";

const untilMsMax = 20_000;
const namespace = "team";

const ends: (() => unknown)[] = [];
afterEach(async () => {
  for (const end of ends.splice(0).toReversed()) await end();
});

const start = async (args: readonly string[] = []): Promise<TestRedis> => {
  const redis = await startRedis({ args });
  ends.push(() => redis.stop());
  return redis;
};

/** A state as the operator keeps it: users are made at once, and again when a node comes or begins anew. */
const operatorAt = async (url: string) => {
  const passwordsOf = () => ["password"];
  const state = new RedisState({ place: { url }, users: "Managed", passwordsOf, log: silentLog(), clock: systemClock });
  ends.push(() => state.close());
  const ensure = () => state.ensureUser(namespace).catch(() => undefined);
  state.onConnected(() => void ensure());
  await state.ready();
  await ensure();
  return state;
};

const knowsUser = async (node: TestRedis): Promise<boolean> =>
  (await node.command(`ACL GETUSER sg-${namespace}`).catch(() => "")).startsWith("*1");

/** Until every node has the user, while the operator looks. */
const untilKnown = async (state: RedisState, nodes: readonly TestRedis[]): Promise<void> => {
  const all = async (): Promise<boolean> => {
    await state.fault();
    return (await Promise.all(nodes.map(knowsUser))).every(Boolean);
  };
  await until("every node has the user", all, untilMsMax);
};

const isMaster = async (node: TestRedis): Promise<boolean> =>
  (await node.command("INFO replication")).includes("role:master");

/** Whether a sidecar that starts now can log in and reserve; the operator does nothing meanwhile. */
const sidecarServes = async (url: string): Promise<boolean> => {
  const stores = openRedis({
    ...{ url: withLogin(url, { username: `sg-${namespace}`, password: "password" }), log: silentLog() },
    ...{ clock: systemClock, commandTimeoutMs: 1_000 },
  });
  try {
    await stores.ready();
    const window = { type: "Fixed", durationMs: 60_000 } as const;
    const claims = [{ counter: "requests", window, max: 1_000, amount: 1, enforced: true }];
    const asked = { namespace, holdId: `hold-${performance.now()}`, leaseMs: 60_000, claims };
    return (await stores.quota.reserve(asked)).admitted;
  } finally {
    await stores.close();
  }
};

test("on a Cluster a replica that takes over lets sidecars in at once, and one that comes anew is given its users", async () => {
  const cluster = await startRedisCluster();
  ends.push(() => cluster.stop());
  const state = await operatorAt(cluster.url);
  await untilKnown(state, cluster.nodes);
  const { primary, replica } = await cluster.ownersOf(holdsKey(namespace));

  await primary.kill();
  await until("the replica has taken over", () => isMaster(replica), untilMsMax);
  expect(await knowsUser(replica)).toBe(true);
  await until(
    "the cluster serves",
    async () => (await replica.command("CLUSTER INFO")).includes("state:ok"),
    untilMsMax,
  );
  // Of the primary alone that took over, as others of the Cluster may still be about to hear of it.
  const login = new Redis(replica.port, "127.0.0.1", { username: `sg-${namespace}`, password: "password" });
  expect(await login.ping()).toBe("PONG");
  login.disconnect();
  await until("a sidecar serves", () => sidecarServes(cluster.url).catch(() => false), untilMsMax);

  await primary.start(); // it comes back as a replica, without any user
  expect(await knowsUser(primary)).toBe(false);
  await untilKnown(state, cluster.nodes);
}, 60_000);

/** Whether the Sentinel knows of the replica; before that it could not fail over. */
const isListed = async (sentinelPort: number, replicaPort: number): Promise<boolean> => {
  const client = new Redis(sentinelPort, "127.0.0.1");
  try {
    return JSON.stringify(await client.call("SENTINEL", "REPLICAS", "quotas")).includes(`:${replicaPort}`);
  } finally {
    client.disconnect();
  }
};

test("behind Sentinels the same", async () => {
  const master = await start();
  const follow = ["--replicaof", `127.0.0.1 ${master.port}`, "--repl-diskless-sync-delay", "0"];
  const replica = await start(follow);
  const isFollowing = async () => (await replica.command("INFO replication")).includes("master_link_status:up");
  await until("the replica follows", isFollowing, untilMsMax);
  const sentinel = await startSentinel(master.port);
  ends.push(() => sentinel.stop());
  await until("the Sentinel knows the replica", () => isListed(sentinel.port, replica.port), untilMsMax);
  const url = `redis+sentinel://127.0.0.1:${sentinel.port}/quotas`;
  await untilKnown(await operatorAt(url), [master, replica]);

  await master.kill();
  // a Sentinel that promotes a node closes its connections
  await until("the replica has taken over", () => isMaster(replica).catch(() => false), untilMsMax);
  expect(await knowsUser(replica)).toBe(true);
  await until("the Sentinel says so", async () => await sidecarServes(url).catch(() => false), untilMsMax);
}, 60_000);

test("of a single Redis its replicas are given users as they come, and one that is frozen or refuses holds nothing up", async () => {
  const master = await start();
  const state = await operatorAt(master.url);
  await untilKnown(state, [master]);
  const follow = ["--replicaof", `127.0.0.1 ${master.port}`, "--repl-diskless-sync-delay", "0"];
  const replicas = [await start(follow), await start(follow)];
  await untilKnown(state, [master, ...replicas]);
  expect(await isMaster(master)).toBe(true);

  replicas[0]?.pause();
  const startMs = performance.now();
  for (let i = 0; i < 20; i++) await state.ensureUser(`other-${i}`);
  expect(performance.now() - startMs).toBeLessThan(2_000); // one time-out, not twenty
  replicas[0]?.resume();
  await untilKnown(state, [master, ...replicas]);

  await replicas[1]?.command("ACL SETUSER default -acl");
  await state.ensureUser("last");
  expect((await master.command("ACL GETUSER sg-last")).startsWith("*1")).toBe(true);
  await state.removeUser(namespace);
  expect(await knowsUser(master)).toBe(false);
}, 60_000);
