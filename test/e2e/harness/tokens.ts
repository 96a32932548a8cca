/** Tokens of service accounts: issued by the cluster, and, on our own cluster alone, signed with its key. */
import { createPrivateKey, createPublicKey, type webcrypto } from "node:crypto";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { clusterState } from "../../../scripts/cluster-places.ts";
import type { Json, Signer } from "../../fixtures/pod-tokens.ts";
import { isOwnCluster } from "./cluster.ts";
import { kubectl, type Pod } from "./kubectl.ts";

/** What a token is bound to. */
export interface BoundObject {
  readonly kind: "Pod" | "Secret" | "Node";
  readonly name: string;
  readonly uid: string;
}

/** A token by the TokenRequest API. Without an audience: the API server's own. Without `bound`: bound to nothing. */
export const createToken = async (
  account: { readonly namespace: string; readonly name: string },
  options: { readonly audience?: string; readonly bound?: BoundObject } = {},
): Promise<string> => {
  const { audience, bound } = options;
  const args = [
    ...["create", "token", account.name, "-n", account.namespace],
    ...(audience === undefined ? [] : ["--audience", audience]),
    ...(bound === undefined ? [] : ["--bound-object-kind", bound.kind, "--bound-object-name", bound.name]),
    ...(bound === undefined ? [] : ["--bound-object-uid", bound.uid]),
  ];
  return (await kubectl(args)).trim();
};

/** The pod, for `bound`. */
export const boundTo = ({ metadata }: Pod): BoundObject => ({
  kind: "Pod",
  name: metadata.name,
  uid: metadata.uid ?? "",
});

/** Who issues tokens here, and the keys that prove it. */
export interface ClusterIssuer {
  readonly issuer: string;
  readonly keys: readonly (webcrypto.JsonWebKey & { readonly kid: string })[];
}

/** Asks the API server. */
export const clusterIssuer = async (): Promise<ClusterIssuer> => {
  const read = async (path: string): Promise<unknown> => JSON.parse(await kubectl(["get", "--raw", path]));
  const { issuer } = (await read("/.well-known/openid-configuration")) as { issuer: string }; // OpenID Connect Discovery 1.0
  const { keys } = (await read("/openid/v1/jwks")) as Pick<ClusterIssuer, "keys">; // RFC 7517
  return { issuer, keys };
};

/** What a token says, unverified. */
export const claimsIn = (token: string): Json => partIn(token, 1);
/** A token's header, unverified. */
export const headerIn = (token: string): Json => partIn(token, 0);

const partIn = (token: string, index: number): Json =>
  JSON.parse(Buffer.from(token.split(".")[index] ?? "", "base64url").toString("utf8")) as Json; // of a real token

/** The key that the cluster signs with; undefined on a cluster that is not ours, whose key nobody has. */
export const clusterSigner = (good: string): Signer | undefined => {
  if (!isOwnCluster) return undefined;
  const privateKey = createPrivateKey(readFileSync(join(clusterState(), "pki/sa.key")));
  const publicKey = createPublicKey(privateKey);
  const kid = String(headerIn(good)["kid"]);
  const jwk = { ...publicKey.export({ format: "jwk" }), kid, alg: "RS256", use: "sig" } as Signer["jwk"]; // an RSA key
  const publicPem = publicKey.export({ type: "spki", format: "pem" }).toString();
  return { kid, algorithm: "RS256", privateKey, publicPem, jwk };
};
