/** What a caller sent to prove who it is: one text, in the header of OpenAI's dialect or of Azure's. */
import type { CallerRefusal } from "./verdict.ts";

/** RFC 6750 section 2.1, the scheme in any case (RFC 9110 section 11.1). */
const bearerPattern = /^bearer +/i;

/**
 * The text behind `Authorization: Bearer`, or of `api-key`; undefined: neither is there. `raw`: names and values in turn, as they
 * came, since Node drops the second of two without a word. Both headers may be there if they hold the same text.
 */
export const offeredText = (raw: readonly string[]): string | undefined | CallerRefusal => {
  let authorization: string | undefined;
  let apiKey: string | undefined;
  for (let i = 0; i + 1 < raw.length; i += 2) {
    const name = raw[i] ?? "";
    if (name.length === 13 && name.toLowerCase() === "authorization") {
      if (authorization !== undefined) return { reason: "credential_doubled" };
      authorization = raw[i + 1] ?? "";
    } else if (name.length === 7 && name.toLowerCase() === "api-key") {
      if (apiKey !== undefined) return { reason: "credential_doubled" };
      apiKey = (raw[i + 1] ?? "").trim();
    }
  }
  if (authorization === undefined) return apiKey === "" ? undefined : apiKey;
  const text = bearerText(authorization);
  if (text === undefined) return { reason: "scheme_not_bearer" };
  if (apiKey !== undefined && apiKey !== text) return { reason: "credential_conflict" };
  return text === "" ? undefined : text;
};

/** "" for a scheme with nothing behind it; undefined: another scheme. */
const bearerText = (value: string): string | undefined => {
  const text = value.trim();
  if (text === "" || text.toLowerCase() === "bearer") return "";
  return bearerPattern.test(text) ? text.replace(bearerPattern, "") : undefined;
};
