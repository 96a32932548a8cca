/** Which limits of which quotas a request meets, and what each will cost: from config and request to claims. */
import type { ModelConfig } from "../../config/contract.ts";
import type { LimitConfig, QuotaConfig } from "../../config/quota.ts";
import type { Authorized, Ending, Estimate } from "../exchange.ts";
import { audioTokensPerSecond } from "../openai/media.ts";
import type { Claim } from "../ports/quota-store.ts";
import { counterOf, type PlannedClaim, type SubjectCounter } from "./counters.ts";
import type { OutputSizes } from "./output-sizes.ts";
import { costOf, outputPriceOf } from "./price.ts";
import { subjectsOf } from "./subject.ts";

export type { PlannedClaim } from "./counters.ts";

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

/** Units of a resource that a request holds whatever its output. `learned`: the output to hold in place of what is granted. */
function amountOf(
  { resource }: LimitConfig,
  { inputTokens, outputExtra = 0 }: Estimate,
  model: ModelConfig,
  learned: number | undefined,
): number {
  const output = learned ?? outputExtra;
  switch (resource) {
    case "Requests":
    case "Concurrency":
      return 1;
    case "InputTokens":
      return inputTokens;
    case "OutputTokens":
      return output;
    case "TotalTokens":
      return inputTokens + output;
    case "Cost":
      return costOf(model, { input: inputTokens, cachedInput: 0, output });
  }
}

/** Units that it holds for each token of output that is granted. */
function perOutputOf({ resource }: LimitConfig, model: ModelConfig, learned: number | undefined): number {
  if (learned !== undefined) return 0;
  switch (resource) {
    case "Requests":
    case "Concurrency":
    case "InputTokens":
      return 0;
    case "OutputTokens":
    case "TotalTokens":
      return 1;
    case "Cost":
      return outputPriceOf(model);
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
    let subjects: readonly string[] | undefined;
    const learned = metered ? learnedOutput(quota, exchange, sizes) : undefined;
    for (const limit of quota.limits) {
      if (!applies(quota, limit, exchange)) continue;
      if (!metered && limit.resource !== "Requests" && limit.resource !== "Concurrency") continue;
      subjects ??= subjectsOf(quota, exchange);
      const max = maxOf(limit, nowMs);
      const amount = amountOf(limit, exchange.estimate, model, learned);
      const perOutput = perOutputOf(limit, model, learned);
      for (const subject of subjects) {
        const counter = counterOf(quota, limit, subject, nowMs);
        const { last } = counter;
        const isSame =
          last?.claim.max === max &&
          last.claim.amount === amount &&
          last.claim.perOutput === perOutput &&
          last.outputHeld === learned;
        if (isSame) planned.push(last);
        else planned.push(claimOn(counter, { quota, limit, subject, max, amount, perOutput, outputHeld: learned }));
      }
    }
  }
  return planned;
}

/** A new claim on a counter, which keeps it for the next request. */
function claimOn(
  kept: SubjectCounter,
  {
    quota,
    limit,
    subject,
    max,
    amount,
    perOutput,
    outputHeld,
  }: Omit<PlannedClaim, "claim" | "outputHeld"> &
    Pick<Claim, "max" | "amount" | "perOutput"> & { readonly outputHeld: number | undefined },
): PlannedClaim {
  const { scope, precision } = quota;
  const { counter, window } = kept;
  const always = { counter, window, max, amount, perOutput, enforced: quota.mode === "Enforce" };
  const claim: Claim =
    scope || precision ? { ...always, ...(scope && { scope }), ...(precision && { precision }) } : always;
  const planned =
    outputHeld === undefined ? { quota, limit, subject, claim } : { quota, limit, subject, claim, outputHeld };
  kept.last = planned;
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
