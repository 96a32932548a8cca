/** The injection among the API server's own admission plugins and other mutators: what is stored must be what the injector meant. */
import { createServer, type Server } from "node:https";
import type { AddressInfo } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, beforeAll, expect, test } from "vitest";
import { inject } from "../../src/inject/inject.ts";
import { type JsonPatchOperation, jsonPatch } from "../../src/inject/json-patch.ts";
import type { Container, Pod } from "../../src/inject/pod.ts";
import { injectionSettingsSchema } from "../../src/inject/settings.ts";
import { selfSigned } from "../fixtures/certificate.ts";
import { type Answer, ask, useApiServer } from "./harness.ts";

const namespace = "injection-team";
const settings = injectionSettingsSchema.parse({ image: "registry.example/sidegate:1.0.0" });
const webhooks = "/apis/admissionregistration.k8s.io/v1/mutatingwebhookconfigurations";
const pods = `/api/v1/namespaces/${namespace}/pods`;
const server = useApiServer({ withControllerManager: true });
const calls: string[] = [];
let webhook: Server | undefined;

const restricted = {
  allowPrivilegeEscalation: false,
  runAsNonRoot: true,
  capabilities: { drop: ["ALL"] },
  seccompProfile: { type: "RuntimeDefault" },
};
const podOf = (name: string, annotations: Record<string, string> = { "sidegate.dev/inject": "true" }) => ({
  metadata: { name, annotations },
  spec: { containers: [{ name: "app", image: "app:1", securityContext: restricted }] },
});

/** Another team's mutator, which is asked after the injector: it changes our container and adds one of its own. */
const meddle = (pod: Pod): Pod => {
  const initContainers = (pod.spec.initContainers ?? []).map((each) => ({
    ...each,
    image: "mirror.example/sidegate:1",
    env: [...(each.env ?? []).filter(({ name }) => name !== "CLUSTER"), { name: "CLUSTER", value: "eu" }],
  }));
  const mesh = { name: "mesh", image: "mesh:1", restartPolicy: "Always", securityContext: restricted };
  const late = { name: "late", image: "late:1", securityContext: restricted };
  const has = (list: readonly Container[], name: string) => list.some((each) => each.name === name);
  return {
    ...pod,
    spec: {
      ...pod.spec,
      initContainers: has(initContainers, "mesh") ? initContainers : [mesh, ...initContainers],
      containers: has(pod.spec.containers, "late") ? pod.spec.containers : [...pod.spec.containers, late],
    },
  };
};

const patchOf = (path: string, pod: unknown): readonly JsonPatchOperation[] => {
  if (path === "/meddle") return jsonPatch(pod, meddle(pod as Pod)); // what the API server sends is a pod
  const outcome = inject(pod, { namespace, settings });
  if (outcome.kind === "refused") throw new Error(outcome.message);
  return outcome.kind === "injected" ? outcome.patch : [];
};

const answerReview = (path: string, text: string): string => {
  const { request } = JSON.parse(text) as { request: { uid: string; object: unknown } }; // an AdmissionReview
  calls.push(path);
  const patch = Buffer.from(JSON.stringify(patchOf(path, request.object))).toString("base64");
  const response = { uid: request.uid, allowed: true, patchType: "JSONPatch", patch };
  return JSON.stringify({ apiVersion: "admission.k8s.io/v1", kind: "AdmissionReview", response });
};

const created = async (path: string, object: unknown): Promise<Answer> => {
  const answer = await ask(server(), "POST", path, object);
  if (answer.status !== 201) throw new Error(`${path}: ${JSON.stringify(answer.body)}`);
  return answer;
};

const configuration = (name: string, path: string, wish: string, certificate: string, port: number): object => ({
  metadata: { name },
  webhooks: [
    {
      name: `${name}.sidegate.dev`,
      clientConfig: { url: `https://127.0.0.1:${port}${path}`, caBundle: Buffer.from(certificate).toString("base64") },
      rules: [{ apiGroups: [""], apiVersions: ["v1"], operations: ["CREATE"], resources: ["pods"] }],
      namespaceSelector: { matchLabels: { "kubernetes.io/metadata.name": namespace } },
      matchConditions: [
        { name: "wished", expression: `object.metadata.?annotations['${wish}'].orValue('') == 'true'` },
      ],
      reinvocationPolicy: "IfNeeded",
      sideEffects: "None",
      admissionReviewVersions: ["v1"],
    },
  ],
});

beforeAll(async () => {
  const { cert, key } = selfSigned();
  webhook = createServer({ cert, key }, (request, response) => {
    let text = "";
    request.setEncoding("utf8").on("data", (chunk: string) => {
      text += chunk;
    });
    request.on("end", () => {
      const [path = ""] = (request.url ?? "").split("?"); // the API server adds its time-out
      response.end(answerReview(path, text));
    });
  });
  await new Promise<void>((resolve) => webhook?.listen(0, "127.0.0.1", () => resolve()));
  const { port } = webhook.address() as AddressInfo; // it listens on TCP
  const enforce = { "pod-security.kubernetes.io/enforce": "restricted" };
  await created("/api/v1/namespaces", { metadata: { name: namespace, labels: enforce } });
  const account = `/api/v1/namespaces/${namespace}/serviceaccounts/default`;
  while ((await ask(server(), "GET", account)).status !== 200) await sleep(50);
  await created(`/api/v1/namespaces/${namespace}/limitranges`, {
    metadata: { name: "all" },
    spec: { limits: [{ type: "Container", default: { cpu: "1" }, max: { cpu: "2" } }] },
  });
  await created(webhooks, configuration("injection-test-1", "/inject", "sidegate.dev/inject", cert, port));
  await created(webhooks, configuration("injection-test-2", "/meddle", "meddle", cert, port));
  const probe = podOf("probe", { "sidegate.dev/inject": "true", meddle: "true" });
  const endsAtMs = performance.now() + 30_000;
  while (!(calls.includes("/inject") && calls.includes("/meddle"))) {
    const { body } = await ask(server(), "POST", `${pods}?dryRun=All`, probe);
    if (performance.now() > endsAtMs) throw new Error(`the webhooks are not asked: ${JSON.stringify(body)}`);
    await sleep(50);
  }
});

afterAll(async () => {
  for (const name of ["injection-test-1", "injection-test-2"]) await ask(server(), "DELETE", `${webhooks}/${name}`);
  webhook?.close();
});

const mountsOf = (container: Container | undefined): (string | undefined)[] =>
  (container?.volumeMounts ?? []).map(({ name }) => name.replace(/^(kube-api-access)-.*/, "$1"));
const stored = async (name: string, annotations?: Record<string, string>): Promise<Pod> =>
  (await created(pods, podOf(name, annotations))).body as Pod; // what it answers is the pod

test("the stored pod has the sidecar without an API token, passes the restricted standard, and needs nothing more", async () => {
  const pod = await stored("alone");
  const sidecar = pod.spec.initContainers?.[0];
  expect(mountsOf(sidecar)).toEqual(["sidegate-config", "sidegate-tokens", "sidegate-audit", "sidegate-no-api-token"]);
  expect(mountsOf(pod.spec.containers[0])).toEqual(["kube-api-access"]);
  expect(sidecar?.resources?.limits, "the LimitRange's default stays").toEqual({ cpu: "1", memory: "192Mi" });
  expect(inject(pod, { namespace, settings })).toEqual({ kind: "unchanged" });
});

test("what a later mutator does to the sidecar is mended, and what it adds gets the environment", async () => {
  calls.length = 0;
  const pod = await stored("meddled", { "sidegate.dev/inject": "true", meddle: "true" });
  expect(calls.slice(0, 3)).toEqual(["/inject", "/meddle", "/inject"]);
  expect(pod.spec.initContainers?.map(({ name }) => name)).toEqual(["mesh", "sidegate"]);
  const late = pod.spec.containers.find(({ name }) => name === "late");
  expect(late?.env?.map(({ name }) => name)).toEqual(["OPENAI_BASE_URL", "OPENAI_API_KEY"]);
});

test("a dry run leaves nothing behind, and a generated name needs no name", async () => {
  const pod = { ...podOf("x"), metadata: { generateName: "job-", annotations: { "sidegate.dev/inject": "true" } } };
  const answer = await ask(server(), "POST", `${pods}?dryRun=All`, pod);
  expect(answer).toMatchObject({ status: 201, body: { spec: { initContainers: [{ name: "sidegate" }] } } });
});

test("a pod that did not ask never reaches the webhook", async () => {
  calls.length = 0;
  await stored("plain", { team: "a" });
  await created(pods, { ...podOf("bare"), metadata: { name: "bare" } });
  expect(calls).toEqual([]);
});
