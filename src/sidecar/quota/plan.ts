/** Which limits of which quotas a request meets, and what each will cost: from config and request to claims. */
import type { ModelConfig } from "../../config/contract.ts";
import type { LimitConfig, QuotaConfig } from "../../config/quota.ts";
import type { Authorized, Ending, Estimate } from "../exchange.ts";
import { audioTokensPerSecond } from "../openai/media.ts";
import type { Claim } from "../ports/quota-store.ts";
import { counterOf } from "./counters.ts";
import type { OutputSizes } from "./output-sizes.ts";
import { costOf, outputPriceOf } from "./price.ts";
import { subjectsOf } from "./subject.ts";

/** One claim with what is needed to word a refusal and to settle. */
export interface PlannedClaim {
  readonly claim: Claim;
  readonly quota: QuotaConfig;
  readonly limit: LimitConfig;
  readonly subject: string;
  /** Tokens of output that are held whatever is granted: what was learned. Absent: what is granted. */
  readonly outputHeld?: number;
}

const applies = (quota: QuotaConfig, limit: LimitConfig, exchange: Authorized): boolean =>
  (quota.rules === undefined || quota.rules.includes(exchange.rule.name)) &&
  (limit.models === undefined || limit.models.includes(exchange.model)) &&
  (limit.endpoints === undefined || limit.endpoints.includes(exchange.match.endpoint.name));

/** The override of a limit that counts now. */
export const overrideNow = ({ override }: LimitConfig, nowMs: number): LimitConfig["override"] =>
  override !== undefined && nowMs < override.untilMs ? override : undefined;

/** Limit and burst, or what stands in their place for a while. */
const maxOf = (limit: LimitConfig, nowMs: number): number =>
  overrideNow(limit, nowMs)?.max ?? limit.limit + limit.burst;

/**
 * What a request holds of a resource: a part that is certain, and a part for each token of output. `learned`: the output to hold in place of
 * that.
 */
function holdOf(
  { resource }: LimitConfig,
  { inputTokens, outputExtra = 0 }: Estimate,
  model: ModelConfig,
  learned: number | undefined,
): { amount: number; perOutput: number } {
  const output = learned ?? outputExtra;
  const perToken = learned === undefined ? 1 : 0;
  switch (resource) {
    case "Requests":
    case "Concurrency":
      return { amount: 1, perOutput: 0 };
    case "InputTokens":
      return { amount: inputTokens, perOutput: 0 };
    case "OutputTokens":
      return { amount: output, perOutput: perToken };
    case "TotalTokens":
      return { amount: inputTokens + output, perOutput: perToken };
    case "Cost":
      return {
        amount: costOf(model, { input: inputTokens, cachedInput: 0, output }),
        perOutput: perToken * outputPriceOf(model),
      };
  }
}

/** Output that a quota of P99 holds; undefined: another quota, or too few outputs were seen. */
function learnedOutput(
  { reservation }: QuotaConfig,
  { model, match, estimate }: Authorized & { estimate: Estimate },
  sizes: OutputSizes | undefined,
): number | undefined {
  if (reservation.output !== "P99") return undefined;
  const tokens = sizes?.p99(model, match.endpoint.name);
  if (tokens === undefined) return undefined;
  return Math.min(tokens * estimate.choices, estimate.outputTokens) + (estimate.outputExtra ?? 0);
}

/** Claims of every limit that applies, in the order of the config; of one that counts by Group one for each group. Refuses as `subjectsOf`. */
export function planClaims(
  quotas: readonly QuotaConfig[],
  exchange: Authorized & { estimate: Estimate },
  model: ModelConfig,
  sizes?: OutputSizes,
): PlannedClaim[] {
  const metered = exchange.match.endpoint.metered === "usage";
  const nowMs = exchange.clock.nowMs();
  const planned: PlannedClaim[] = [];
  for (const quota of quotas) {
    const enforced = quota.mode === "Enforce";
    let subjects: readonly string[] | undefined;
    const learned = metered ? learnedOutput(quota, exchange, sizes) : undefined;
    for (const limit of quota.limits) {
      if (!applies(quota, limit, exchange)) continue;
      if (!metered && limit.resource !== "Requests" && limit.resource !== "Concurrency") continue;
      subjects ??= subjectsOf(quota, exchange);
      for (const subject of subjects) {
        const { counter, window } = counterOf(quota, limit, subject, nowMs);
        const { amount, perOutput } = holdOf(limit, exchange.estimate, model, learned);
        const always = { counter, window, max: maxOf(limit, nowMs), amount, perOutput, enforced };
        const claim: Claim =
          quota.scope || quota.precision
            ? {
                ...always,
                ...(quota.scope && { scope: quota.scope }),
                ...(quota.precision && { precision: quota.precision }),
              }
            : always;
        planned.push(
          learned === undefined
            ? { quota, limit, subject, claim }
            : { quota, limit, subject, claim, outputHeld: learned },
        );
      }
    }
  }
  return planned;
}

/** Tokens that an ended request is charged for. `held`: the input that was held, and the output that was let through. */
export function chargedTokens(
  ending: Ending,
  held: { input: number; output: number },
  onUnknownUsage: QuotaConfig["reservation"]["onUnknownUsage"],
): { input: number; cachedInput: number; output: number } {
  const { outcome, usage, observedOutputTokens: seen } = ending;
  // an error answer costs nothing; a stream that failed costs what came
  const isFree = outcome === "hit" || outcome === "refused" || (outcome === "failed" && !usage && seen === undefined);
  if (isFree) return { input: 0, cachedInput: 0, output: 0 };
  if (usage) {
    return {
      // audio that is billed by its length counts as the tokens that other models make of it
      input: usage.inputTokens + Math.ceil((usage.seconds ?? 0) * audioTokensPerSecond),
      cachedInput: usage.cachedInputTokens,
      output: usage.outputTokens,
    };
  }
  // of what ended otherwise more may have been written than was seen
  const isSeen = outcome === "failed" || outcome === "aborted" || onUnknownUsage === "ChargeObserved";
  const output = isSeen && seen !== undefined ? Math.min(held.output, seen) : held.output;
  return { input: held.input, cachedInput: 0, output };
}

/** The actual amount of one claim. Requests count 1 whatever came of them, but of a backend none that the cache answered; Concurrency is given back by the store. `held.output`: what was granted. */
export function actualAmount(
  planned: PlannedClaim,
  ending: Ending,
  held: { input: number; output: number },
  model: ModelConfig,
): number {
  const tokens = chargedTokens(ending, held, planned.quota.reservation.onUnknownUsage);
  switch (planned.limit.resource) {
    case "Requests":
      return ending.outcome === "hit" && planned.quota.per.includes("Backend") ? 0 : 1;
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
