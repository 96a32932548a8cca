import { expect, test } from "vitest";
import { decodeConfig, encodeConfigAs } from "./codec.ts";
import { contractVersion, type SidecarConfig } from "./contract.ts";
import type { CredentialConfig } from "./credential.ts";

const identity: CredentialConfig = {
  type: "WorkloadIdentity",
  name: "idp/sa",
  audience: "https://api.openai.com/v1",
  tokenURL: "https://auth.openai.com/oauth/token",
  exchange: { type: "OpenAI", identityProviderID: "idp", serviceAccountID: "sa" },
  weight: 9,
};
const key = (value: string, weight: number): CredentialConfig => ({
  type: "Secret",
  name: `team/keys/${value}`,
  value,
  weight,
});

const configWith = (credentials: Readonly<Record<string, CredentialConfig[]>>): SidecarConfig => ({
  contractVersion,
  subject: { namespace: "team", serviceAccount: "bot" },
  quotas: [],
  keys: [{ id: "k1", secret: Buffer.alloc(32).toString("base64") }],
  route: {
    name: "main",
    namespace: "team",
    policyVersion: "1-abcd",
    backends: Object.entries(credentials).map(([name, each]) => ({
      name,
      type: "OpenAICompatible",
      endpoint: "https://models.example.com/v1",
      credentials: each,
    })),
    rules: [
      {
        name: "chat",
        matches: [{ models: [], endpoints: ["ChatCompletions"] }],
        backendRefs: Object.keys(credentials).map((name, priority) => ({ name, priority, weight: 1 })),
        request: { defaults: {}, overrides: {}, limits: { bodyBytes: 1, jsonBytes: 1, messages: 1, n: 1 } },
        timeouts: { connectMs: 1, firstByteMs: 1, idleMs: 1, totalMs: 1 },
        retry: { attempts: 1 },
      },
    ],
    models: {},
    audit: { sink: "None", onFailure: "Deny" },
  },
});

/** What a sidecar of version 1 makes of it. */
const seenByOld = (config: SidecarConfig) => {
  const { route } = decodeConfig(encodeConfigAs(config, 1) ?? "");
  const keys = route?.backends.map(({ name, credentials }) => [
    name,
    credentials.map((credential) => (credential.type === "Secret" ? credential.value : "an identity")),
  ]);
  return { keys: Object.fromEntries(keys ?? []), refs: route?.rules[0]?.backendRefs.map(({ name }) => name) };
};

test("sidecars of version 1 get keys only, the one with the greatest weight", () => {
  const config = configWith({ mixed: [identity, key("sk-small", 1), key("sk-large", 2)], free: [] });
  expect(seenByOld(config)).toEqual({ keys: { mixed: ["sk-large"], free: [] }, refs: ["mixed", "free"] });
});

test("sidecars of version 1 never call a backend without the credential that it has", () => {
  const config = configWith({ keyless: [identity], unused: [identity, key("sk-unused", 0)], keyed: [key("sk", 1)] });
  expect(seenByOld(config)).toEqual({ keys: { keyed: ["sk"] }, refs: ["keyed"] });
});

test("a rule whose backends they cannot call stays, and refuses", () => {
  expect(seenByOld(configWith({ keyless: [identity] }))).toEqual({ keys: {}, refs: [] });
});

test("a workload identity comes through the current version unchanged", () => {
  const config = configWith({ keyless: [identity] });
  expect(decodeConfig(encodeConfigAs(config, contractVersion) ?? "").route?.backends).toEqual(config.route?.backends);
});
