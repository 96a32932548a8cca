import { expect, test } from "vitest";
import { identityOf, newSigner } from "../../test/fixtures/pod-tokens.ts";
import { ConfigFault, decodeConfig, encodeConfig, encodeConfigAs } from "./codec.ts";
import { contractVersion, type SidecarConfig } from "./contract.ts";
import { podKeysMax } from "./pod-identity.ts";

const [ec, rsa] = [newSigner(), newSigner("RS256")];
const identity = identityOf(ec, rsa);
const config: SidecarConfig = {
  contractVersion,
  subject: { namespace: "team", serviceAccount: "bot" },
  podIdentity: identity,
  quotas: [],
  keys: [{ id: "k1", secret: Buffer.alloc(32).toString("base64") }],
};

test("reads back as it was written, with keys of every kind", () => {
  const all = identityOf(ec, rsa, newSigner("ES384"), newSigner("ES512"));
  expect(decodeConfig(encodeConfig({ ...config, podIdentity: all })).podIdentity).toEqual(all);
});

test("the audience is sidegate where none is named", () => {
  const { audience: _, ...without } = identity;
  expect(decodeConfig(JSON.stringify({ ...config, podIdentity: without })).podIdentity).toEqual(identity);
});

test("version 1 has no word for it: those sidecars get the rest", () => {
  const text = encodeConfigAs({ ...config, noRouteReason: "why", isNotParent: true }, 1) ?? "";
  expect(decodeConfig(text)).toEqual({ ...config, noRouteReason: "why", podIdentity: undefined });
  expect(text).not.toContain(ec.kid);
});

const keys = (...list: readonly object[]) => ({ ...identity, jwks: { keys: list } });
const { kid: _, ...withoutKid } = ec.jwk;
test.each([
  { name: "no key", podIdentity: keys() },
  {
    name: "more keys than anybody has",
    podIdentity: keys(...Array.from({ length: podKeysMax + 1 }, (_, i) => ({ ...ec.jwk, kid: `k${i}` }))),
  },
  { name: "one kid twice", podIdentity: keys(ec.jwk, { ...rsa.jwk, kid: ec.kid }) },
  { name: "a private EC key", podIdentity: keys({ ...ec.jwk, ...ec.privateKey.export({ format: "jwk" }) }) },
  { name: "a private RSA key", podIdentity: keys({ ...rsa.jwk, ...rsa.privateKey.export({ format: "jwk" }) }) },
  { name: "a shared key", podIdentity: keys({ kty: "oct", kid: "k", k: "AAAA" }) },
  { name: "a small RSA key", podIdentity: keys(newSigner("RS256", 1024).jwk) },
  { name: "a key without a kid", podIdentity: keys(withoutKid) },
  { name: "a key for encryption", podIdentity: keys({ ...ec.jwk, use: "enc" }) },
  { name: "a key of another algorithm than its curve's", podIdentity: keys({ ...ec.jwk, alg: "ES384" }) },
  { name: "a key that brings a certificate", podIdentity: keys({ ...ec.jwk, x5u: "https://evil.example" }) },
  { name: "no issuer", podIdentity: { ...identity, issuer: "" } },
  { name: "an unknown member", podIdentity: { ...identity, jwksURI: "https://evil.example" } },
])("a config with $name is refused, when it is written and when it is read", ({ podIdentity }) => {
  const bad = { ...config, podIdentity } as unknown as SidecarConfig; // that is the test
  expect(() => encodeConfig(bad)).toThrow(ConfigFault);
  expect(() => decodeConfig(JSON.stringify(bad))).toThrow(/podIdentity/);
});
