/** Judges a token or a key with the code of the request path, and says what that opens. */
import { Buffer } from "node:buffer";
import type { Clock } from "../../base/clock.ts";
import type { CallerConfig } from "../../config/caller.ts";
import type { RouteConfig, SidecarConfig } from "../../config/contract.ts";
import type { BearerSources, OidcIssuerConfig } from "../../sidecar/caller/bearer.ts";
import { callerCheck } from "../../sidecar/caller/check.ts";
import { fetchKeys } from "../../sidecar/caller/issuer-documents.ts";
import { IssuerKeys } from "../../sidecar/caller/issuer-keys.ts";
import type { CallerReason } from "../../sidecar/caller/reasons.ts";
import { GatewayError, refuse } from "../../sidecar/errors.ts";
import { refusalText } from "../../sidecar/identity/reasons.ts";
import { verifyToken } from "../../sidecar/identity/verify.ts";
import { getThrough } from "../../sidecar/upstream/document.ts";
import { Pools } from "../../sidecar/upstream/pools.ts";
import { textAt } from "../check/members.ts";
import { type Claims, claimsIn } from "./claims.ts";
import { fixFor } from "./fix.ts";
import type { WhoamiReport } from "./report.ts";
import { ruleReports } from "./rules.ts";

/** What is judged, and by which config. */
export interface Judging {
  readonly config: SidecarConfig;
  /** What the caller would send; "" where nothing was given. */
  readonly text: string;
  /** The text is the pod's own token, not a caller's. */
  readonly isPod: boolean;
  readonly clock: Clock;
  readonly areBackendsKnown: boolean;
  readonly remarks: readonly string[];
}

/** What the route asks for, in words. */
const asksOf = (caller: CallerConfig | undefined): string =>
  caller === undefined
    ? "asks for nothing but the pod's service account"
    : caller.require === "Bearer"
      ? "asks for a JWT"
      : "asks for an API key";

/** Never rejects for what the text is. */
export const judge = async (judging: Judging): Promise<WhoamiReport> => {
  const { config, isPod, remarks } = judging;
  const { route, subject: workload } = config;
  const shared = {
    workload,
    route: route && `${route.namespace}/${route.name}`,
    asks: asksOf(route?.caller),
    rules: [],
    remarks,
  };
  if (!route) {
    const fault = config.isNotParent
      ? refuse("identity_refused", refusalText("not_a_parent"))
      : refuse("no_route", `${workload.namespace}/${workload.serviceAccount}`, config.noRouteReason ?? "");
    return {
      ...shared,
      refusal: { ...wordsOf(fault), fix: "name the service account in spec.parentRefs of an AIRoute" },
    };
  }
  if (isPod) return { ...shared, ...(await judgePod(judging, route)) };
  if (!route.caller) return { ...shared, ...proven(judging, route, {}) };
  return { ...shared, ...(await judgeCaller(judging, route, route.caller)) };
};

type Outcome = Pick<WhoamiReport, "identity" | "provenBy" | "expiresMs" | "refusal" | "rules" | "remarks">;

const wordsOf = ({ status, code, message }: GatewayError) => ({ status, code, message });

const proven = (
  { config, areBackendsKnown, remarks }: Judging,
  route: RouteConfig,
  caller: Partial<WhoamiReport["identity"]> & object,
): Outcome => {
  const identity = { ...config.subject, ...caller };
  return { identity, rules: ruleReports(route, identity, { areBackendsKnown }), remarks };
};

const judgeCaller = async (judging: Judging, route: RouteConfig, caller: CallerConfig): Promise<Outcome> => {
  const { config, text, clock, remarks } = judging;
  const pools = new Pools();
  const faults = new Map<string, string>();
  const get = getThrough(pools);
  const keysOf: BearerSources["keysOf"] = (issuer: OidcIssuerConfig) =>
    new IssuerKeys({
      fetch: () => fetchKeys(issuer, get),
      clock,
      random: () => 0,
      ended: (_, fault) => void (fault && faults.set(issuer.issuer, fault.message)),
    });
  let reason: CallerReason | undefined;
  const check = callerCheck(caller, {
    podIdentity: config.podIdentity,
    keysOf,
    clock,
    refused: (why) => {
      reason = why;
    },
  });
  try {
    const found = await check(text === "" ? [] : ["authorization", `Bearer ${text}`]);
    const claims = claimsIn(text);
    if (found instanceof GatewayError) {
      const fix = fixFor({ reason, code: found.code, caller, claims, text, route, faults, nowMs: clock.nowMs() });
      return { refusal: { ...wordsOf(found), fix }, rules: [], remarks };
    }
    return { ...proven(judging, route, found), ...proofOf(caller, text, claims) };
  } finally {
    await pools.destroy();
  }
};

/** Only for what was verified. */
const proofOf = (caller: CallerConfig, text: string, claims: Claims): Pick<WhoamiReport, "provenBy" | "expiresMs"> => {
  if (caller.require === "APIKey") {
    const key = caller.keys.find(({ id }) => text.startsWith(`sgk-${id}-`) && text.length === `sgk-${id}-`.length + 43);
    return { provenBy: `API key ${key?.id ?? ""}`, expiresMs: key?.expiresMs };
  }
  const { exp } = claims;
  return {
    provenBy: `a token of ${textAt(claims, "iss")}`,
    expiresMs: typeof exp === "number" ? exp * 1000 : undefined,
  };
};

/** What pod identity says of a pod's own token. Name and uid of the pod are the token's own: only its sidecar knows better. */
const judgePod = async (judging: Judging, route: RouteConfig): Promise<Outcome> => {
  const { config, text, clock, remarks } = judging;
  const claims = claimsIn(text);
  const refused = (why: Parameters<typeof refusalText>[0], fix?: string): Outcome => ({
    refusal: { ...wordsOf(refuse("identity_refused", refusalText(why))), fix },
    rules: [],
    remarks,
  });
  if (!config.podIdentity)
    return refused(
      "identity_not_configured",
      "name the cluster's issuer with --cluster-issuer, or ask the cluster (without -f)",
    );
  const pod = {
    pod: textAt(claims, "kubernetes.io", "pod", "name"),
    podUid: textAt(claims, "kubernetes.io", "pod", "uid"),
  };
  const verdict = await verifyToken(Buffer.from(text), {
    identity: config.podIdentity,
    pod: { ...config.subject, ...pod },
    nowMs: clock.nowMs(),
  });
  if (verdict.kind === "refused") return refused(verdict.reason);
  const own = [
    `the token is of pod ${pod.pod}; its sidecar also compares name and uid with its own`,
    ...(route.caller ? ["the route asks callers for more: judge what they send without --pod"] : []),
  ];
  const outcome = proven(judging, route, {});
  const exp = claims["exp"];
  return {
    ...outcome,
    ...(route.caller && { rules: [] }),
    provenBy: `a token of ${config.podIdentity.issuer}`,
    expiresMs: typeof exp === "number" ? exp * 1000 : undefined,
    remarks: [...remarks, ...own],
  };
};
