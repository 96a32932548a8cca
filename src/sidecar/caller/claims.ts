/** Who must have issued a caller's token, for whom, and when it holds. Pure: the signature is somebody else's business. */
import type { IssuerConfig } from "../../config/caller.ts";
import type { CallerReason } from "./reasons.ts";
import type { Members } from "./token.ts";

/** Audience and times (RFC 7519 section 4.1); the first fault decides. Undefined: they are right at `nowMs`. */
export const claimsFault = (
  { aud, exp, nbf, iat }: Members,
  { audiences, clockToleranceMs }: Pick<IssuerConfig, "audiences" | "clockToleranceMs">,
  nowMs: number,
): CallerReason | undefined => {
  if (aud === undefined) return "audience_missing";
  const named = typeof aud === "string" ? [aud] : aud;
  if (!isTexts(named)) return "audience_malformed";
  if (!named.some((each) => audiences.includes(each))) return "audience_mismatch";
  if (exp === undefined) return "expiry_missing";
  if (!isTime(exp)) return "expiry_malformed";
  if (nbf !== undefined && !isTime(nbf)) return "not_before_malformed";
  if (iat !== undefined && !isTime(iat)) return "issued_at_malformed";
  // `exp` is the first moment that is too late
  if (nowMs >= exp * 1000 + clockToleranceMs) return "token_expired";
  if (nbf !== undefined && nowMs < nbf * 1000 - clockToleranceMs) return "token_not_yet_valid";
  if (iat !== undefined && nowMs < iat * 1000 - clockToleranceMs) return "issued_in_the_future";
  return undefined;
};

const isTexts = (value: unknown): value is readonly string[] =>
  Array.isArray(value) && value.every((member) => typeof member === "string");

/** Seconds since the epoch, as far as a date can tell them. */
const isTime = (value: unknown): value is number =>
  typeof value === "number" && Number.isFinite(value) && value >= 0 && value <= 8_640_000_000_000;
