/** What went wrong on the way to a provider, in the words of the catalogue. */
import type { RuleConfig } from "../../config/contract.ts";
import { type ErrorCode, GatewayError } from "../errors.ts";

type Timeouts = RuleConfig["timeouts"];

const connectCodes: ReadonlySet<string> = new Set([
  "ECONNREFUSED",
  "ENOTFOUND",
  "EAI_AGAIN",
  "EHOSTUNREACH",
  "ENETUNREACH",
  "ENETDOWN",
  "EADDRNOTAVAIL",
  "EMFILE",
  "ENFILE",
]);

const codeOf = (cause: unknown): string => {
  if (!(cause instanceof Error)) return "";
  return "code" in cause && typeof cause.code === "string" ? cause.code : cause.name;
};

/** Whether the failure came before a single byte of the request can have reached the provider. */
export const isUnsent = (cause: unknown, sent: boolean): boolean => !sent || connectCodes.has(codeOf(cause));

/** Translates a fault of the connection. `answering`: the answer's head had come. */
export function upstreamFault(
  cause: unknown,
  options: { timeouts: Timeouts; sent: boolean; answering: boolean },
): GatewayError {
  if (cause instanceof GatewayError) return cause; // the client's own upload broke a limit on its way
  const { timeouts, answering } = options;
  const code = codeOf(cause);
  const make = (row: ErrorCode, ...words: string[]): GatewayError => new GatewayError(row, words, { cause });
  if (code === "UND_ERR_CONNECT_TIMEOUT") return make("upstream_connect_timeout", String(timeouts.connectMs));
  if (code === "UND_ERR_HEADERS_TIMEOUT") return make("upstream_first_byte_timeout", String(timeouts.firstByteMs));
  if (code === "UND_ERR_BODY_TIMEOUT") return make("upstream_idle_timeout", String(timeouts.idleMs));
  if (code === "UND_ERR_HEADERS_OVERFLOW") return make("upstream_too_large", "its headers");
  if (connectCodes.has(code)) return make("upstream_connect_failed", code);
  if (!options.sent)
    return make(
      "upstream_connect_failed",
      /CERT|TLS|SSL|ALTNAME/.test(code) ? `TLS, ${code}` : code || "connection failed",
    );
  if (code.startsWith("HPE_")) return make("upstream_invalid_answer", "it is not HTTP");
  return make(answering ? "upstream_truncated" : "upstream_reset");
}
