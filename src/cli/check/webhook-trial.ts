/** A trial of the injection webhook: through the API server as a dry run, or straight to its Service from inside the cluster. */
import { request } from "node:https";
import type { LookupFunction } from "node:net";
import { marks } from "../../api/annotations.ts";
import { sidecarPlaces } from "../../inject/settings.ts";
import { type KubeApi, type KubeObject, resources } from "../../kube/port.ts";
import { listAt, memberAt, textAt } from "./members.ts";

const timeoutMs = 5_000;
const answerCharactersMax = 1_000_000;

/** A pod that asks for the sidecar and passes the restricted standard; it is never created. */
export const trialPod = (namespace: string): KubeObject => ({
  apiVersion: "v1",
  kind: "Pod",
  metadata: { name: "sidegate-check", namespace, annotations: { [marks.inject]: "true" } },
  spec: {
    restartPolicy: "Never",
    securityContext: { runAsNonRoot: true, runAsUser: 10_001, seccompProfile: { type: "RuntimeDefault" } },
    containers: [
      {
        name: "app",
        image: "sidegate-check",
        resources: { requests: { cpu: "1m", memory: "1Mi" }, limits: { cpu: "1m", memory: "1Mi" } },
        securityContext: { allowPrivilegeEscalation: false, capabilities: { drop: ["ALL"] } },
      },
    ],
  },
});

/** Sends the pod as a dry run; true: it got the sidecar. Throws KubeFault. */
export const triedByApiServer = async (api: KubeApi, namespace: string): Promise<boolean> => {
  const pod = await api.create(resources.pods, trialPod(namespace), { isDryRun: true });
  return listAt(pod, "spec", "initContainers").some(
    (container) => textAt(container, "name") === sidecarPlaces.container,
  );
};

const reviewOf = (namespace: string) => ({
  apiVersion: "admission.k8s.io/v1",
  kind: "AdmissionReview",
  request: {
    uid: "00000000-0000-4000-8000-000000000000",
    kind: { group: "", version: "v1", kind: "Pod" },
    resource: { group: "", version: "v1", resource: "pods" },
    name: "sidegate-check",
    namespace,
    operation: "CREATE",
    userInfo: { username: "sidegate-check" },
    object: trialPod(namespace),
    oldObject: null,
    dryRun: true,
    options: {},
  },
});

/**
 * What speaks against the webhook, asked at the Service of a webhook configuration and trusting its caBundle alone; undefined: it
 * answers. `lookup` replaces the cluster's DNS.
 */
export const triedDirectly = (
  configuration: KubeObject,
  namespace: string,
  lookup?: LookupFunction,
): Promise<string | undefined> => {
  const clientConfig = memberAt(configuration, "webhooks", 0, "clientConfig");
  const service = memberAt(clientConfig, "service");
  const host = `${textAt(service, "name")}.${textAt(service, "namespace")}.svc`;
  const options = {
    host,
    path: textAt(service, "path"),
    port: Number(memberAt(service, "port") ?? 443),
    method: "POST",
    ca: Buffer.from(textAt(clientConfig, "caBundle"), "base64").toString("utf8"),
    headers: { "content-type": "application/json" },
    timeout: timeoutMs,
    agent: false as const,
    ...(lookup && { lookup }),
  };
  return new Promise((resolve) => {
    const asked = request(options, (answer) => {
      let text = "";
      answer.setEncoding("utf8");
      answer.on("data", (chunk: string) => {
        if (text.length < answerCharactersMax) text += chunk;
      });
      answer.on("end", () => resolve(faultOf(text, answer.statusCode ?? 0)));
      answer.on("error", ({ message }) => resolve(`${host}: ${message}`));
    });
    asked.on("timeout", () => asked.destroy(new Error(`no answer within ${timeoutMs} ms`)));
    asked.on("error", ({ message }) => resolve(`${host}: ${message}`));
    asked.end(JSON.stringify(reviewOf(namespace)));
  });
};

const faultOf = (text: string, status: number): string | undefined => {
  let review: unknown;
  try {
    review = JSON.parse(text);
  } catch {
    return `it answered ${status} and no AdmissionReview`;
  }
  if (memberAt(review, "response", "allowed") !== true)
    return `it refused the trial pod: ${textAt(review, "response", "status", "message")}`;
  return textAt(review, "response", "patch") === "" ? "it added no sidecar to the trial pod" : undefined;
};
