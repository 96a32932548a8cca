/** How a backend is authenticated, in the contract: a provider key, or an exchange of the pod's own token. */
import * as z from "zod";

const name = z.string().min(1).max(253);
const identifier = z.string().min(1).max(128);
const shared = {
  /** Sent as OpenAI-Organization. */
  organization: z.string().max(256).optional(),
  /** Sent as OpenAI-Project. */
  project: z.string().max(256).optional(),
  /** Share among the credentials of a backend; 0: never chosen. */
  weight: z.int().min(0).max(1_000_000),
};

/** A provider key. `value` is the key itself: the whole config is a Secret. */
export const secretCredentialSchema = z.strictObject({
  type: z.literal("Secret"),
  /** What logs and metrics call it: `NAMESPACE/SECRET/KEY`. */
  name,
  value: z.string().min(1).max(8192),
  ...shared,
});

/** What the provider's token endpoint is told besides the pod's token. */
export const exchangeSchema = z.discriminatedUnion("type", [
  /** OpenAI: RFC 8693. */
  z.strictObject({
    type: z.literal("OpenAI"),
    identityProviderID: identifier,
    serviceAccountID: identifier,
    clientID: identifier.optional(),
  }),
  /** Microsoft Entra: client credentials with a federated assertion. */
  z.strictObject({ type: z.literal("Entra"), clientID: identifier, scope: z.string().min(1).max(256) }),
]);

/** The pod's own token, exchanged for a short-lived one. */
export const workloadIdentitySchema = z.strictObject({
  type: z.literal("WorkloadIdentity"),
  /** What logs and metrics call it: `IDENTITY_PROVIDER/SERVICE_ACCOUNT` or `TENANT/CLIENT`. */
  name,
  /** Of the pod's token: by it the sidecar finds the file. */
  audience: z.string().min(1).max(256),
  /** Where it is exchanged: https, or http where the resources allowed that. */
  tokenURL: z.url({ protocol: /^https?$/ }).max(2048),
  exchange: exchangeSchema,
  ...shared,
});

/** How a backend is authenticated. */
export const credentialSchema = z.discriminatedUnion("type", [secretCredentialSchema, workloadIdentitySchema]);

/** A credential, decoded. */
export type CredentialConfig = z.infer<typeof credentialSchema>;
/** A provider key, decoded. */
export type SecretCredentialConfig = z.infer<typeof secretCredentialSchema>;
/** A credential without a key, decoded. */
export type WorkloadIdentityConfig = z.infer<typeof workloadIdentitySchema>;
