import { setTimeout as sleep } from "node:timers/promises";
import type { Claim } from "../../src/sidecar/ports/quota-store.ts";
import { StoreUnavailable } from "../../src/sidecar/ports/store-unavailable.ts";
import type { RedisStores } from "../../src/sidecar/stores/redis/open.ts";

/** Bound of one command in these tests, ms. */
export const timeoutMs = 50;
/** What a call may take beside its timeout on a machine that is busy with other tests, ms. */
export const slackMs = 150;
/** Bound of coming back, ms. */
export const recoveryMsMax = 5_000;

/** A limit that is never in the way. */
export const claim: Claim = {
  counter: "q/l/all",
  window: { type: "Fixed", durationMs: 86_400_000 * 28 },
  max: 1_000_000,
  amount: 1,
  enforced: true,
};
let serial = 0;
/** A reservation of its own. */
export const request = (change: { claims?: readonly Claim[] } = {}) => ({
  namespace: "faults",
  holdId: `hold-${++serial}`,
  leaseMs: 60_000,
  claims: [claim],
  ...change,
});

/** What a call came to, and how long it took. */
export const outcome = async (
  call: () => Promise<unknown>,
): Promise<{ fault: StoreUnavailable | undefined; tookMs: number }> => {
  const startMs = performance.now();
  try {
    await call();
    return { fault: undefined, tookMs: performance.now() - startMs };
  } catch (fault) {
    if (!(fault instanceof StoreUnavailable)) throw fault;
    return { fault, tookMs: performance.now() - startMs };
  }
};

/** Waits until a reserve is admitted; answers how long that took. */
export const untilAdmitted = async (stores: RedisStores): Promise<number> => {
  const startMs = performance.now();
  for (;;) {
    if ((await outcome(() => stores.quota.reserve(request()))).fault === undefined) return performance.now() - startMs;
    if (performance.now() - startMs > 2 * recoveryMsMax) throw new Error("it did not recover");
    await sleep(50);
  }
};

/** Waits for a fact; throws with its name. */
export const until = async (what: string, holds: () => boolean | Promise<boolean>): Promise<void> => {
  const endsMs = performance.now() + recoveryMsMax;
  while (!(await holds())) {
    if (performance.now() > endsMs) throw new Error(`not within ${recoveryMsMax} ms: ${what}`);
    await sleep(20);
  }
};
