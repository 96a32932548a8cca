/** The shared state on a Redis Cluster: users on every master, keys wherever their namespace lies. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { afterEach, expect, test } from "vitest";
import { systemClock } from "../../src/base/clock.ts";
import { silentLog } from "../../src/base/log.ts";
import { RedisState } from "../../src/operator/state/redis-state.ts";
import { encodeBeat } from "../../src/redis/heartbeat.ts";
import { counterName } from "../../src/redis/keys.ts";
import { withLogin } from "../../src/redis/url.ts";
import { openRedis } from "../../src/sidecar/stores/redis/open.ts";
import { quotaWith } from "../contract/shared-state.contract.ts";
import { until } from "../fixtures/calls.ts";
import { freePort, startRedis, type TestRedis } from "../fixtures/redis.ts";

const ends: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const end of ends.splice(0).toReversed()) await end();
});

const startCluster = async (): Promise<readonly TestRedis[]> => {
  const folder = mkdtempSync(join(tmpdir(), "sidegate-cluster-"));
  ends.push(async () => rmSync(folder, { recursive: true }));
  const nodes: { redis: TestRedis; bus: number }[] = [];
  for (const range of ["0 8191", "8192 16383"]) {
    const bus = await freePort();
    const file = join(folder, `${nodes.length}`);
    const args = ["--cluster-enabled", "yes", "--cluster-config-file", file, "--cluster-port", String(bus)];
    const redis = await startRedis({ args });
    ends.push(() => redis.stop());
    await redis.command(`CLUSTER ADDSLOTSRANGE ${range}`);
    nodes.push({ redis, bus });
  }
  const [first, second] = nodes;
  await first?.redis.command(`CLUSTER MEET 127.0.0.1 ${second?.redis.port} ${second?.bus}`);
  for (const { redis } of nodes)
    while (!(await redis.command("CLUSTER INFO")).includes("cluster_state:ok")) await sleep(20);
  return nodes.map(({ redis }) => redis);
};

test("on a Cluster every namespace has its user, its heartbeats and its usage", async () => {
  const nodes = await startCluster();
  const url = `redis+cluster://${nodes.map(({ port }) => `127.0.0.1:${port}`).join(",")}`;
  const state = new RedisState({
    place: { url },
    users: "Managed",
    passwordsOf: () => ["password"],
    log: silentLog(),
    clock: systemClock,
  });
  ends.push(() => state.close());
  await state.ready();
  expect(await state.fault()).toBeUndefined();

  const quota = quotaWith("pods", ["Pod"], {
    resource: "Requests",
    limit: 10,
    window: { type: "Fixed", duration: "744h" },
  });
  const window = { type: "Fixed", durationMs: 744 * 3_600_000 } as const;
  const namespaces = ["team", "a", "b", "c", "d"]; // on both nodes
  for (const namespace of namespaces) {
    await state.ensureUser(namespace);
    for (const node of nodes) expect(await node.command(`ACL GETUSER sg-${namespace}`)).toMatch(/^\*1/);
    const asUser = withLogin(url, { username: `sg-${namespace}`, password: "password" });
    const sidecar = openRedis({ url: asUser, log: silentLog(), clock: systemClock, commandTimeoutMs: 1_000 });
    ends.push(() => sidecar.close());
    await sidecar.ready();
    const text = encodeBeat({ pod: "p", instance: "i", contract: 1, digest: "d", release: "r" });
    await until("its nodes are known", () =>
      sidecar.beats.put({ namespace, pod: "p", text, ttlMs: 9_000 }).then(
        () => true,
        () => false,
      ),
    );
    expect((await state.heartbeats(namespace, ["p", "q"])).get("p")?.digest).toBe("d");
    const counter = counterName({ namespace, quota: "pods", limit: "limit", subject: "pod=p" });
    const claims = [{ counter, window, max: 10, amount: 1, enforced: true }];
    await sidecar.quota.reserve({ namespace, holdId: "h", leaseMs: 60_000, claims });
  }
  const slots = await Promise.all(nodes.map((node) => node.command("DBSIZE")));
  expect(slots.every((size) => Number(size.slice(1)) > 0)).toBe(true);
  for (const namespace of namespaces) {
    const [row] = await state.usage(namespace, { ...quota, metadata: { ...quota.metadata, namespace } });
    expect(row).toMatchObject({ subject: "pod=p", used: "0", reserved: "1", remaining: "9" });
  }
  await state.removeUser("team");
  for (const node of nodes) expect(await node.command("ACL GETUSER sg-team")).not.toMatch(/^\*1/);
});
