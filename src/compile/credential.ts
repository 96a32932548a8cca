/** From a credential as users write it to what a sidecar sends, or exchanges for what it sends. */
import type { BackendSpec } from "../api/airoute-backend.ts";
import {
  type CredentialSpec,
  entraAudience,
  entraAuthority,
  entraScope,
  openaiAudience,
  openaiTokenUrl,
} from "../api/airoute-credential.ts";
import type { ConditionReason } from "../api/conditions.ts";
import { credentialLabel, hostsAnnotation, type SecretResource } from "../api/secret.ts";
import type { CredentialConfig } from "../config/credential.ts";
import { isTokenHostAllowed } from "./token-host.ts";

/** Characters of a provider key. */
const valueLengthMax = 8192;

/** Either the credential, or why it cannot be used. `path` is below the credential. */
export type ResolvedCredential = { readonly credential: CredentialConfig } | CredentialFault;

/** Why a credential cannot be used. */
export interface CredentialFault {
  readonly type: "Accepted" | "ResolvedRefs";
  readonly reason: ConditionReason;
  readonly message: string;
  readonly path: readonly string[];
  readonly isPending: boolean;
}

/** What credentials are resolved with. */
export interface CredentialInput {
  readonly namespace: string;
  readonly secrets: readonly SecretResource[];
  /** Audiences that pods get tokens for; absent: not known here, so none is missed. */
  readonly tokenAudiences?: readonly string[] | undefined;
  /** Hosts that pods' tokens may go to; absent: not known here, so none is refused. */
  readonly tokenHosts?: readonly string[] | undefined;
}

const keyName = (namespace: string, { name, key }: NonNullable<CredentialSpec["secretRef"]>): string =>
  `${namespace}/${name}/${key}`;

const identityName = (
  { tenantID = "", clientID = "", identityProviderID = "", serviceAccountID = "" }: Identity,
  isAzure: boolean,
): string => (isAzure ? `${tenantID}/${clientID}` : `${identityProviderID}/${serviceAccountID}`).slice(0, 253);

/** What metrics, heartbeats and conditions call a credential: NAMESPACE/SECRET/KEY, or whom the pod acts as. */
export const credentialName = (
  { secretRef, workloadIdentity }: CredentialSpec,
  { type, namespace }: Pick<BackendSpec, "type"> & { readonly namespace: string },
): string => (secretRef ? keyName(namespace, secretRef) : identityName(workloadIdentity ?? {}, type === "AzureOpenAI"));

type Identity = NonNullable<CredentialSpec["workloadIdentity"]>;
type Target = Pick<BackendSpec, "type"> & { readonly endpoint: string };

/** Resolves one credential for a backend. Never throws on what users wrote. */
export const resolveCredential = (
  credential: CredentialSpec,
  target: Target,
  input: CredentialInput,
): ResolvedCredential => {
  const { secretRef, workloadIdentity, organization, project, weight } = credential;
  const shared = { ...(organization && { organization }), ...(project && { project }), weight };
  if (secretRef) return resolveKey(secretRef, { ...input, ...target, shared });
  return workloadIdentity
    ? resolveIdentity(workloadIdentity, { ...input, ...target, shared })
    : unresolved("SecretNotFound", "it names neither a Secret nor an identity", []); // the schema lets none through
};

type Shared = Pick<CredentialConfig, "organization" | "project" | "weight">;
type Resolving = CredentialInput & Target & { readonly shared: Shared };

const unresolved = (reason: ConditionReason, message: string, path: readonly string[]): CredentialFault => ({
  type: "ResolvedRefs",
  reason,
  message,
  path,
  isPending: false,
});

/** White space around the value is dropped: `echo KEY | base64` adds a line end. */
const resolveKey = (
  { name, key }: NonNullable<CredentialSpec["secretRef"]>,
  { namespace, secrets, endpoint, shared }: Resolving,
): ResolvedCredential => {
  const toName = ["secretRef", "name"];
  const toKey = ["secretRef", "key"];
  const secret = secrets.find((candidate) => candidate.namespace === namespace && candidate.name === name);
  if (!secret) {
    const message = `Secret ${name} does not exist in namespace ${namespace}`;
    return { ...unresolved("SecretNotFound", message, toName), isPending: true };
  }
  if (secret.labels[credentialLabel] !== "true") {
    const message = `Secret ${name} may not be used: it lacks the label ${credentialLabel}: "true"`;
    return unresolved("SecretNotPermitted", message, toName);
  }
  const hosts = secret.annotations[hostsAnnotation];
  if (hosts !== undefined && !hostAllowed(new URL(endpoint).host, hosts)) {
    const message = `Secret ${name} may not be sent to ${new URL(endpoint).host}: its annotation ${hostsAnnotation} allows ${hosts.slice(0, 256)}`;
    return unresolved("SecretNotPermitted", message, toName);
  }
  const value = secret.values.get(key)?.reveal().trim();
  if (value === undefined) return unresolved("SecretKeyMissing", `Secret ${name} has no key ${key}`, toKey);
  if (!isHeaderValue(value)) {
    const message = `key ${key} of Secret ${name} must hold 1 to ${valueLengthMax} visible ASCII characters`;
    return unresolved("SecretInvalid", message, toKey);
  }
  return { credential: { type: "Secret", name: keyName(namespace, { name, key }), value, ...shared } };
};

/** Everything that an exchange needs; a pod without a token of the audience could not make it. */
const resolveIdentity = (
  identity: Identity,
  { type, tokenAudiences, tokenHosts, shared }: Resolving,
): ResolvedCredential => {
  const { tenantID = "", clientID, identityProviderID = "", serviceAccountID = "" } = identity;
  const isAzure = type === "AzureOpenAI";
  const audience = identity.audience ?? (isAzure ? entraAudience : openaiAudience);
  if (tokenAudiences && !tokenAudiences.includes(audience)) {
    const message = `pods get no token for audience ${audience}: add it to injection.tokenAudiences of the chart`;
    return { ...unresolved("AudienceNotProjected", message, ["workloadIdentity"]), type: "Accepted", isPending: true };
  }
  const tokenURL = isAzure ? entraTokenUrl(identity.authority, tenantID) : (identity.tokenURL ?? openaiTokenUrl);
  if (!URL.canParse(tokenURL))
    return unresolved("BackendInvalid", `${tokenURL} is not a URL that can be called`, ["workloadIdentity"]);
  const tokenAt = new URL(tokenURL);
  if (tokenHosts && !isTokenHostAllowed(tokenAt, tokenHosts)) {
    const message = `pods' tokens may not go to ${tokenAt.host}: add it to injection.tokenHosts of the chart, if it is the provider's`;
    const path = ["workloadIdentity", isAzure ? "authority" : "tokenURL"];
    return { ...unresolved("TokenHostNotAllowed", message, path), type: "Accepted", isPending: true };
  }
  const exchange = isAzure
    ? ({ type: "Entra", clientID: clientID ?? "", scope: identity.scope ?? entraScope } as const)
    : ({ type: "OpenAI", identityProviderID, serviceAccountID, ...(clientID && { clientID }) } as const);
  return {
    credential: {
      type: "WorkloadIdentity",
      name: identityName(identity, isAzure),
      audience,
      tokenURL,
      exchange,
      ...shared,
    },
  };
};

const entraTokenUrl = (authority = entraAuthority, tenant: string): string =>
  `${authority.endsWith("/") ? authority.slice(0, -1) : authority}/${tenant}/oauth2/v2.0/token`;

/** `host` is as URL.host has it: with the port where that is not the scheme's own. */
export const hostAllowed = (host: string, list: string): boolean =>
  list
    .split(",")
    .map((entry) => entry.trim().toLowerCase())
    .some(
      (entry) =>
        entry === host ||
        (entry.startsWith("*.") && host.indexOf(".") > 0 && host.slice(host.indexOf(".")) === entry.slice(1)),
    );

const isHeaderValue = (value: string): boolean => value.length <= valueLengthMax && /^[\x21-\x7e]+$/.test(value);
