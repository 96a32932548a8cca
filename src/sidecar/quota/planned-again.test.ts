// Claims are planned anew only where something of them has changed; whoever is planned for cannot tell.
import fc from "fast-check";
import { expect, test } from "vitest";
import type { LimitConfig, QuotaConfig } from "../../config/quota.ts";
import type { OutputSizes } from "./output-sizes.ts";
import { planClaims } from "./plan.ts";

type Exchange = Parameters<typeof planClaims>[1];

interface Asked {
  readonly nowMs: number;
  readonly user: string;
  readonly input: number;
  readonly output: number;
  readonly p99: number | undefined;
  readonly price: number;
}
const usual: Asked = { nowMs: 0, user: "alice", input: 10, output: 100, p99: undefined, price: 1_000_000 };

const minute = { type: "Sliding", durationMs: 60_000 } as const;
const limitOf = (resource: LimitConfig["resource"], more: Partial<LimitConfig> = {}): LimitConfig => ({
  ...{ name: resource.toLowerCase(), resource, limit: 1_000, burst: 0 },
  ...(resource !== "Concurrency" && { window: minute }),
  ...more,
});
const quotaOf = (name: string, limits: LimitConfig[], more: Partial<QuotaConfig> = {}): QuotaConfig => ({
  ...{ namespace: "team", name, mode: "Enforce", failurePolicy: "Deny", per: ["User"], limits },
  reservation: { output: "Cap", leaseMs: 60_000, onUnknownUsage: "ChargeReserved" },
  ...more,
});
/** As a config that was decoded anew. */
const quotas = (): QuotaConfig[] => [
  quotaOf("rates", [limitOf("Requests"), limitOf("Concurrency"), limitOf("InputTokens"), limitOf("TotalTokens")]),
  quotaOf("learned", [limitOf("Requests"), limitOf("OutputTokens"), limitOf("Cost")], {
    mode: "Audit",
    reservation: { output: "P99", leaseMs: 60_000, onUnknownUsage: "ChargeReserved" },
  }),
  quotaOf(
    "days",
    [
      limitOf("Requests", {
        window: { type: "Calendar", period: "Day", timeZone: "UTC" },
        override: { max: 5_000, untilMs: 36 * 3_600_000 },
        resets: { subjects: { "user=bob": 7_000 } },
      }),
    ],
    { scope: "Cluster", precision: "Leased", per: ["User", "Model"] },
  ),
];

const plan = (config: readonly QuotaConfig[], { nowMs, user, input, output, p99, price }: Asked) => {
  const exchange = {
    identity: { namespace: "team", serviceAccount: "bot", user },
    ...{ model: "gpt-4o", match: { endpoint: { name: "ChatCompletions", metered: "usage" } }, rule: { name: "all" } },
    clock: { nowMs: () => nowMs },
    estimate: { inputTokens: input, outputTokens: output, outputCap: output, choices: 1 },
  } as unknown as Exchange; // what planning reads of an exchange
  const pricing = { inputPerMTok: price, cachedInputPerMTok: price, outputPerMTok: price };
  const sizes = { p99: () => p99 } as unknown as OutputSizes; // nothing else is asked
  return planClaims(config, exchange, { outputTokensMax: 100, imageTokensMax: 100, pricing }, sizes);
};

test("the claims of any row of requests are those that a config which has seen none of them plans", () => {
  const asked = fc.record({
    nowMs: fc.integer({ min: 0, max: 4 * 86_400_000 }),
    user: fc.constantFrom("alice", "bob"),
    input: fc.constantFrom(10, 11),
    output: fc.constantFrom(100, 200),
    p99: fc.constantFrom(undefined, 50, 150),
    price: fc.constantFrom(1_000_000, 3_333_333),
  });
  fc.assert(
    fc.property(fc.array(asked, { minLength: 2, maxLength: 20 }), (row) => {
      const config = quotas();
      for (const each of row) expect(plan(config, each)).toEqual(plan(quotas(), each));
    }),
  );
});

test("a request like the last one is planned the same claims, which nobody has made anew", () => {
  const config = quotas();
  const first = plan(config, usual);
  expect(plan(config, { ...usual, nowMs: 5_000 }).map((claim, i) => claim === first[i])).toEqual(first.map(() => true));
});

test.each<[string, Partial<Asked>, readonly string[]]>([
  ["its input", { input: 11 }, ["rates/inputtokens", "rates/totaltokens", "learned/cost"]],
  ["a price", { price: 2_000_000 }, ["learned/cost"]],
  ["what was learned of outputs", { p99: 50 }, ["learned/requests", "learned/outputtokens", "learned/cost"]],
  ["the day", { nowMs: 86_400_000 }, ["days/requests"]],
  ["an override that ends", { nowMs: 36 * 3_600_000 }, ["days/requests"]],
])("%s makes new claims of those that it concerns, and of no others", (_what, more, changed) => {
  const config = quotas();
  const before = { ...usual, nowMs: more.nowMs === 36 * 3_600_000 ? more.nowMs - 1 : 0 };
  const first = plan(config, before);
  const next = plan(config, { ...before, ...more });
  const anew = next.filter((claim, i) => claim !== first[i]);
  expect(anew.map(({ quota, limit }) => `${quota.name}/${limit.name}`)).toEqual(changed);
});

test("a config that was decoded anew has claims of its own", () => {
  const first = plan(quotas(), usual);
  expect(plan(quotas(), usual).filter((claim, i) => claim === first[i])).toEqual([]);
});
