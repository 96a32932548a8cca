/** What `GET /token?...` asks for, as claims. */
import { parseIdentity } from "../identity.ts";
import { parseSpan } from "../key/moment.ts";
import { UsageFault } from "../usage.ts";

/** Audience of a token where none is asked for; the demo's route takes it. */
export const audienceDefault = "support";
/** Life of a token where none is asked for, ms. */
export const tokenMsDefault = 600_000;

/** Claims of a JWT. */
export type Claims = Readonly<Record<string, unknown>>;

const tokenParameters = ["sub", "aud", "roles", "groups", "tenant", "scope", "expires", "claims"] as const;
const clusterParameters = ["serviceAccount", "aud", "expires"] as const;

/** What an issuer adds by itself. */
export interface IssueContext {
  readonly issuer: string;
  readonly nowMs: number;
  /** `jti`. */
  readonly id: string;
}

/** `sub=alice&aud=support&roles=admin&groups=a,b&tenant=acme&expires=10m&claims={"any":"JSON"}`; all may be left out. Throws UsageFault. */
export const oidcClaims = (query: URLSearchParams, context: IssueContext): Claims => {
  refuseUnknown(query, tokenParameters);
  const roles = listOf(query, "roles");
  const groups = listOf(query, "groups");
  const [tenant, scope] = [query.get("tenant"), query.get("scope")];
  return {
    ...issued(query, context),
    sub: query.get("sub") ?? "alice",
    aud: audiencesOf(query, audienceDefault),
    ...(roles.length > 0 && { roles }),
    ...(groups.length > 0 && { groups }),
    ...(tenant !== null && { tenant }),
    ...(scope !== null && { scope }),
    ...moreClaims(query.get("claims")),
  };
};

/** `serviceAccount=NAMESPACE/NAME&aud=support&expires=10m`, as TokenRequest would answer for a pod of that account. Throws UsageFault. */
export const clusterClaims = (query: URLSearchParams, context: IssueContext): Claims => {
  refuseUnknown(query, clusterParameters);
  const text = query.get("serviceAccount") ?? "default/other";
  const { namespace, serviceAccount } = withName("serviceAccount", () => parseIdentity(text));
  return {
    ...issued(query, context),
    ...podClaims({ namespace, serviceAccount, pod: "other", podUid: context.id }),
    aud: audiencesOf(query, audienceDefault),
  };
};

/** What a token of a pod says of it (Kubernetes' TokenRequest API). */
export const podClaims = (pod: {
  readonly namespace: string;
  readonly serviceAccount: string;
  readonly pod: string;
  readonly podUid: string;
}): Claims => ({
  sub: `system:serviceaccount:${pod.namespace}:${pod.serviceAccount}`,
  "kubernetes.io": {
    namespace: pod.namespace,
    node: { name: "local", uid: "00000000-0000-4000-8000-000000000001" },
    pod: { name: pod.pod, uid: pod.podUid },
    serviceaccount: { name: pod.serviceAccount, uid: "00000000-0000-4000-8000-000000000002" },
  },
});

/** `expires=-5m`: a token that has ended, to see it refused. */
const issued = (query: URLSearchParams, { issuer, nowMs, id }: IssueContext): Claims => {
  const [, sign, span] = /^(-?)(.*)$/s.exec(query.get("expires") ?? "") ?? [];
  const lifeMs = span ? withName("expires", () => parseSpan("expires", span)) : tokenMsDefault;
  const now = Math.floor(nowMs / 1000);
  const exp = Math.floor((nowMs + (sign === "-" ? -lifeMs : lifeMs)) / 1000);
  const start = Math.min(now, exp - 1);
  return { iss: issuer, iat: start, nbf: start, exp, jti: id };
};

const audiencesOf = (query: URLSearchParams, otherwise: string): readonly string[] => {
  const audiences = listOf(query, "aud");
  return audiences.length > 0 ? audiences : [otherwise];
};

const listOf = (query: URLSearchParams, name: string): readonly string[] =>
  query.getAll(name).flatMap((text) => text.split(",").filter(Boolean));

/** Any further claims, which win over the others: nested ones, wrong ones. */
const moreClaims = (text: string | null): Claims => {
  if (text === null) return {};
  try {
    const value: unknown = JSON.parse(text);
    if (typeof value === "object" && value !== null && !Array.isArray(value)) return value as Claims; // an object of JSON
  } catch {
    // said below
  }
  throw new UsageFault(`claims: must be a JSON object, such as claims={"realm_access":{"roles":["admin"]}}`);
};

const refuseUnknown = (query: URLSearchParams, known: readonly string[]): void => {
  const unknown = [...query.keys()].find((name) => !known.includes(name));
  if (unknown !== undefined) throw new UsageFault(`${unknown}: is no parameter here; there are ${known.join(", ")}`);
};

/** Options of the command line have other names than parameters. */
const withName = <Value>(name: string, parse: () => Value): Value => {
  try {
    return parse();
  } catch (fault) {
    throw fault instanceof UsageFault ? new UsageFault(fault.message.replace(/^--identity/, name)) : fault;
  }
};
