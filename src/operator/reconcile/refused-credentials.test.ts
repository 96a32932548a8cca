import { expect, test } from "vitest";
import { type AIRoute, airouteSchema } from "../../api/airoute.ts";
import type { Heartbeat } from "../ports.ts";
import { credentialsCondition } from "./refused-credentials.ts";

const secret = (key: string) => ({ type: "Secret", secretRef: { name: "openai", key } });
const route: AIRoute = airouteSchema.parse({
  apiVersion: "sidegate.dev/v1alpha1",
  kind: "AIRoute",
  metadata: { name: "support", namespace: "team" },
  spec: {
    parentRefs: [{ name: "bot" }],
    backends: [
      { name: "openai", type: "OpenAI", credentials: [secret("a"), secret("b")] },
      {
        name: "azure",
        type: "AzureOpenAI",
        endpoint: "https://eu.openai.azure.com",
        credentials: [{ type: "WorkloadIdentity", workloadIdentity: { tenantID: "tenant", clientID: "client" } }],
      },
    ],
    rules: [{ name: "chat", matches: [{ models: [{ value: "gpt-4o" }] }], backendRefs: [{ name: "openai" }] }],
  },
});
const beat = (...refused: readonly string[]): Heartbeat => ({
  ...{ pod: "bot-1", digest: "sha256:one", contract: 2, release: "0.1.0" },
  refusedCredentials: refused.map((each) => {
    const [backend = "", credential = ""] = each.split(" ");
    return { backend, credential };
  }),
});
const a = "openai team/openai/a";
const b = "openai team/openai/b";
const token = "azure tenant/client";
const saidBefore = { type: "CredentialsAccepted", status: "False", reason: "CredentialRefused", message: "before" };

test("nothing is said as long as nothing was ever refused", () => {
  expect(credentialsCondition(route, [beat()], [])).toBeUndefined();
  expect(credentialsCondition(route, [], [{ type: "Accepted", status: "True" }, null])).toBeUndefined();
  expect(credentialsCondition(route, undefined, [])).toBeUndefined();
});

test("a refusal names backend, credential and the fix", () => {
  expect(credentialsCondition(route, [beat(), beat(b)], [])).toEqual({
    type: "CredentialsAccepted",
    status: "False",
    reason: "CredentialRefused",
    message: "backend openai: team/openai/b is refused (401); put a valid key into b of Secret openai",
  });
  expect(credentialsCondition(route, [beat(token)], [])?.message).toMatch(
    /^backend azure: tenant\/client is refused \(401\); give this identity the right/,
  );
});

test("the words are the same whoever says them first and how many do, so that they are one Event", () => {
  const messages = [[beat(a, token)], [beat(token), beat(a)], [beat(a), beat(token, a), beat(a)]].map(
    (beats) => credentialsCondition(route, beats, [])?.message,
  );
  expect(new Set(messages).size).toBe(1);
});

test("what the route does not have is left out: an older config's, or what a neighbour made up", () => {
  for (const unknown of [
    "openai team/openai/gone",
    "gone team/openai/a",
    "azure team/openai/a",
    "openai other/openai/a",
  ])
    expect(credentialsCondition(route, [beat(unknown)], [])).toBeUndefined();
});

test("what was refused and works again is said, too", () => {
  expect(credentialsCondition(route, [beat()], [saidBefore])).toMatchObject({
    status: "True",
    reason: "CredentialsAccepted",
  });
});

test("while Redis is away what was said stands", () => {
  expect(credentialsCondition(route, undefined, [saidBefore])).toEqual(saidBefore);
  const mended = { ...saidBefore, status: "True" };
  expect(credentialsCondition(route, undefined, [mended])).toMatchObject({ status: "True" });
});
