/** How a sidecar ends, in numbered steps. The order is tested: unready first, the audit after the last stream, stores last. */
import type { DrainStep } from "../base/lifecycle.ts";
import type { Gateway } from "./gateway.ts";
import type { Listeners } from "./listener/listeners.ts";
import type { LeaseKeeper } from "./quota/leases.ts";
import type { Settler } from "./quota/settler.ts";
import type { LocalShares } from "./quota/share/local-shares.ts";
import type { SliceStore } from "./quota/slices/slice-store.ts";
import type { HttpServer } from "./server.ts";
import type { Sinks } from "./sinks/sinks.ts";
import type { Pools } from "./upstream/pools.ts";

/** Time for an aborted stream to get its error frame out, in ms. */
const farewellMs = 1_000;
/** Time for audit records and settlements to be written at the end, in ms. */
const flushMs = 5_000;
/** How often a drain looks whether everything has ended, in ms. */
const lookMs = 20;

/** What has to be ended. */
export interface Drainable {
  readonly listeners: Listeners;
  readonly admin: HttpServer;
  readonly gateway: Gateway;
  readonly settler: Settler;
  readonly leases: LeaseKeeper;
  readonly shares: LocalShares;
  readonly slices: SliceStore;
  readonly sinks: Sinks;
  readonly pools: Pools;
  readonly endHeartbeat: () => Promise<void>;
  readonly closeStores: () => Promise<void>;
  readonly setUnready: () => void;
  /** How long running streams may take, in ms. */
  readonly graceMs: number;
}

/** The steps in their order. */
export const drainSteps = (parts: Drainable): readonly DrainStep[] => [
  { name: "unready", timeoutMs: farewellMs, run: parts.setUnready },
  { name: "stop accepting", timeoutMs: farewellMs, run: () => stopAccepting(parts) },
  { name: "finish streams", timeoutMs: parts.graceMs, run: () => untilIdle(parts.gateway, parts.graceMs) },
  { name: "end what still runs", timeoutMs: farewellMs, run: () => endRunning(parts.gateway) },
  { name: "close the proxy", timeoutMs: farewellMs, run: () => parts.listeners.close() },
  { name: "settle", timeoutMs: flushMs, run: () => settleAll(parts) },
  { name: "flush the audit", timeoutMs: flushMs, run: () => parts.sinks.close() },
  { name: "end the heartbeat", timeoutMs: farewellMs, run: parts.endHeartbeat },
  {
    name: "close stores",
    timeoutMs: flushMs,
    run: () => Promise.all([parts.closeStores(), parts.pools.destroy()]).then(() => undefined),
  },
  { name: "close admin", timeoutMs: farewellMs, run: () => parts.admin.close().then(() => undefined) },
];

function stopAccepting({ listeners, gateway }: Drainable): void {
  gateway.beginDrain();
  listeners.stopAccepting();
}

/** Waits for the last request and for the last byte of its answer, at most `limitMs`; streams that take longer are the next step's. */
async function untilIdle(gateway: Gateway, limitMs: number): Promise<void> {
  const endMs = performance.now() + limitMs;
  while (gateway.running + gateway.leaving > 0 && performance.now() < endMs - lookMs)
    await new Promise((resolve) => setTimeout(resolve, lookMs));
}

async function endRunning(gateway: Gateway): Promise<void> {
  gateway.abortRunning("drain");
  await untilIdle(gateway, farewellMs);
}

async function settleAll({ settler, leases, shares, slices }: Drainable): Promise<void> {
  leases.stop();
  await shares.close();
  await slices.close();
  await settler.close();
}
