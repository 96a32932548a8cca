import { FakeClock, systemClock } from "../../src/base/clock.ts";
import { silentLog } from "../../src/base/log.ts";
import { MemoryState } from "../../src/operator/state/memory-state.ts";
import { RedisState } from "../../src/operator/state/redis-state.ts";
import { windowOfLimit } from "../../src/operator/state/usage-rows.ts";
import { aclUserOf } from "../../src/redis/acl.ts";
import { encodeBeat } from "../../src/redis/heartbeat.ts";
import { counterName } from "../../src/redis/keys.ts";
import { openRedis } from "../../src/sidecar/stores/redis/open.ts";
import { startRedis } from "../fixtures/redis.ts";
import { type OpenSharedState, sharedStateContract } from "./shared-state.contract.ts";

sharedStateContract("memory", async (): Promise<OpenSharedState> => {
  const state = new MemoryState(new FakeClock());
  return {
    state,
    beat: async (namespace, beat) => state.beat(namespace, beat),
    endBeat: async (namespace, pod) => state.endBeat(namespace, pod),
    spend: async (quota, spent) => {
      const [limit] = quota.spec.limits;
      if (!limit) throw new Error("the quota has no limit");
      const counters = spent.map(({ subject, charged, held }) => ({
        limit,
        subject,
        used: charged + held,
        held,
        resetMs: 1,
      }));
      state.setCounters("team", quota.metadata.name, counters);
    },
    hasUser: async (namespace) => state.users.has(namespace),
    takeAway: async () => {
      state.away = "Redis is away";
    },
    close: () => state.close(),
  };
});

let serial = 0;

sharedStateContract("redis", async (): Promise<OpenSharedState> => {
  const redis = await startRedis();
  const place = { url: redis.url };
  const passwordsOf = () => ["password"];
  const state = new RedisState({ place, users: "Managed", passwordsOf, log: silentLog(), clock: systemClock });
  const sidecar = openRedis({ url: redis.url, log: silentLog(), clock: systemClock, commandTimeoutMs: 5_000 });
  await Promise.all([state.ready(), sidecar.ready()]);
  return {
    state,
    beat: (namespace, beat) => sidecar.beats.put({ namespace, pod: beat.pod, text: encodeBeat(beat), ttlMs: 30_000 }),
    endBeat: (namespace, pod) => sidecar.beats.remove(namespace, pod),
    spend: async (quota, spent) => {
      const [limit] = quota.spec.limits;
      const window = limit && windowOfLimit(limit, Date.now());
      if (!limit || !window) throw new Error("the quota has no limit");
      const { name, namespace } = quota.metadata;
      const hold = async (subject: string, amount: number): Promise<string> => {
        const counter = counterName({ namespace, quota: name, limit: limit.name, subject });
        const holdId = `hold-${++serial}`;
        const claims = [{ counter, window, max: Number.MAX_SAFE_INTEGER, amount, enforced: true }];
        await sidecar.quota.reserve({ namespace, holdId, leaseMs: 60_000, claims });
        return holdId;
      };
      for (const { subject, charged, held } of spent) {
        const holdId = await hold(subject, charged + 5);
        await sidecar.quota.settle({ namespace, holdId, amounts: [charged] });
        if (held > 0) await hold(subject, held);
      }
    },
    hasUser: async (namespace) => (await redis.command(`ACL GETUSER ${aclUserOf(namespace)}`)).startsWith("*1"),
    takeAway: () => redis.kill(),
    close: async () => {
      await state.close();
      await sidecar.close();
      await redis.stop();
    },
  };
});
