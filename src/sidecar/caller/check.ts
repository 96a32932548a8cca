/** What a request's caller proves, in the words of the error catalogue. The text that was sent goes nowhere from here. */
import type { Clock } from "../../base/clock.ts";
import type { CallerConfig } from "../../config/caller.ts";
import { type ErrorCode, GatewayError } from "../errors.ts";
import type { BearerSources } from "./bearer.ts";
import { callerJudge } from "./judge.ts";
import { offeredText } from "./offered.ts";
import { type CallerReason, callerRefusalText } from "./reasons.ts";
import type { Caller, CallerVerdict, MissingKeys } from "./verdict.ts";

/** How long a request waits for keys that are being fetched, in ms. */
export const keysWaitMsMax = 5_000;

/** Judges a request by its headers, names and values in turn. At once where the keys are there; the promise never rejects. */
export type CallerCheck = (rawHeaders: readonly string[]) => Caller | GatewayError | Promise<Caller | GatewayError>;

/** What a check works with. */
export interface CallerCheckDeps extends BearerSources {
  readonly clock: Clock;
  /** Told of each caller that was refused. */
  readonly refused: (reason: CallerReason) => void;
  /** For the whole wait, in ms; absent: `keysWaitMsMax`. */
  readonly waitMs?: number;
}

interface Codes {
  readonly missing: ErrorCode;
  readonly refused: ErrorCode;
}
const codesOf: Readonly<Record<CallerConfig["require"], Codes>> = {
  Bearer: { missing: "bearer_missing", refused: "bearer_refused" },
  APIKey: { missing: "api_key_missing", refused: "api_key_refused" },
};

/** Makes the check of a route. */
export const callerCheck = (config: CallerConfig, deps: CallerCheckDeps): CallerCheck => {
  const judge = callerJudge(config, deps);
  const codes = codesOf[config.require];
  const { clock, refused, waitMs = keysWaitMsMax } = deps;
  const refusal = (reason: CallerReason): GatewayError => {
    refused(reason);
    return refusalOf(reason, codes);
  };
  const final = (verdict: CallerVerdict): Caller | GatewayError => {
    if (verdict.kind === "proven") return verdict.caller;
    if (verdict.kind === "refused") return refusal(verdict.reason);
    return verdict.reason ? refusal(verdict.reason) : unavailable(verdict);
  };
  return (rawHeaders) => {
    const text = offeredText(rawHeaders);
    if (text === undefined) return refusal("credential_missing");
    if (typeof text === "object") return refusal(text.reason);
    const verdict = judge(text, clock.nowMs());
    const loading = verdict.kind === "missing-keys" ? verdict.load?.() : undefined;
    // One more look is all: what is still missing then is not waited for again.
    return loading ? within(loading, waitMs).then(() => final(judge(text, clock.nowMs()))) : final(verdict);
  };
};

const scheme = 'Bearer realm="sidegate"';

/** RFC 6750 section 3: a request without a token, or of another scheme, is told the scheme only; one whose token is not good, why. */
const refusalOf = (reason: CallerReason, { missing, refused }: Codes): GatewayError => {
  if (reason === "credential_missing")
    return new GatewayError(missing, [], { headers: [["www-authenticate", scheme]] });
  const why = reason === "scheme_not_bearer" ? "" : `, error="invalid_token", error_description="${reason}"`;
  return new GatewayError(refused, [callerRefusalText(reason)], { headers: [["www-authenticate", scheme + why]] });
};

const unavailable = ({ issuer, retryAfterMs }: MissingKeys): GatewayError =>
  new GatewayError("issuer_unavailable", [issuer], { retryAfterMs: Math.max(1_000, retryAfterMs?.() ?? 0) });

const within = (loading: Promise<void>, ms: number): Promise<void> => {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<void>((resolve) => {
    timer = setTimeout(resolve, ms).unref();
  });
  return Promise.race([loading, late]).finally(() => clearTimeout(timer));
};
