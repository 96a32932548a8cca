/** What a token of Kubernetes must say of this very pod. Pure: the signature is somebody else's business. */
import type { IdentityReason } from "./reasons.ts";
import { jsonObject, type Refused } from "./token.ts";

/** How far the clocks of the API server and of the node may differ, ms. */
export const clockLeewayMs = 60_000;

/** The pod as the kubelet told us (downward API): no workload can change that. */
export interface ExpectedPod {
  readonly namespace: string;
  readonly serviceAccount: string;
  readonly pod: string;
  readonly podUid: string;
}

/** Who must have issued the token, and for whom. */
export interface ExpectedIssue {
  readonly issuer: string;
  readonly audience: string;
}

/** Claims that hold now. */
export interface GoodClaims {
  /** When they hold no longer, leeway included, ms since the epoch. */
  readonly endsMs: number;
}

/** Claims that do not hold; `fromMs`: they will, if nothing else is wrong. */
export interface RefusedClaims extends Refused {
  readonly fromMs?: number;
}

type Members = Readonly<Record<string, unknown>>;
type Check = (claims: Members) => IdentityReason | undefined;

/** Judges the payload: issuer, audience, times, then the pod. The first fault decides. */
export const judgeClaims = (
  payload: Uint8Array,
  want: ExpectedIssue & ExpectedPod,
  nowMs: number,
): GoodClaims | RefusedClaims => {
  const claims = jsonObject(payload);
  if (!claims) return { reason: "claims_malformed" };
  const issue = first(claims, issueChecks(want));
  if (issue) return { reason: issue };
  const pod = first(claims, podChecks(want));
  if (pod) return { reason: pod };
  return judgeTimes(claims, nowMs);
};

const first = (claims: Members, checks: readonly Check[]): IdentityReason | undefined => {
  for (const check of checks) {
    const reason = check(claims);
    if (reason) return reason;
  }
  return undefined;
};

const issueChecks = ({ issuer, audience }: ExpectedIssue): readonly Check[] => [
  ({ iss }) => (isText(iss) ? undefined : "issuer_missing"),
  ({ iss }) => (iss === issuer ? undefined : "issuer_mismatch"),
  ({ aud }) => (aud === undefined ? "audience_missing" : undefined),
  ({ aud }) => (typeof aud === "string" || isTexts(aud) ? undefined : "audience_malformed"),
  ({ aud }) => ((isTexts(aud) ? aud : [aud]).includes(audience) ? undefined : "audience_mismatch"),
];

const podChecks = ({ namespace, serviceAccount, pod, podUid }: ExpectedPod): readonly Check[] => {
  const kubernetes = (claims: Members): Members => membersOf(claims["kubernetes.io"]) ?? {};
  const account = (claims: Members): Members => membersOf(kubernetes(claims)["serviceaccount"]) ?? {};
  const bound = (claims: Members): Members => membersOf(kubernetes(claims)["pod"]) ?? {};
  return [
    ({ sub }) => (isText(sub) ? undefined : "subject_missing"),
    (claims) => (membersOf(claims["kubernetes.io"]) ? undefined : "kubernetes_missing"),
    (claims) => (isText(kubernetes(claims)["namespace"]) ? undefined : "namespace_missing"),
    (claims) => (kubernetes(claims)["namespace"] === namespace ? undefined : "namespace_mismatch"),
    (claims) => (isText(account(claims)["name"]) ? undefined : "service_account_missing"),
    (claims) => (account(claims)["name"] === serviceAccount ? undefined : "service_account_mismatch"),
    (claims) => (isText(account(claims)["uid"]) ? undefined : "service_account_uid_missing"),
    ({ sub }) => (sub === `system:serviceaccount:${namespace}:${serviceAccount}` ? undefined : "subject_mismatch"),
    // Kubernetes binds a token to one kind of object; a pod's also names its node.
    (claims) => (kubernetes(claims)["secret"] === undefined ? undefined : "bound_to_secret"),
    (claims) =>
      kubernetes(claims)["pod"] === undefined && kubernetes(claims)["node"] !== undefined ? "bound_to_node" : undefined,
    (claims) => (membersOf(kubernetes(claims)["pod"]) ? undefined : "not_bound_to_a_pod"),
    (claims) => (isText(bound(claims)["name"]) ? undefined : "pod_name_missing"),
    (claims) => (bound(claims)["name"] === pod ? undefined : "pod_name_mismatch"),
    (claims) => (isText(bound(claims)["uid"]) ? undefined : "pod_uid_missing"),
    (claims) => (bound(claims)["uid"] === podUid ? undefined : "pod_uid_mismatch"),
  ];
};

/** RFC 7519 section 4.1: `exp` is the first moment that is too late. */
const judgeTimes = ({ exp, nbf, iat }: Members, nowMs: number): GoodClaims | RefusedClaims => {
  if (exp === undefined) return { reason: "expiry_missing" };
  if (!isTime(exp)) return { reason: "expiry_malformed" };
  if (nbf === undefined) return { reason: "not_before_missing" };
  if (!isTime(nbf)) return { reason: "not_before_malformed" };
  if (iat === undefined) return { reason: "issued_at_missing" };
  if (!isTime(iat)) return { reason: "issued_at_malformed" };
  const endsMs = exp * 1000 + clockLeewayMs;
  if (nowMs >= endsMs) return { reason: "token_expired" };
  if (nowMs < nbf * 1000 - clockLeewayMs) return { reason: "token_not_yet_valid", fromMs: nbf * 1000 - clockLeewayMs };
  if (nowMs < iat * 1000 - clockLeewayMs) return { reason: "issued_in_the_future", fromMs: iat * 1000 - clockLeewayMs };
  return { endsMs };
};

const isText = (value: unknown): value is string => typeof value === "string" && value !== "";

const isTexts = (value: unknown): value is readonly string[] =>
  Array.isArray(value) && value.every((member) => typeof member === "string");

/** Seconds since the epoch, as far as a date can tell them. */
const isTime = (value: unknown): value is number =>
  typeof value === "number" && Number.isFinite(value) && value >= 0 && value <= 8_640_000_000_000;

const membersOf = (value: unknown): Members | undefined =>
  typeof value === "object" && value !== null && !Array.isArray(value) ? (value as Members) : undefined; // an object of JSON
