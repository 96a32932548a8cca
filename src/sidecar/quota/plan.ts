/** Which limits of which quotas a request meets, and what each will cost: from config and request to claims. */
import { createHash } from "node:crypto";
import { calendarBoundaries } from "../../base/calendar.ts";
import type { WindowSpec } from "../../base/window.ts";
import type { LimitConfig, ModelConfig, QuotaConfig } from "../../config/contract.ts";
import { counterName, sharedSubject } from "../../redis/keys.ts";
import type { Authorized, Ending, Estimate } from "../exchange.ts";
import type { Claim } from "../ports/quota-store.ts";
import { saidModel } from "../said-names.ts";

/** One claim with what is needed to word a refusal and to settle. */
export interface PlannedClaim {
  readonly claim: Claim;
  readonly quota: QuotaConfig;
  readonly limit: LimitConfig;
  readonly subject: string;
}

const tokensPerPrice = 1_000_000;

/** Nano-dollars of an amount of tokens, rounded up. Exact: products beyond 2^53 are done in whole numbers. */
export function costOf(model: ModelConfig, tokens: { input: number; cachedInput: number; output: number }): number {
  const price = model.pricing;
  if (price === undefined) return 0;
  const fresh = Math.max(0, tokens.input - tokens.cachedInput);
  const sum =
    BigInt(fresh) * BigInt(price.inputPerMTok) +
    BigInt(Math.min(tokens.cachedInput, tokens.input)) * BigInt(price.cachedInputPerMTok) +
    BigInt(tokens.output) * BigInt(price.outputPerMTok);
  const million = BigInt(tokensPerPrice);
  return Number((sum + million - 1n) / million);
}

const applies = (quota: QuotaConfig, limit: LimitConfig, exchange: Authorized): boolean =>
  (quota.rules === undefined || quota.rules.includes(exchange.rule.name)) &&
  (limit.models === undefined || limit.models.includes(exchange.model)) &&
  (limit.endpoints === undefined || limit.endpoints.includes(exchange.match.endpoint.name));

const subjectParts: Record<QuotaConfig["per"][number], (exchange: Authorized) => string> = {
  ServiceAccount: (x) => `sa=${x.identity.namespace}/${x.identity.serviceAccount}`,
  Namespace: (x) => `ns=${x.identity.namespace}`,
  Pod: (x) => `pod=${x.identity.pod ?? "-"}`,
  Model: (x) => `model=${nameInKey(x.model)}`,
  Endpoint: (x) => `endpoint=${x.match.endpoint.name}`,
};

/** Characters of a name that a key takes as it stands; a longer one, and a text that is no name, is told by its digest. */
const nameInKeyCharsMax = 128;

/** A client's text as part of a counter's key: other characters than those of names become `=XX`, so two names never meet. */
export function nameInKey(text: string): string {
  const plain = text.replaceAll(/[^A-Za-z0-9._-]/gu, (character) => `=${Buffer.from(character).toString("hex")}`);
  if (plain.length <= nameInKeyCharsMax && saidModel(text) === text) return plain;
  return `sha256=${createHash("sha256").update(text).digest("hex")}`;
}

/** The value that a quota counts by: `sa=team/bot:model=gpt-4o`; `all` for one shared counter. */
const subjectOf = (quota: QuotaConfig, exchange: Authorized): string =>
  quota.per.length === 0 ? sharedSubject : quota.per.map((part) => subjectParts[part](exchange)).join(":");

function windowOf(limit: LimitConfig, nowMs: number): WindowSpec {
  const window = limit.window;
  if (window === undefined) return { type: "Concurrency" };
  if (window.type !== "Calendar") return { type: window.type, durationMs: window.durationMs ?? 60_000 };
  return {
    type: "Calendar",
    boundariesMs: calendarBoundaries(window.period ?? "Month", window.timeZone ?? "UTC", nowMs),
  };
}

/** What a request holds of a resource: a part that is certain, and a part for each token of output. */
function holdOf(limit: LimitConfig, estimate: Estimate, model: ModelConfig): { amount: number; perOutput: number } {
  switch (limit.resource) {
    case "Requests":
    case "Concurrency":
      return { amount: 1, perOutput: 0 };
    case "InputTokens":
      return { amount: estimate.inputTokens, perOutput: 0 };
    case "OutputTokens":
      return { amount: 0, perOutput: 1 };
    case "TotalTokens":
      return { amount: estimate.inputTokens, perOutput: 1 };
    case "Cost":
      return {
        amount: costOf(model, { input: estimate.inputTokens, cachedInput: 0, output: 0 }),
        perOutput: (model.pricing?.outputPerMTok ?? 0) / tokensPerPrice,
      };
  }
}

/** Claims of every limit that applies, in the order of the config. */
export function planClaims(
  quotas: readonly QuotaConfig[],
  exchange: Authorized & { estimate: Estimate },
  model: ModelConfig,
): PlannedClaim[] {
  const metered = exchange.match.endpoint.metered === "usage";
  const planned: PlannedClaim[] = [];
  for (const quota of quotas) {
    for (const limit of quota.limits) {
      if (!applies(quota, limit, exchange)) continue;
      if (!metered && limit.resource !== "Requests" && limit.resource !== "Concurrency") continue;
      const subject = subjectOf(quota, exchange);
      planned.push({
        quota,
        limit,
        subject,
        claim: {
          counter: counterName({ namespace: quota.namespace, quota: quota.name, limit: limit.name, subject }),
          window: windowOf(limit, exchange.clock.nowMs()),
          max: limit.limit + limit.burst,
          ...holdOf(limit, exchange.estimate, model),
          enforced: quota.mode === "Enforce",
        },
      });
    }
  }
  return planned;
}

/** Tokens that an ended request is charged for. `held`: what the reservation took. */
export function chargedTokens(
  ending: Ending,
  held: { input: number; output: number },
  onUnknownUsage: QuotaConfig["reservation"]["onUnknownUsage"],
): { input: number; cachedInput: number; output: number } {
  if (ending.outcome === "hit" || ending.outcome === "refused") return { input: 0, cachedInput: 0, output: 0 };
  if (ending.usage) {
    return {
      input: ending.usage.inputTokens,
      cachedInput: ending.usage.cachedInputTokens,
      output: ending.usage.outputTokens,
    };
  }
  const observed = {
    input: held.input,
    cachedInput: 0,
    output: Math.min(held.output, ending.observedOutputTokens ?? 0),
  };
  const reserved = { input: held.input, cachedInput: 0, output: held.output };
  switch (ending.outcome) {
    case "failed": // an error answer costs nothing; a stream that broke costs what came
      return ending.observedOutputTokens === undefined ? { input: 0, cachedInput: 0, output: 0 } : observed;
    case "aborted": // nothing was seen of a whole answer: it may have been written to its end
      return ending.observedOutputTokens === undefined ? reserved : observed;
    case "uncertain": // it may be running and billed to its end
      return reserved;
    case "completed":
    case "incomplete":
      return onUnknownUsage === "ChargeObserved" && ending.observedOutputTokens !== undefined ? observed : reserved;
  }
}

/** The actual amount of one claim. Requests count 1 whatever came of them, Concurrency is given back by the store. */
export function actualAmount(
  planned: PlannedClaim,
  ending: Ending,
  held: { input: number; output: number },
  model: ModelConfig,
): number {
  const tokens = chargedTokens(ending, held, planned.quota.reservation.onUnknownUsage);
  switch (planned.limit.resource) {
    case "Requests":
      return 1;
    case "Concurrency":
      return 0;
    case "InputTokens":
      return tokens.input;
    case "OutputTokens":
      return tokens.output;
    case "TotalTokens":
      return tokens.input + tokens.output;
    case "Cost":
      return costOf(model, tokens);
  }
}
