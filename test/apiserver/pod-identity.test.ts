/** Tokens that a real API server issues, keys that it names, and the config that a real operator publishes from them. */
import { createPublicKey } from "node:crypto";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { decodeConfig } from "../../src/config/codec.ts";
import type { PodIdentityConfig } from "../../src/config/pod-identity.ts";
import { configSecretName } from "../../src/inject/workload.ts";
import { createKubeApi } from "../../src/kube/client.ts";
import { kubeconfigConnection } from "../../src/kube/connection.ts";
import { type KubeApi, resources } from "../../src/kube/port.ts";
import { publicKeysIn } from "../../src/operator/identity/issuer-documents.ts";
import { verifyToken } from "../../src/sidecar/identity/verify.ts";
import { ask, installCrds, serviceAccountKubeconfig, useApiServer } from "./harness.ts";
import { configText, Scene } from "./operator/scene.ts";
import { apiOf, podOf, until } from "./operator/stage.ts";

const server = useApiServer();
let api: KubeApi & { close(): void };
let scene: Scene;
const ends: (() => unknown)[] = [];

beforeAll(async () => {
  await installCrds(server());
  api = await apiOf(server());
  scene = new Scene(api, "identity");
  await scene.make();
  await scene.account("other");
  await scene.fill();
  const operator = scene.operator();
  ends.push(() => operator.stop());
  await operator.start();
});
afterAll(async () => {
  for (const end of ends) await end();
  api.close();
});

const publishedFor = (serviceAccount: string, routePick?: string) =>
  until("a published config", async () => {
    const name = configSecretName({ namespace: scene.namespace, serviceAccount, ...(routePick && { routePick }) });
    return decodeConfig(configText(await api.get(resources.secrets, { namespace: scene.namespace, name })));
  });

const identity = async (): Promise<PodIdentityConfig> => {
  const { podIdentity } = await publishedFor("bot");
  return podIdentity ?? expect.fail("the config says nothing of identity");
};

const uidOf = async (pod: string): Promise<string> =>
  (await api.get(resources.pods, { namespace: scene.namespace, name: pod })).metadata.uid ?? "";

/** A TokenRequest, as the kubelet makes one for a projected volume. */
const tokenOf = async (spec: object, account = "bot"): Promise<string> => {
  const path = `/api/v1/namespaces/${scene.namespace}/serviceaccounts/${account}/token`;
  const answer = await ask(server(), "POST", path, { spec: { expirationSeconds: 600, ...spec } });
  if (answer.status !== 201) throw new Error(JSON.stringify(answer.body));
  return (answer.body as { status: { token: string } }).status.token; // a TokenRequest
};
const boundTo = async (pod: string) => ({
  boundObjectRef: { apiVersion: "v1", kind: "Pod", name: pod, uid: await uidOf(pod) },
});

const judge = async (token: string, pod = "bot-0") =>
  verifyToken(Buffer.from(token), {
    identity: await identity(),
    pod: { namespace: scene.namespace, serviceAccount: "bot", pod, podUid: await uidOf(pod) },
    nowMs: Date.now(),
  });

test("the operator publishes the issuer and the key that the API server signs with", async () => {
  const { issuer, audience, jwks } = await identity();
  expect([issuer, audience]).toEqual(["https://kubernetes.default.svc", "sidegate"]);
  const { n } = createPublicKey(readFileSync(join(server().folder, "account.pub"))).export({ format: "jwk" });
  expect(jwks.keys).toEqual([{ kty: "RSA", kid: expect.any(String), use: "sig", alg: "RS256", n, e: "AQAB" }]);
});

test("a pod's own token is taken", async () => {
  const token = await tokenOf({ audiences: ["sidegate"], ...(await boundTo("bot-0")) });
  expect(await judge(token)).toMatchObject({ kind: "verified" });
});

test("real tokens that prove something else are refused, each with its code", async () => {
  await api.create(resources.secrets, {
    apiVersion: "v1",
    kind: "Secret",
    metadata: { name: "bound", namespace: scene.namespace },
  });
  await api.create(resources.pods, podOf(scene.namespace, "other-0", "other"));
  const ours = { audiences: ["sidegate"] };
  const secret = { boundObjectRef: { apiVersion: "v1", kind: "Secret", name: "bound" } };
  const reasons = {
    "another pod's": await judge(await tokenOf({ ...ours, ...(await boundTo("bot-1")) })),
    "another account's": await judge(await tokenOf({ ...ours, ...(await boundTo("other-0")) }, "other")),
    "the API server's audience": await judge(await tokenOf(await boundTo("bot-0"))),
    "another audience": await judge(await tokenOf({ audiences: ["vault"], ...(await boundTo("bot-0")) })),
    "bound to nothing": await judge(await tokenOf(ours)),
    "bound to a Secret": await judge(await tokenOf({ ...ours, ...secret })),
  };
  expect(
    Object.fromEntries(Object.entries(reasons).map(([name, verdict]) => [name, "reason" in verdict && verdict.reason])),
  ).toEqual({
    "another pod's": "pod_name_mismatch",
    "another account's": "service_account_mismatch",
    "the API server's audience": "audience_mismatch",
    "another audience": "audience_mismatch",
    "bound to nothing": "not_bound_to_a_pod",
    "bound to a Secret": "bound_to_secret",
  });
});

test("a pod that picked a route of another account is told that it may not", async () => {
  await api.create(resources.pods, podOf(scene.namespace, "thief-0", "other", { "sidegate.dev/route": "support" }));
  const config = await publishedFor("other", "support");
  expect(config).toMatchObject({ isNotParent: true, podIdentity: await identity() });
  expect(config.route).toBeUndefined();
  // When the route names it, it may; when it no longer does, it may not.
  const route = await api.get(resources.airoutes, { namespace: scene.namespace, name: "support" });
  const spec = route["spec"] as { parentRefs: object[] }; // a route has one
  const name = (names: readonly string[]) =>
    api.mergePatch(
      resources.airoutes,
      { namespace: scene.namespace, name: "support" },
      { spec: { parentRefs: names.map((each) => ({ ...spec.parentRefs[0], name: each })) } },
    );
  await name(["bot", "other"]);
  await until("it may", async () => (await publishedFor("other", "support")).route !== undefined);
  await name(["bot"]);
  await until("it may not", async () => (await publishedFor("other", "support")).isNotParent === true);
});

test("any service account may read the two documents: the operator needs no right of its own for them", async () => {
  const file = await serviceAccountKubeconfig(server(), scene.namespace, "other");
  const limited = createKubeApi(await kubeconfigConnection({ file }));
  ends.push(() => limited.close());
  expect(JSON.parse(await limited.raw("/.well-known/openid-configuration"))).toMatchObject({
    issuer: "https://kubernetes.default.svc",
  });
  expect(publicKeysIn(await limited.raw("/openid/v1/jwks"))).toHaveLength(1);
  await expect(limited.raw("/api/v1/secrets")).rejects.toThrow(/forbidden/i);
});
