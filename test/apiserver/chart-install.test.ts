/** The chart's life with a real API server: install, upgrade, uninstall. No pod runs here; the e2e suite has those. */
import { expect, test } from "vitest";
import { chartFolder, helm, releaseNamespace } from "./chart.ts";
import { ask, usePrivateApiServer } from "./harness.ts";

const server = usePrivateApiServer({ withControllerManager: true });

const ours = "labelSelector=app.kubernetes.io/instance%3Dsidegate";
const admission = "/apis/admissionregistration.k8s.io/v1";
const secret = `/api/v1/namespaces/${releaseNamespace}/secrets/sidegate-redis`;
const webhook = `${admission}/mutatingwebhookconfigurations/sidegate`;
const crds = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions";

/** Where objects of the release may be, in its namespace and in the cluster. */
const places = [
  ...["configmaps", "pods", "secrets", "serviceaccounts", "services"].map((kind) => `/api/v1/${kind}`),
  ...["deployments", "replicasets"].map((kind) => `/apis/apps/v1/${kind}`),
  "/apis/batch/v1/jobs",
  "/apis/policy/v1/poddisruptionbudgets",
  "/apis/networking.k8s.io/v1/networkpolicies",
  ...["roles", "rolebindings", "clusterroles", "clusterrolebindings"].map(
    (kind) => `/apis/rbac.authorization.k8s.io/v1/${kind}`,
  ),
  ...["mutatingwebhookconfigurations", "validatingwebhookconfigurations"].map((kind) => `${admission}/${kind}`),
  ...["validatingadmissionpolicies", "validatingadmissionpolicybindings"].map((kind) => `${admission}/${kind}`),
];

interface Found {
  readonly metadata: { readonly name: string };
}

const namesAt = async (path: string): Promise<readonly string[]> => {
  const { body } = await ask(server(), "GET", `${path}?${ours}`);
  return (body as { items: readonly Found[] }).items.map(({ metadata }) => `${path} ${metadata.name}`); // a list
};

const remains = async (): Promise<readonly string[]> => (await Promise.all(places.map(namesAt))).flat();

const onCluster = (...args: readonly string[]): Promise<string> =>
  helm(...args, "-n", releaseNamespace, "--kubeconfig", server().kubeconfig);

/** No pod runs here, so nobody could wait for the webhook. */
const set = ["--set", "redis.embedded.enabled=true,startup.enabled=false"];
const install = (...args: readonly string[]): Promise<string> =>
  onCluster("upgrade", "--install", "sidegate", chartFolder, ...set, ...args);

const dataOf = async (path: string): Promise<unknown> => {
  const { body } = await ask(server(), "GET", path);
  return (body as { data: unknown }).data; // of a Secret
};

test("an upgrade keeps what others wrote, and uninstalling leaves nothing but the CRDs", {
  timeout: 120_000,
}, async () => {
  const notes = await install("--create-namespace");
  expect(notes).toContain("It keeps NOTHING over a restart");
  expect((await remains()).length).toBeGreaterThan(12);
  expect(await namesAt(crds)).toHaveLength(2);
  const password = await dataOf(secret);
  expect(password).toMatchObject({ password: expect.any(String), url: expect.any(String) });
  const caBundle = Buffer.from(server().ca).toString("base64");
  const patch = { webhooks: [{ name: "inject.sidegate.dev", clientConfig: { caBundle } }] };
  const written = await ask(server(), "PATCH", webhook, patch, "application/strategic-merge-patch+json");
  expect(written.status).toBe(200);

  await install("--set", "operator.logLevel=debug,webhook.timeoutSeconds=7");
  expect(await dataOf(secret)).toEqual(password);
  const { body } = await ask(server(), "GET", webhook);
  expect(body).toMatchObject({ webhooks: [{ clientConfig: { caBundle }, timeoutSeconds: 7 }] });

  await onCluster("uninstall", "sidegate", "--wait");
  await expect.poll(remains, { timeout: 20_000 }).toEqual([]);
  expect(await namesAt(crds)).toHaveLength(2);

  await install("--set", "crds.keep=false"); // adopts the CRDs that stayed
  await onCluster("uninstall", "sidegate", "--wait");
  await expect.poll(() => namesAt(crds), { timeout: 20_000 }).toEqual([]);
});
