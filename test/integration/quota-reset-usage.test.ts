// What the operator reads of counters that were reset: from the same Redis and the same names that sidecars use.
import { afterAll, beforeAll, expect, onTestFinished, test } from "vitest";
import { type AIQuota, aiquotaSchema } from "../../src/api/aiquota.ts";
import { systemClock } from "../../src/base/clock.ts";
import { silentLog } from "../../src/base/log.ts";
import { RedisState } from "../../src/operator/state/redis-state.ts";
import { counterName } from "../../src/redis/keys.ts";
import { openRedis } from "../../src/sidecar/stores/redis/open.ts";
import { startRedis } from "../fixtures/redis.ts";

let close: () => Promise<void>;
let redisUrl: string;
let state: RedisState;
let sidecar: ReturnType<typeof openRedis>;
const at = "2026-01-20T10:00:00Z";
const epochMs = Date.parse(at);
const window = { type: "Fixed", durationMs: 86_400_000 } as const;

beforeAll(async () => {
  const redis = await startRedis();
  redisUrl = redis.url;
  state = openState();
  sidecar = openRedis({ url: redis.url, log: silentLog(), clock: systemClock, commandTimeoutMs: 5_000 });
  await Promise.all([state.ready(), sidecar.ready()]);
  close = async () => {
    await state.close();
    await sidecar.close();
    await redis.stop();
  };
}, 30_000);
afterAll(() => close());

/** Each looks for subjects on its own, once in 15 s. */
const openState = (): RedisState =>
  new RedisState({
    place: { url: redisUrl },
    users: "Managed",
    passwordsOf: () => ["x"],
    log: silentLog(),
    clock: systemClock,
  });

const quotaOf = (name: string, per: readonly string[], resets: readonly object[]): AIQuota =>
  aiquotaSchema.parse({
    ...{ apiVersion: "sidegate.dev/v1alpha1", kind: "AIQuota" },
    metadata: { name, namespace: "team", annotations: { "sidegate.dev/reset": JSON.stringify(resets) } },
    spec: {
      targetRefs: [{ group: "", kind: "Namespace", name: "team" }],
      per,
      limits: [{ name: "rpd", resource: "Requests", limit: 100, window: { type: "Fixed", duration: "24h" } }],
    },
  });
let serial = 0;
const charge = async (quota: string, subject: string, amount: number, epoch?: number): Promise<void> => {
  const counter = counterName({ namespace: "team", quota, limit: "rpd", subject, epochMs: epoch });
  const claims = [{ counter, window, max: 1_000, amount, enforced: true }];
  const hold = { namespace: "team", holdId: `h-${++serial}`, leaseMs: 60_000, claims };
  expect((await sidecar.quota.reserve(hold)).admitted).toBe(true);
};
const who = { by: "ana", reason: "x" };

test("only what was counted since the reset is shown, and what is held of it", async () => {
  await charge("shared", "all", 70);
  await charge("shared", "all", 5, epochMs);
  const used = async (resets: readonly object[]) => {
    const [row] = await state.usage("team", quotaOf("shared", [], resets));
    return [row?.used, row?.reserved, row?.remaining];
  };
  expect(await used([])).toEqual(["0", "70", "30"]);
  expect(await used([{ at, ...who }])).toEqual(["0", "5", "95"]);
  expect(await used([{ at: "2026-01-21T10:00:00Z", limit: "rpd", ...who }])).toEqual(["0", "0", "100"]);
});

test("a subject that was reset alone counts anew, the others go on, and each is shown once", async () => {
  await charge("users", "user=ann=40example.com", 40);
  await charge("users", "user=ann=40example.com", 3, epochMs);
  await charge("users", "user=bob", 20);
  const reset = { at, subject: "user=ann@example.com", ...who };
  const rows = await state.usage("team", quotaOf("users", ["User"], [reset]));
  expect(rows.map(({ subject, remaining }) => [subject, remaining])).toEqual([
    ["user=bob", "80"],
    ["user=ann@example.com", "97"],
  ]);
});

test("counters from before the quota counted by something else are not shown", async () => {
  for (const subject of ["all", "tenant=acme", "user=ann", "sha256=00", "tenant=acme:user=ann", "user=ann:tenant=acme"])
    await charge("moved", subject, 10);
  const later = openState();
  onTestFinished(() => later.close());
  await later.ready();
  const shown = async (per: readonly string[]) => {
    const rows = await later.usage("team", quotaOf("moved", per, []));
    return rows.map(({ subject }) => subject).sort();
  };
  expect(await shown(["User"])).toEqual(["sha256=00", "user=ann"]);
  expect(await shown(["Tenant", "User"])).toEqual(["sha256=00", "tenant=acme:user=ann"]);
});
