/** What a sidecar verifies its pod's own token with: who issues it, for whom, and the public keys. Part of the contract. */
import * as z from "zod";

/** Audience of the token that proves the pod; the injector projects one for it. */
export const podAudience = "sidegate";
/** Most public keys of a config: a cluster has one, and two while it changes them. */
export const podKeysMax = 16;

/** RFC 7515 section 2: base64url without padding. */
const base64url = (charsMin: number, charsMax: number) =>
  z
    .string()
    .min(charsMin)
    .max(charsMax)
    .regex(/^[A-Za-z0-9_-]+$/, "must be base64url without padding");

const common = {
  /** Compared as text, never followed. */
  kid: z.string().min(1).max(1024),
  use: z.literal("sig").optional(),
};

/** RSA of 2048 (342 characters) to 8192 bits. No private member is known here, so a key that has one is refused. */
const rsaKeySchema = z.strictObject({
  kty: z.literal("RSA"),
  ...common,
  alg: z.literal("RS256").optional(),
  n: base64url(342, 1366),
  e: base64url(2, 8),
});

const curve = <Crv extends string, Alg extends string>(crv: Crv, alg: Alg, chars: number) =>
  z.strictObject({
    kty: z.literal("EC"),
    ...common,
    alg: z.literal(alg).optional(),
    crv: z.literal(crv),
    x: base64url(chars, chars),
    y: base64url(chars, chars),
  });

/** A public key of the kinds that Kubernetes signs service account tokens with: RS256, ES256, ES384, ES512. */
export const podKeySchema = z.union([
  rsaKeySchema,
  curve("P-256", "ES256", 43),
  curve("P-384", "ES384", 64),
  curve("P-521", "ES512", 88),
]);

/** How the pod's own token is verified. */
export const podIdentitySchema = z.strictObject({
  /** The cluster's issuer, as it stands in its tokens: compared character by character. */
  issuer: z.string().min(1).max(2048),
  audience: z.string().min(1).max(256).default(podAudience),
  jwks: z.strictObject({
    keys: z
      .array(podKeySchema)
      .min(1)
      .max(podKeysMax)
      .refine((keys) => new Set(keys.map(({ kid }) => kid)).size === keys.length, "names a kid twice"),
  }),
});

/** How the pod's own token is verified, decoded. */
export type PodIdentityConfig = z.infer<typeof podIdentitySchema>;
/** A public key, decoded. */
export type PodKey = z.infer<typeof podKeySchema>;
