/** The Secrets that a route names, and those for its callers and its listener, where the route may use them. */
import type { AIRouteSpec } from "../api/airoute.ts";
import type { ConditionReason } from "../api/conditions.ts";
import { credentialLabel, hostsAnnotation, type SecretResource } from "../api/secret.ts";

/** Why something of a route cannot be used as it stands there. `path` is below the route's spec. */
export interface SpecFault {
  readonly type: "Accepted" | "ResolvedRefs";
  readonly reason: ConditionReason;
  readonly message: string;
  readonly path: readonly (string | number)[];
  readonly isPending: boolean;
}

/** What Secrets are looked up in. */
export interface SecretInput {
  readonly namespace: string;
  readonly secrets: readonly SecretResource[];
}

/** A fault of a reference; only an edit mends it. */
export const refFault = (reason: ConditionReason, message: string, path: SpecFault["path"]): SpecFault => ({
  type: "ResolvedRefs",
  reason,
  message,
  path,
  isPending: false,
});

/**
 * The Secret of this name, or why it may not be used: it does not exist (yet), lacks the label, or its values may be sent to certain
 * hosts, which is what a provider's credential says and nothing that stays in the pod.
 */
export const permittedSecret = (
  name: string,
  path: SpecFault["path"],
  { namespace, secrets }: SecretInput,
): { readonly secret: SecretResource } | { readonly fault: SpecFault } => {
  const secret = secrets.find((candidate) => candidate.namespace === namespace && candidate.name === name);
  if (!secret) {
    const message = `Secret ${name} does not exist in namespace ${namespace}, or lacks the label ${credentialLabel}: "true"`;
    return { fault: { ...refFault("SecretNotFound", message, path), isPending: true } };
  }
  if (secret.labels[credentialLabel] !== "true") {
    const message = `Secret ${name} may not be used: it lacks the label ${credentialLabel}: "true"`;
    return { fault: refFault("SecretNotPermitted", message, path) };
  }
  if (secret.annotations[hostsAnnotation] !== undefined) {
    const message = `Secret ${name} may not be used here: its annotation ${hostsAnnotation} makes it a provider's credential`;
    return { fault: refFault("SecretNotPermitted", message, path) };
  }
  return { secret };
};

/** Names of all Secrets that the route's config is made from, in its namespace: of credentials, API keys and the certificate. */
export const secretNames = ({ backends, identity, listener }: AIRouteSpec): ReadonlySet<string> =>
  new Set(
    [
      ...backends.flatMap(({ credentials }) => credentials.map(({ secretRef }) => secretRef?.name)),
      identity?.apiKeys?.secretRef.name,
      listener?.tls?.secretRef.name,
    ].flatMap((name) => name ?? []),
  );
