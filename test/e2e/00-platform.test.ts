// The ground that the other e2e tests stand on: if these fail, look here first.
import { beforeAll, describe, expect, test } from "vitest";
import { appJob, appPod, runInApp } from "./harness/application.ts";
import { images, isOwnCluster } from "./harness/cluster.ts";
import { resolveNames } from "./harness/daemons.ts";
import { type ClusterProvider, startProvider } from "./harness/fake-provider.ts";
import { apply, get, logs, type Pod, refusal, remove, waitFor } from "./harness/kubectl.ts";
import { useNamespace } from "./harness/namespace.ts";
import { restrictedContainer } from "./harness/pod-security.ts";
import { serviceAddress } from "./harness/service-call.ts";
import { until } from "./harness/until.ts";

const namespace = useNamespace("platform");
let provider: ClusterProvider;

/** A native sidecar that says when it is up, half a second after its start. */
const sidecar = {
  name: "sidecar",
  image: images.app,
  restartPolicy: "Always",
  command: [
    "node",
    "-e",
    "process.on('SIGTERM', () => process.exit(0)); setTimeout(() => require('http').createServer((_, answer) => answer.end('up')).listen(15100), 500)",
  ],
  startupProbe: { httpGet: { path: "/", port: 15100 }, periodSeconds: 1, failureThreshold: 30 },
  ...restrictedContainer,
};

beforeAll(async () => {
  provider = await startProvider(namespace);
});

describe("the official SDK in a pod", () => {
  test("gets an answer and a stream from the fake provider's Service", async () => {
    await provider.reset();
    const env = { OPENAI_BASE_URL: `${provider.url}/v1`, OPENAI_API_KEY: "any" };
    await apply(appPod({ name: "app", namespace, env }));
    await waitFor("pod/app", "condition=Ready", namespace);
    const { text, chunks } = await runInApp<{ text: string; chunks: number }>(
      { namespace, pod: "app" },
      `const ask = { model: "gpt-4o", messages: [{ role: "user", content: "Say hello." }] };
       const answer = await client.chat.completions.create(ask);
       let chunks = 0;
       for await (const _ of await client.chat.completions.create({ ...ask, stream: true })) chunks += 1;
       done({ text: answer.choices[0].message.content, chunks });`,
    );
    expect(text).not.toBe("");
    expect(chunks).toBeGreaterThan(1);
    const paths = (await provider.requests()).map((request) => request.path);
    expect(paths).toEqual(["/v1/chat/completions", "/v1/chat/completions"]);
  });

  test.skipIf(!isOwnCluster)("reaches a provider's real name where the test's hosts file has it", async () => {
    await resolveNames({ "api.openai.com": await serviceAddress(provider.service) });
    const script = `await new Promise((resolve) => setTimeout(resolve, 0)); const answer = await fetch("http://api.openai.com:8080/_fake/state"); done(answer.status);`;
    const status = await until("the name resolves", () => runInApp<number>({ namespace, pod: "app" }, script), 15_000);
    await resolveNames({});
    expect(status).toBe(200);
  });
});

describe("a native sidecar", () => {
  test("is ready before the application starts", async () => {
    const script = `console.log(await (await fetch("http://127.0.0.1:15100/")).text()); setInterval(() => undefined, 1e9);`;
    await apply(appPod({ name: "ordered", namespace, script, spec: { initContainers: [sidecar] } }));
    await waitFor("pod/ordered", "condition=Ready", namespace);
    expect(await logs({ namespace, pod: "ordered", container: "app" })).toEqual(["up"]);
    const pod = await get<Pod>("pod", "ordered", namespace);
    expect(pod?.status.initContainerStatuses?.[0]).toMatchObject({ ready: true, started: true, restartCount: 0 });
  });

  test("lets a Job complete", async () => {
    const script = `console.log(await (await fetch("http://127.0.0.1:15100/")).text());`;
    await apply(appJob({ name: "once", namespace, script, spec: { initContainers: [sidecar] } }));
    await waitFor("job/once", "condition=Complete", namespace);
  });
});

describe("the API server", () => {
  test("enforces the restricted Pod Security Standard", async () => {
    const pod = { apiVersion: "v1", kind: "Pod", metadata: { name: "loose", namespace } };
    const message = await refusal({
      ...pod,
      spec: { hostNetwork: true, containers: [{ name: "app", image: images.app }] },
    });
    expect(message).toContain('violates PodSecurity "restricted');
  });

  test("evaluates ValidatingAdmissionPolicies", async () => {
    const name = namespace;
    const matchConstraints = {
      resourceRules: [{ apiGroups: [""], apiVersions: ["v1"], operations: ["CREATE"], resources: ["configmaps"] }],
      namespaceSelector: { matchLabels: { "kubernetes.io/metadata.name": namespace } },
    };
    const version = { apiVersion: "admissionregistration.k8s.io/v1", metadata: { name } };
    const validations = [{ expression: "!('refused' in object.data)", message: "not this key" }];
    const policy = { ...version, kind: "ValidatingAdmissionPolicy", spec: { matchConstraints, validations } };
    const bindingSpec = { policyName: name, validationActions: ["Deny"] };
    const binding = { ...version, kind: "ValidatingAdmissionPolicyBinding", spec: bindingSpec };
    await apply([policy, binding]);
    try {
      const map = { apiVersion: "v1", kind: "ConfigMap", metadata: { generateName: "map-", namespace } };
      const ask = async () => (await refusal({ ...map, data: { refused: "yes" } })).includes("not this key");
      await until("the policy is in force", ask, 20_000);
    } finally {
      await remove(["validatingadmissionpolicy,validatingadmissionpolicybinding", name]);
    }
  });
});
