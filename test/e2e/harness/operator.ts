/** The operator's pods and processes, for tests that disturb them. */
import { X509Certificate } from "node:crypto";
import { readdir, readFile } from "node:fs/promises";
import { splitBundle } from "../../../src/operator/webhook/certificate.ts";
import { release, systemNamespace } from "./installation.ts";
import { get, type KubeObject, kubectl, type Pod, podsOf } from "./kubectl.ts";
import { until } from "./until.ts";

/** The Deployment, as kubectl names it. */
export const operatorDeployment = `deployment/${release}-operator`;
const selector = "app.kubernetes.io/component=operator";

/** Pods of the operator that are not on their way out. */
export const operatorPods = async (): Promise<readonly Pod[]> => await podsOf(selector, systemNamespace);

interface Lease extends KubeObject {
  readonly spec?: { readonly holderIdentity?: string };
}

/** Name of the pod that leads; undefined: nobody does. */
export const leaderName = async (): Promise<string | undefined> =>
  (await get<Lease>("lease", `${release}-operator`, systemNamespace))?.spec?.holderIdentity?.split("_")[0] || undefined;

/** The pod that leads. Throws when nobody does. */
export const leaderPod = async (): Promise<Pod> => {
  const name = await leaderName();
  const pod = (await operatorPods()).find((each) => each.metadata.name === name);
  if (!pod) throw new Error(`the leader ${name} is no pod`);
  return pod;
};

/** Waits until so many replicas are ready, none other is left, and one of them leads. */
export const operatorSettled = async (replicas = 2): Promise<void> => {
  await kubectl(["rollout", "status", operatorDeployment, "-n", systemNamespace, "--timeout=120s"]);
  await until("the operator has settled", async () => {
    const all = JSON.parse(await kubectl(["get", "pods", "-n", systemNamespace, "-l", selector, "-o", "json"])) as {
      items: Pod[];
    };
    const ready = all.items.filter(({ status }) =>
      status.conditions?.some(({ type, status: is }) => type === "Ready" && is === "True"),
    );
    const name = await leaderName();
    return (
      ready.length === replicas && all.items.length === replicas && ready.some(({ metadata }) => metadata.name === name)
    );
  });
};

/** Processes of a container on this machine, by the pod's uid and the container's command line; only on our own cluster. */
export const processesOf = async (pod: Pod, isMine: (commandLine: string) => boolean): Promise<readonly number[]> => {
  const uid = String(pod.metadata.uid).replaceAll("-", "[-_]");
  const inPod = new RegExp(`pod${uid}`);
  const found: number[] = [];
  for (const entry of await readdir("/proc")) {
    if (!/^\d+$/.test(entry)) continue;
    try {
      if (!inPod.test(await readFile(`/proc/${entry}/cgroup`, "utf8"))) continue;
      const line = (await readFile(`/proc/${entry}/cmdline`, "utf8")).replaceAll("\0", " ");
      if (isMine(line)) found.push(Number(entry));
    } catch {
      // it has ended meanwhile
    }
  }
  return found;
};

/** Webhook certificates as the Secret and the API server have them. */
export interface WebhookTrust {
  /** Fingerprint of the authority in the Secret. */
  readonly authority: string;
  /** True when that authority has signed the serving certificate. */
  readonly isServing: boolean;
  /** Fingerprints in the injecting webhook's caBundle. */
  readonly trusted: readonly string[];
}

/** Looks at the certificates. */
export const webhookTrust = async (): Promise<WebhookTrust> => {
  const secret = await get<KubeObject & { data: Record<string, string> }>(
    "secret",
    `${release}-webhook`,
    systemNamespace,
  );
  const configuration = await get<KubeObject & { webhooks: { clientConfig: { caBundle?: string } }[] }>(
    "mutatingwebhookconfiguration",
    release,
  );
  const decoded = (text: string | undefined): string => Buffer.from(text ?? "", "base64").toString("latin1");
  const authority = new X509Certificate(decoded(secret?.data["ca.crt"]));
  const serving = new X509Certificate(decoded(secret?.data["tls.crt"]));
  const bundle = splitBundle(decoded(configuration?.webhooks[0]?.clientConfig.caBundle));
  return {
    authority: authority.fingerprint256,
    isServing: serving.verify(authority.publicKey),
    trusted: bundle.map((pem) => new X509Certificate(pem).fingerprint256),
  };
};
