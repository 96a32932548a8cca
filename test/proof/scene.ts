/** The quotas of the fleet's proofs, as YAML and as the counters that they become. */
import { counterKey, counterName } from "../../src/redis/keys.ts";
import { openRoute, quotaYaml } from "../fixtures/sidecar.ts";
import type { Watched } from "./counters.ts";

/** Each of the first three has a budget of one kind; the last one has none. */
export const models = { requests: "gpt-4o", tokens: "gpt-4o-mini", cost: "gpt-4.1", free: "gpt-4.1-mini" } as const;
/** Nano-dollars for a token of `models.cost`; they stand in the route. */
export const price = { input: 2_000, output: 8_000 } as const;
/** How long a hold outlives its sidecar, ms. */
export const leaseMs = 5_000;

/** Limits; budgets are for a month, `second` is requests in a Fixed second, `tokensRate` tokens in 10 s. */
export interface Limits {
  readonly requests: number;
  readonly tokens: number;
  readonly costNanos: number;
  readonly second: number;
  readonly tokensRate: number;
  readonly running: number;
}

const month = "window: {type: Calendar, period: Month}";

/** Route and quotas. */
export const yamlWith =
  (limits: Limits) =>
  (providerUrl: string): string => {
    const nanos = String(limits.costNanos).padStart(10, "0");
    const cost = `${nanos.slice(0, -9)}.${nanos.slice(-9)}`;
    const rows = [
      `{name: requests, resource: Requests, limit: ${limits.requests}, ${month}, models: [${models.requests}]}`,
      `{name: tokens, resource: TotalTokens, limit: ${limits.tokens}, ${month}, models: [${models.tokens}]}`,
      `{name: cost, resource: Cost, currency: USD, limit: "${cost}", ${month}, models: [${models.cost}]}`,
      `{name: second, resource: Requests, limit: ${limits.second}, window: {type: Fixed, duration: 1s}}`,
      `{name: rate, resource: TotalTokens, limit: ${limits.tokensRate}, window: {type: Sliding, duration: 10s}}`,
      `{name: running, resource: Concurrency, limit: ${limits.running}}`,
    ];
    const pricing = `{inputPerMTok: "2", cachedInputPerMTok: "2", outputPerMTok: "8"}`;
    return openRoute(providerUrl, {
      extra: `models: [{name: ${models.cost}, pricing: ${pricing}}]`,
      quotas: quotaYaml(rows, { extra: `reservation: {lease: ${leaseMs / 1000}s}` }),
    });
  };

/** The counters of those quotas. */
export const watchedOf = (limits: Limits): readonly Watched[] => {
  const key = (limit: string, window: Parameters<typeof counterKey>[2]): string =>
    counterKey("default", counterName({ namespace: "default", quota: "q", limit, subject: "all" }), window);
  const calendar = { type: "Calendar", boundariesMs: [] } as const;
  return [
    { name: "requests", kind: "calendar", key: key("requests", calendar), limit: limits.requests },
    { name: "tokens", kind: "calendar", key: key("tokens", calendar), limit: limits.tokens },
    { name: "cost", kind: "calendar", key: key("cost", calendar), limit: limits.costNanos },
    {
      name: "second",
      kind: "fixed",
      key: key("second", { type: "Fixed", durationMs: 1_000 }),
      limit: limits.second,
      durationMs: 1_000,
    },
    {
      name: "rate",
      kind: "sliding",
      key: key("rate", { type: "Sliding", durationMs: 10_000 }),
      limit: limits.tokensRate,
      durationMs: 10_000,
    },
    { name: "running", kind: "concurrency", key: key("running", { type: "Concurrency" }), limit: limits.running },
  ];
};
