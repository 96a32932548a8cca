/** The bound of a request's input: what it says, what its rule adds, and what it only names. */
import type { ModelConfig, RuleConfig } from "../../config/contract.ts";
import type { Authorized, Estimate, RequestBody } from "../exchange.ts";
import { scanJson } from "../json/scan.ts";
import { estimateInput, type InputEstimate } from "../openai/estimate.ts";
import { isCounted, lessBounded } from "../openai/tools.ts";

/** What is estimated of a request, with what its rule adds to it. */
export function inputOf({ body, rule }: Pick<Authorized, "body" | "rule">, model: ModelConfig): InputEstimate {
  const { systemPrompt, overrides } = rule.request;
  const own = estimateInput(body, model, { extraText: systemPrompt ?? "", replaced: overrides });
  const added = body.kind === "json" ? addedBy(rule) : undefined;
  if (!added) return own;
  const more = estimateInput(added, model);
  const hosted = lessBounded(own.hosted, more.hosted);
  return {
    ...more,
    ...own,
    ...(hosted !== undefined && { hosted }),
    upperTokens: own.upperTokens + more.upperTokens,
    likelyTokens: own.likelyTokens + more.likelyTokens,
    predictionTokens: own.predictionTokens + more.predictionTokens,
  };
}

const additions = new WeakMap<RuleConfig, RequestBody | undefined>();

/** Members that a rule sets, as a body of their own; undefined: it sets none. Defaults count where the client names its own, too. */
function addedBy(rule: RuleConfig): RequestBody | undefined {
  if (additions.has(rule)) return additions.get(rule);
  const members = { ...rule.request.defaults, ...rule.request.overrides };
  const bytes = Buffer.from(JSON.stringify(members));
  const body: RequestBody | undefined =
    Object.keys(members).length === 0 ? undefined : { kind: "json", bytes, document: scanJson(bytes) };
  additions.set(rule, body);
  return body;
}

/** Most tokens that are held as a bound; what needs more has none. Sums of a few of them are still exact. */
export const boundTokensMax = 1_000_000_000_000_000;

/**
 * The input to hold. What a request only names is at most a whole window; where the provider runs tools, one for each of their calls and
 * one more. `unbounded` where the window or the number of calls is not known.
 */
export function boundOf(
  { upperTokens, unknown, hosted, unpriced }: InputEstimate,
  how: { readonly metered: boolean; readonly window: number | undefined; readonly calls: number | undefined },
): Pick<Estimate, "inputTokens" | "unbounded" | "unpriced"> {
  if (!how.metered) return { inputTokens: 0 };
  const named = hosted ?? unknown;
  const fee = hosted ?? unpriced; // such tools cost a fee for each call
  const price = fee === undefined ? {} : { unpriced: fee };
  if (named === undefined) return { inputTokens: upperTokens, ...price };
  const calls = hosted === undefined ? 0 : isCounted(hosted) ? how.calls : undefined;
  const turns = calls === undefined ? undefined : calls + 1;
  const windows = how.window === undefined || turns === undefined ? undefined : how.window * turns;
  if (windows === undefined || windows > boundTokensMax)
    return { inputTokens: upperTokens, unbounded: named, ...price };
  return { inputTokens: Math.max(upperTokens, windows), ...price };
}
