// What becomes of credentials, as users see it on a real API server: keys taken away, keys that a provider refuses, tokens' hosts.
import { afterAll, beforeAll, expect, test } from "vitest";
import { contractVersion } from "../../src/config/contract.ts";
import { configSecretName } from "../../src/inject/workload.ts";
import { isKubeFault, type KubeApi, type KubeObject, resources } from "../../src/kube/port.ts";
import type { MemoryState } from "../../src/operator/state/memory-state.ts";
import { makeLive, makeNamespace, podOf, routeOf, until } from "./operator/stage.ts";
import { type StartedOperator, startOperatorStage } from "./operator/started.ts";

let stage: StartedOperator;
let api: KubeApi;
let state: MemoryState;

beforeAll(async () => {
  stage = await startOperatorStage();
  ({ api, state } = stage);
}, 60_000);

afterAll(() => stage?.stop(), 60_000);

const keyOf = (key: string) => ({ type: "Secret", secretRef: { name: "openai", key } });
const secretOf = (namespace: string, keys: Readonly<Record<string, string>>): KubeObject => ({
  apiVersion: "v1",
  kind: "Secret",
  metadata: { name: "openai", namespace, labels: { "sidegate.dev/credential": "true" } },
  data: Object.fromEntries(Object.entries(keys).map(([key, value]) => [key, Buffer.from(value).toString("base64")])),
});

/** A route `support` of `bot` with these credentials, its account and its Secret. */
const setUp = async (namespace: string, credentials: readonly object[], keys: Readonly<Record<string, string>>) => {
  await makeNamespace(api, namespace);
  const account = { apiVersion: "v1", kind: "ServiceAccount", metadata: { name: "bot", namespace } };
  await api.apply(resources.serviceAccounts, account);
  await api.apply(resources.secrets, secretOf(namespace, keys));
  const route = routeOf(namespace, "support", "bot");
  const { spec } = route as KubeObject & { spec: object }; // as routeOf makes it
  const backends = [{ name: "openai", type: "OpenAI", credentials }];
  await api.apply(resources.airoutes, { ...route, spec: { ...spec, backends } });
};

/** The published config as text. */
const published = async (namespace: string): Promise<string> => {
  const ref = { namespace, name: configSecretName({ namespace, serviceAccount: "bot" }) };
  const secret = await api.get(resources.secrets, ref).catch((fault: unknown) => {
    if (isKubeFault(fault, 404)) return undefined;
    throw fault;
  });
  const data = (secret?.["data"] ?? {}) as Record<string, string>; // a Secret's data
  return Buffer.from(data[`config.v${contractVersion}.json`] ?? "", "base64").toString("utf8");
};
const conditionOf = async (namespace: string, type: string): Promise<string | undefined> => {
  const { status } = await api.get(resources.airoutes, { namespace, name: "support" });
  const { parents } = (status ?? {}) as {
    parents?: { conditions: { type: string; status: string; reason: string; message: string }[] }[];
  }; // our own status
  const found = parents?.[0]?.conditions.find((condition) => condition.type === type);
  return found && `${found.status}/${found.reason}: ${found.message}`;
};
const said = (namespace: string, type: string, text: string): Promise<unknown> =>
  until(text, async () => (await conditionOf(namespace, type))?.includes(text));
/** Events on the route, as `TYPE REASON: NOTE`. */
const eventsOf = async (namespace: string): Promise<readonly string[]> => {
  const { items } = await api.list(resources.events, { namespace });
  return items.map((event) => `${event["type"]} ${event["reason"]}: ${event["note"]}`);
};
const told = (namespace: string, text: string): Promise<unknown> =>
  until(`Event ${text}`, async () => (await eventsOf(namespace)).some((event) => event.includes(text)));

test("a key that is taken out of its Secret, and a Secret that is deleted, are out within seconds, and an Event says so", async () => {
  await setUp("taken", [keyOf("a"), keyOf("b"), keyOf("c")], { a: "sk-a", b: "sk-b", c: "sk-c" });
  await until("all three", async () => /sk-a.*sk-b.*sk-c/.test(await published("taken")));
  await api.apply(resources.secrets, secretOf("taken", { b: "sk-b", c: "sk-c" }));
  const takenMs = performance.now();
  await until("a is out", async () => !(await published("taken")).includes("sk-a"));
  expect(performance.now() - takenMs).toBeLessThan(3_000);
  await told("taken", "Warning SecretKeyMissing: backend openai: Secret openai has no key a");
  expect(await published("taken")).toContain("sk-c");

  await api.apply(resources.secrets, secretOf("taken", { c: "sk-c" })); // the reason stays, the fault is another
  await told("taken", "Secret openai has no key b");
  await api.delete(resources.secrets, { namespace: "taken", name: "openai" });
  await until("c is out", async () => !(await published("taken")).includes("sk-c"));
  await told("taken", "Warning SecretNotFound: backend openai: Secret openai does not exist");
}, 30_000);

test("a key that a provider refuses stands in the status and in one Event, and so does that it works again", async () => {
  await setUp("refused", [keyOf("a"), keyOf("b")], { a: "sk-a", b: "sk-b" });
  await until("the config", async () => (await published("refused")).includes("sk-a"));
  const ref = { namespace: "refused", name: configSecretName({ namespace: "refused", serviceAccount: "bot" }) };
  const digest = (await api.get(resources.secrets, ref)).metadata.annotations?.["sidegate.dev/config-digest"] ?? "";
  const beat = (refusedCredentials: { backend: string; credential: string }[]): void => {
    for (const pod of ["bot-1", "bot-2"])
      state.beat("refused", { pod, contract: contractVersion, release: "0.1.0", digest, refusedCredentials });
  };
  const [a, b] = ["a", "b"].map((key) => ({ backend: "openai", credential: `refused/openai/${key}` }));
  if (!a || !b) throw new Error("two of two");
  beat([a]);
  for (const pod of ["bot-1", "bot-2"]) {
    await api.create(resources.pods, podOf("refused", pod, "bot"));
    await makeLive(api, "refused", pod);
  }
  await said("refused", "CredentialsAccepted", "False/CredentialRefused: backend openai: refused/openai/a");
  const sentence =
    "Warning CredentialRefused: backend openai: refused/openai/a is refused (401); put a valid key into a";
  await told("refused", sentence);
  expect(await conditionOf("refused", "Programmed")).toContain("True/Programmed");
  expect(await conditionOf("refused", "ResolvedRefs")).toContain("True/");
  beat([a, b]);
  await told("refused", "refused/openai/b is refused (401)");
  beat([]);
  await said("refused", "CredentialsAccepted", "True/CredentialsAccepted");
  await told("refused", "Normal CredentialsAccepted");
  expect((await eventsOf("refused")).filter((event) => event.startsWith(sentence))).toHaveLength(2); // a alone, then with b
}, 40_000);

test("a pod's token goes only to hosts of the settings: a credential for another is not published, and the status says why", async () => {
  const identity = (more: object) => ({
    type: "WorkloadIdentity",
    workloadIdentity: { identityProviderID: "idp-1", serviceAccountID: "sa-1", ...more },
  });
  await setUp("astray", [identity({ tokenURL: "https://collector.example/t" }), keyOf("a")], { a: "sk-a" });
  await said(
    "astray",
    "Accepted",
    "False/TokenHostNotAllowed: backend openai: pods' tokens may not go to collector.example",
  );
  expect(await published("astray")).toContain("sk-a");
  expect(await published("astray")).not.toContain("collector.example");
  await told("astray", "Warning TokenHostNotAllowed");
  await setUp("astray", [identity({}), keyOf("a")], { a: "sk-a" });
  await said("astray", "Accepted", "True/Accepted");
  expect(await published("astray")).toContain("auth.openai.com");
}, 30_000);
