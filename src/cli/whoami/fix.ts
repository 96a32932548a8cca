/** What to do about a refusal, with what the token says beside what the route takes. The token's words are quoted: nobody has proven them. */
import type { CallerConfig } from "../../config/caller.ts";
import type { RouteConfig } from "../../config/contract.ts";
import type { CallerReason } from "../../sidecar/caller/reasons.ts";
import { spanText } from "../key/moment.ts";
import { type Claims, headerIn } from "./claims.ts";

/** Characters of a token's word that are shown. */
const quotedMax = 120;

/** All that a fix may tell of. */
export interface Refusal {
  /** Undefined: the keys could not be had. */
  readonly reason: CallerReason | undefined;
  readonly code: string;
  readonly caller: CallerConfig;
  readonly claims: Claims;
  readonly text: string;
  readonly route: RouteConfig;
  /** Why an issuer's keys could not be fetched, by issuer. */
  readonly faults: ReadonlyMap<string, string>;
  readonly nowMs: number;
}

/** One sentence; undefined: the refusal itself says what to do. */
export const fixFor = (refusal: Refusal): string | undefined => {
  const { reason, code } = refusal;
  if (code === "issuer_unavailable") return unavailableFix(refusal);
  return reason && fixes[reason]?.(refusal);
};

/** Without the control characters that JSON leaves as they are. */
const quoted = (value: unknown): string =>
  (JSON.stringify(value) ?? "nothing").slice(0, quotedMax).replace(/[\u007f-\u009f]/g, "?");

const issuersOf = (caller: CallerConfig) => (caller.require === "Bearer" ? caller.issuers : []);
const issuerNames = (caller: CallerConfig): string =>
  issuersOf(caller)
    .map((each) => (each.type === "OIDC" ? each.issuer : "the cluster"))
    .join(", ");
/** The issuer that the token says it is of; the cluster, where no other is. */
const issuerOf = ({ caller, claims }: Refusal) =>
  issuersOf(caller).find((each) => each.type === "OIDC" && each.issuer === claims["iss"]) ??
  issuersOf(caller).find(({ type }) => type === "Cluster");

const missingClaim =
  (name: "user" | "tenant" | "roles" | "groups") =>
  (refusal: Refusal): string => {
    const path = issuerOf(refusal)?.claims[name]?.join(".") ?? "none";
    return `claims.${name} of the issuer is ${path}; the token has ${quoted(Object.keys(refusal.claims))}`;
  };

const jwtFix = ({ text }: Refusal): string =>
  text.startsWith("sgk-")
    ? "this is an API key of Sidegate; the route wants a JWT of one of its issuers"
    : "give the token itself: three parts with two dots between them";

const fixes: Partial<Record<CallerReason, (refusal: Refusal) => string>> = {
  credential_missing: () => "give a token or a key on stdin, by --token-file, or in SIDEGATE_TOKEN",
  not_a_jwt: jwtFix,
  token_not_text: jwtFix,
  issuer_mismatch: ({ claims, caller }) =>
    `the token says ${quoted(claims["iss"])}; the route takes ${issuerNames(caller)}`,
  audience_mismatch: (refusal) =>
    `the token is for ${quoted(refusal.claims["aud"])}; the route takes ${issuerOf(refusal)?.audiences.join(", ") ?? "none"}`,
  token_expired: ({ claims, nowMs }) => `it ended ${spanText(nowMs - Number(claims["exp"]) * 1000)} ago: get a new one`,
  algorithm_not_allowed: (refusal) => {
    const issuer = issuerOf(refusal);
    const taken = issuer?.type === "OIDC" ? issuer.algorithms.join(", ") : "those of Kubernetes";
    return `the token has ${quoted(headerIn(refusal.text)["alg"])}; the route takes ${taken}`;
  },
  key_unknown: ({ text, claims }) =>
    `its key is ${quoted(headerIn(text)["kid"])}: is that one in the key set of ${quoted(claims["iss"])}? Get a new token if the issuer has rotated its keys`,
  user_missing: missingClaim("user"),
  user_malformed: missingClaim("user"),
  roles_malformed: missingClaim("roles"),
  groups_malformed: missingClaim("groups"),
  tenant_malformed: missingClaim("tenant"),
  not_an_api_key: ({ claims }) =>
    Object.keys(claims).length > 0
      ? "this is a JWT; the route wants an API key of sidegate key create"
      : "make one with sidegate key create",
  api_key_unknown: () => "sidegate key list shows which there are; sidegate key create makes another",
  api_key_expired: () => "sidegate key create makes another; sidegate key rotate makes one before the old one ends",
};

const unavailableFix = (refusal: Refusal): string => {
  const { faults, claims } = refusal;
  const fault = faults.get(String(claims["iss"]));
  return fault === undefined
    ? "the cluster's keys are not known here: name its issuer with --cluster-issuer, or ask the cluster (without -f)"
    : `${fault}. That was asked from this machine; pods need to reach it, too`;
};
