/** Another party's mutating webhook that runs after Sidegate's: it changes a pod as the pod itself says. */
import { selfSigned } from "../../fixtures/certificate.ts";
import { appDeployment } from "./application.ts";
import { apply, create, type KubeObject, remove, waitFor } from "./kubectl.ts";
import { restrictedContainer, restrictedPod } from "./pod-security.ts";
import { until } from "./until.ts";

/** Label that makes it act. `once`: it is asked once; `again`: once more when a webhook after it has changed the pod. */
export const laterLabel = "e2e.test/later";
/** Annotation with the JSON Patch that it answers. */
export const patchAnnotation = "e2e.test/patch";

/** One operation of RFC 6902. */
export interface PatchOperation {
  readonly op: "add" | "remove" | "replace";
  readonly path: string;
  readonly value?: unknown;
}

const name = "later";
const port = 8_443;

const script = `
import { createServer } from "node:https";
createServer({ cert: process.env.CERT, key: process.env.KEY }, (request, answer) => {
  let text = "";
  request.on("data", (part) => { text += part; });
  request.on("end", () => {
    const { request: { uid, object } } = JSON.parse(text);
    const patch = Buffer.from(object.metadata.annotations["${patchAnnotation}"]).toString("base64");
    const response = { uid, allowed: true, patchType: "JSONPatch", patch };
    answer.setHeader("content-type", "application/json");
    answer.end(JSON.stringify({ apiVersion: "admission.k8s.io/v1", kind: "AdmissionReview", response }));
  });
}).listen(${port});`;

const webhook = (namespace: string, when: "once" | "again", caBundle: string) => ({
  name: `${when}.later.e2e.test`,
  admissionReviewVersions: ["v1"],
  sideEffects: "None",
  failurePolicy: "Fail",
  reinvocationPolicy: when === "again" ? "IfNeeded" : "Never",
  clientConfig: { service: { name, namespace, port: 443 }, caBundle },
  namespaceSelector: { matchLabels: { "kubernetes.io/metadata.name": namespace } },
  objectSelector: { matchLabels: { [laterLabel]: when } },
  rules: [{ apiGroups: [""], apiVersions: ["v1"], operations: ["CREATE"], resources: ["pods"], scope: "Namespaced" }],
});

/** A pod that the mutator changes by `patch`; nothing runs in it. */
export const mutatedPod = (
  namespace: string,
  when: "once" | "again",
  options: {
    readonly patch: readonly PatchOperation[];
    readonly annotations?: Readonly<Record<string, string>>;
  },
): KubeObject => ({
  apiVersion: "v1",
  kind: "Pod",
  metadata: {
    generateName: "mutated-",
    namespace,
    labels: { [laterLabel]: when },
    annotations: { ...options.annotations, [patchAnnotation]: JSON.stringify(options.patch) },
  },
  spec: {
    ...restrictedPod,
    nodeSelector: { "e2e.test/node": "none" },
    containers: [{ name: "app", image: "app", ...restrictedContainer }],
  },
});

/** Starts it for one namespace; answers how to take it away. Its configuration's name comes after ours, so it is asked later. */
export const startLaterMutator = async (namespace: string): Promise<() => Promise<void>> => {
  const { cert, key } = selfSigned({ host: `${name}.${namespace}.svc` });
  const service = {
    apiVersion: "v1",
    kind: "Service",
    metadata: { name, namespace },
    spec: { selector: { app: name }, ports: [{ port: 443, targetPort: port }] },
  };
  const container = { readinessProbe: { tcpSocket: { port }, periodSeconds: 1 } };
  await apply([appDeployment({ name, namespace, script, env: { CERT: cert, KEY: key }, container }), service]);
  await waitFor(`deployment/${name}`, "condition=Available", namespace);
  const configuration = `zz-later-${namespace}`;
  const caBundle = Buffer.from(cert).toString("base64");
  await apply({
    apiVersion: "admissionregistration.k8s.io/v1",
    kind: "MutatingWebhookConfiguration",
    metadata: { name: configuration },
    webhooks: [webhook(namespace, "once", caBundle), webhook(namespace, "again", caBundle)],
  });
  const patch = [{ op: "add", path: "/metadata/labels/seen", value: "yes" }] as const;
  await until("the later mutator is asked", async () => {
    const pod = await create(mutatedPod(namespace, "once", { patch }));
    await remove(["pod", pod.metadata.name ?? ""], namespace);
    return pod.metadata.labels?.["seen"] === "yes";
  });
  return async () => remove(["mutatingwebhookconfiguration", configuration]);
};
