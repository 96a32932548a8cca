/** The API server's refusals as KubeFault, without any object's content. */
import type { IncomingHttpHeaders } from "node:http";
import { KubeFault } from "./port.ts";

const messageCharactersMax = 1_000;
const fieldsMax = 10;

const memberOf = (value: unknown, name: string): unknown =>
  typeof value === "object" && value !== null ? (value as Readonly<Record<string, unknown>>)[name] : undefined; // checked above

const textOf = (value: unknown): string => (typeof value === "string" ? value : "");

const fieldsOf = (status: unknown): string[] => {
  const causes = memberOf(memberOf(status, "details"), "causes");
  if (!Array.isArray(causes)) return [];
  return causes
    .map((cause) => textOf(memberOf(cause, "field")))
    .filter((field) => field !== "")
    .slice(0, fieldsMax);
};

/** `Retry-After` in ms (whole seconds only, as the API server sends it); undefined where there is none. */
export const retryAfterMsOf = (headers: IncomingHttpHeaders): number | undefined => {
  const text = headers["retry-after"]?.trim() ?? "";
  return /^\d{1,6}$/.test(text) ? Number(text) * 1_000 : undefined;
};

/**
 * The fault for a `Status` object (https://kubernetes.io/docs/reference/kubernetes-api/common-definitions/status/). A refusal may quote
 * the value that it refuses: with `isSecret` only its reason and the names of fields are kept.
 */
export const statusFault = (
  body: unknown,
  about: {
    readonly what: string;
    readonly status: number;
    readonly isSecret: boolean;
    readonly retryAfterMs?: number | undefined;
  },
): KubeFault => {
  const reason = textOf(memberOf(body, "reason"));
  const said = about.isSecret ? fieldsOf(body).join(", ") : textOf(memberOf(body, "message"));
  const seconds = memberOf(memberOf(body, "details"), "retryAfterSeconds");
  const message = [`${about.what}: ${about.status}`, reason && ` ${reason}`, said && `: ${said}`].join("");
  return new KubeFault(message.slice(0, messageCharactersMax), {
    status: about.status,
    reason,
    retryAfterMs: about.retryAfterMs ?? (typeof seconds === "number" && seconds > 0 ? seconds * 1_000 : undefined),
  });
};
