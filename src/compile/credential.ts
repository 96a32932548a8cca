/** From a credential's reference to the value that a sidecar sends. */
import type { BackendSpec } from "../api/airoute-backend.ts";
import type { ConditionReason } from "../api/conditions.ts";
import { credentialLabel, hostsAnnotation, type SecretResource } from "../api/secret.ts";
import type { CredentialConfig } from "../config/contract.ts";

/** Characters of a provider key. */
const valueLengthMax = 8192;

/** Either the credential, or why it cannot be used. `member` is the field of `secretRef` at fault. */
export type ResolvedCredential =
  | { readonly credential: CredentialConfig }
  | {
      readonly reason: ConditionReason;
      readonly message: string;
      readonly member: "name" | "key";
      readonly isPending: boolean;
    };

/** Resolves one credential in `namespace` for an endpoint. White space around the value is dropped: `echo KEY | base64` adds a line end. */
export const resolveCredential = (
  credential: BackendSpec["credentials"][number],
  input: { readonly namespace: string; readonly endpoint: string; readonly secrets: readonly SecretResource[] },
): ResolvedCredential => {
  const { name, key } = credential.secretRef;
  const secret = input.secrets.find((candidate) => candidate.namespace === input.namespace && candidate.name === name);
  if (!secret) {
    return {
      reason: "SecretNotFound",
      message: `Secret ${name} does not exist in namespace ${input.namespace}`,
      member: "name",
      isPending: true,
    };
  }
  if (secret.labels[credentialLabel] !== "true") {
    const message = `Secret ${name} may not be used: it lacks the label ${credentialLabel}: "true"`;
    return { reason: "SecretNotPermitted", message, member: "name", isPending: false };
  }
  const hosts = secret.annotations[hostsAnnotation];
  if (hosts !== undefined && !hostAllowed(new URL(input.endpoint).host, hosts)) {
    const message = `Secret ${name} may not be sent to ${new URL(input.endpoint).host}: its annotation ${hostsAnnotation} allows ${hosts.slice(0, 256)}`;
    return { reason: "SecretNotPermitted", message, member: "name", isPending: false };
  }
  const value = secret.values.get(key)?.reveal().trim();
  if (value === undefined)
    return { reason: "SecretKeyMissing", message: `Secret ${name} has no key ${key}`, member: "key", isPending: false };
  if (!isHeaderValue(value)) {
    const message = `key ${key} of Secret ${name} must hold 1 to ${valueLengthMax} visible ASCII characters`;
    return { reason: "SecretInvalid", message, member: "key", isPending: false };
  }
  const { type, organization, project } = credential;
  return {
    credential: {
      type,
      name: `${input.namespace}/${name}/${key}`,
      value,
      ...(organization && { organization }),
      ...(project && { project }),
      weight: 1,
    },
  };
};

/** `host` is as URL.host has it: with the port where that is not the scheme's own. */
const hostAllowed = (host: string, list: string): boolean =>
  list
    .split(",")
    .map((entry) => entry.trim().toLowerCase())
    .some(
      (entry) =>
        entry === host ||
        (entry.startsWith("*.") && host.indexOf(".") > 0 && host.slice(host.indexOf(".")) === entry.slice(1)),
    );

const isHeaderValue = (value: string): boolean => value.length <= valueLengthMax && /^[\x21-\x7e]+$/.test(value);
