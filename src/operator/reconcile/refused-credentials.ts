/** Which credentials of a route a provider refuses, as its live sidecars say: one condition, present from the first refusal on. */
import type { AIRoute } from "../../api/airoute.ts";
import type { CredentialSpec } from "../../api/airoute-credential.ts";
import type { Condition } from "../../api/conditions.ts";
import { credentialName } from "../../compile/credential.ts";
import type { Heartbeat } from "../ports.ts";
import { memberOf } from "./stored-status.ts";

/** Characters of the condition's message. */
const messageCharsMax = 4_096;

type Verdict = Pick<Condition, "type" | "status" | "reason" | "message">;

/**
 * What to say of them. undefined: nothing, since none was ever refused. `heartbeats`: of the live sidecars; undefined: Redis is away,
 * and what was said before stands. `before`: the conditions that stand in the status, whatever they are.
 */
export const credentialsCondition = (
  route: AIRoute,
  heartbeats: readonly Heartbeat[] | undefined,
  before: readonly unknown[],
): Verdict | undefined => {
  const old = before.find((condition) => memberOf(condition, "type") === "CredentialsAccepted");
  const refusals = heartbeats ? refusalsOf(route, heartbeats) : undefined;
  const type = "CredentialsAccepted";
  if (refusals && refusals.length > 0)
    return {
      type,
      status: "False",
      reason: "CredentialRefused",
      message: refusals.join("; ").slice(0, messageCharsMax),
    };
  if (old === undefined) return undefined;
  if (!refusals && memberOf(old, "status") === "False")
    return { type, status: "False", reason: "CredentialRefused", message: String(memberOf(old, "message") ?? "") };
  return { type, status: "True", reason: type, message: "no live sidecar has a credential that was refused" };
};

/** One sentence each, in the order of the route. What is not in the route is an older config's, or nobody's, and left out. */
const refusalsOf = ({ metadata, spec }: AIRoute, heartbeats: readonly Heartbeat[]): readonly string[] => {
  const said = new Set(
    heartbeats.flatMap(({ refusedCredentials = [] }) =>
      refusedCredentials.map(({ backend, credential }) => `${backend} ${credential}`),
    ),
  );
  return spec.backends.flatMap(({ name, type, credentials }) =>
    credentials.flatMap((credential) => {
      const known = credentialName(credential, { type, namespace: metadata.namespace });
      return said.has(`${name} ${known}`) ? [`backend ${name}: ${known} is refused (401); ${fixOf(credential)}`] : [];
    }),
  );
};

const fixOf = ({ secretRef }: CredentialSpec): string =>
  secretRef
    ? `put a valid key into ${secretRef.key} of Secret ${secretRef.name}`
    : "give this identity the right to call the backend at the provider, or take the credential out of the route";
