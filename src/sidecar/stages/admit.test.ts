// What admission asks at once, it waits for in turn.
import { setImmediate as endOfTurn } from "node:timers/promises";
import { expect, test } from "vitest";
import type { Shaped } from "../exchange.ts";
import { scanJson } from "../json/scan.ts";
import { type AdmitDeps, admit } from "./admit.ts";

const limit = { name: "rpm", resource: "Requests", limit: 5, burst: 0, window: { type: "Fixed", durationMs: 60_000 } };
const quota = {
  ...{ namespace: "team", name: "q", mode: "Enforce", failurePolicy: "Deny", per: [], limits: [limit] },
  reservation: { output: "Cap", leaseMs: 60_000, onUnknownUsage: "ChargeReserved" },
};
const exchange = {
  ...{ id: "sg-1", path: "/v1/embeddings", query: "", model: "small", streamed: false, call: {} },
  identity: { namespace: "team", serviceAccount: "bot" },
  match: { endpoint: { name: "Embeddings", path: "/embeddings", metered: "usage", cacheable: true } },
  rule: { name: "all", cache: { when: "Always", partition: "Namespace", ttlMs: 60_000 } },
  body: { kind: "json", document: scanJson(Buffer.from("{}")) },
  estimate: { inputTokens: 1, outputTokens: 0, outputCap: 0, choices: 1, capAsked: true, capWanted: false },
  request: { headers: {} },
  clock: { nowMs: () => 0 },
} as unknown as Shaped;

/** Admission whose cache fails for another reason than that it is away, and whose log does, too. */
const admission = (reserve: () => Promise<unknown>, fault: Error) =>
  admit({
    route: { namespace: "team", name: "r", policyVersion: "1", models: {} },
    ...{ quotas: [quota], quotaStore: { reserve }, seal: { nameOf: () => "entry" } },
    cacheStore: { get: () => Promise.reject(new Error("broken")) },
    metrics: { cacheLookup: () => undefined },
    log: {
      error: () => {
        throw fault;
      },
    },
  } as unknown as AdmitDeps)(async () => undefined);

/** Rejections that nobody had taken while this ran and in the turn after. */
const unhandledIn = async (run: () => Promise<unknown>): Promise<readonly unknown[]> => {
  const unhandled: unknown[] = [];
  const listener = (fault: unknown): void => void unhandled.push(fault);
  process.on("unhandledRejection", listener);
  await run();
  await endOfTurn();
  process.off("unhandledRejection", listener);
  return unhandled;
};

test("a fault of the cache's look-up waits for the quotas, and is nobody's unhandled rejection", async () => {
  const fault = new Error("the log is broken");
  const store = Promise.withResolvers<unknown>();
  const unhandled = await unhandledIn(async () => {
    const admitting = admission(() => store.promise, fault)(exchange);
    await endOfTurn();
    store.resolve({ admitted: false, outputGranted: 0, claims: [] });
    await expect(admitting).rejects.toBe(fault);
  });
  expect(unhandled).toEqual([]);
});

test("where the quotas fail as well, theirs is the fault that is told", async () => {
  const broken = new Error("quotas are broken");
  const unhandled = await unhandledIn(() =>
    expect(admission(() => Promise.reject(broken), new Error("the log is broken"))(exchange)).rejects.toBe(broken),
  );
  expect(unhandled).toEqual([]);
});
