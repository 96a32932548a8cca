/** Does every pod that asked for a sidecar have one, with its config, as it is injected now? */
import { marks } from "../../api/annotations.ts";
import { injectionDigest } from "../../inject/settings.ts";
import { type KubeObject, resources } from "../../kube/port.ts";
import { type Cluster, nameOf } from "./cluster.ts";
import { textAt } from "./members.ts";
import { type Check, failed, ok, skipped, warning } from "./report.ts";

const group = "pods";
/** A younger pod may still be getting what it needs. */
const settleMs = 30_000;

const injectedSelector = { labelSelector: `${marks.injected}=true` };
const restart = "Restart the pods: kubectl -n NAMESPACE rollout restart deployment/NAME.";

const hasEnded = (pod: KubeObject): boolean => ["Succeeded", "Failed"].includes(textAt(pod, "status", "phase"));
const isOnItsWayOut = ({ metadata }: KubeObject): boolean => metadata.deletionTimestamp !== undefined;

/** Injected pods that still matter. */
const injectedPods = async (cluster: Cluster): Promise<readonly KubeObject[]> =>
  (await cluster.all(resources.pods, injectedSelector)).filter((pod) => !hasEnded(pod) && !isOnItsWayOut(pod));

/** Config Secrets, their metadata alone, by namespace and name. */
const configSecrets = async (cluster: Cluster): Promise<ReadonlyMap<string, KubeObject>> => {
  const found = await cluster.all(resources.secrets, { labelSelector: `${marks.config}=true`, isMetadataOnly: true });
  return new Map(found.map((secret) => [nameOf(secret), secret]));
};

const secretOf = ({ metadata }: KubeObject): string =>
  `${metadata.namespace ?? ""}/${metadata.annotations?.[marks.configSecret] ?? ""}`;

const isYoung = ({ metadata }: KubeObject, nowMs: number): boolean =>
  nowMs - Date.parse(metadata.creationTimestamp ?? "") < settleMs;

const countedPods = (pods: readonly KubeObject[]): string => `${pods.length} pod${pods.length === 1 ? "" : "s"}`;

const injected: Check<Cluster> = {
  group,
  name: "annotated-pods-injected",
  sentence: `every pod with the annotation ${marks.inject}: "true" has its sidecar`,
  run: async (cluster) => {
    const others = await cluster.all(resources.pods, {
      labelSelector: `${marks.injected}!=true`,
      isMetadataOnly: true,
    });
    const bare = others.filter((pod) => pod.metadata.annotations?.[marks.inject] === "true" && !isOnItsWayOut(pod));
    if (bare.length === 0) return ok();
    return failed(
      bare.map((pod) => `${nameOf(pod)} has none: it is older than the webhook, or its namespace is left out`),
      `${restart} Pods of namespace ${cluster.namespace} are never injected.`,
    );
  },
};

const waiting: Check<Cluster> = {
  group,
  name: "config-secrets",
  sentence: "no pod waits for its config Secret",
  run: async (cluster) => {
    const [pods, secrets] = [await injectedPods(cluster), await configSecrets(cluster)];
    const without = pods.filter((pod) => !secrets.has(secretOf(pod)) && !isYoung(pod, cluster.nowMs()));
    const byNamespace = Map.groupBy(without, ({ metadata }) => metadata.namespace ?? "");
    if (byNamespace.size === 0) return ok(countedPods(pods));
    const lines = [...byNamespace].map(
      ([namespace, waitingPods]) =>
        `namespace ${namespace}: ${countedPods(waitingPods)}, the first ${waitingPods[0]?.metadata.name} for Secret ${waitingPods[0]?.metadata.annotations?.[marks.configSecret]}`,
    );
    return failed(
      lines,
      "The operator writes them: see docs/troubleshooting.md#operator-absent and #reconcile-errors.",
    );
  },
};

const current: Check<Cluster> = {
  group,
  name: "config-announced",
  sentence: "every pod was told of its newest config",
  run: async (cluster) => {
    const [pods, secrets] = [await injectedPods(cluster), await configSecrets(cluster)];
    const late = pods.filter((pod) => {
      const newest = secrets.get(secretOf(pod))?.metadata.annotations?.[marks.configDigest];
      return newest !== undefined && pod.metadata.annotations?.[marks.configDigest] !== newest;
    });
    const settled = late.filter((pod) => !isYoung(pod, cluster.nowMs()));
    if (settled.length === 0) return ok(countedPods(pods));
    return warning(
      settled.map((pod) => `${nameOf(pod)} was last told of an older one`),
      "Ask again in a moment; if it stays, see docs/troubleshooting.md#reconcile-errors.",
    );
  },
};

const outdated: Check<Cluster> = {
  group,
  name: "sidecars-of-this-release",
  sentence: "every sidecar is as it would be injected now",
  run: async (cluster) => {
    const known = await cluster.settings();
    if (!("file" in known)) return skipped(known.unknown);
    const { injection } = known.file;
    const digest = injectionDigest(injection);
    const pods = await injectedPods(cluster);
    const old = pods.filter(({ metadata }) => metadata.annotations?.[marks.injectionDigest] !== digest);
    if (old.length === 0) return ok(countedPods(pods));
    const contracts = new Set(old.map(({ metadata }) => metadata.labels?.[marks.contract] ?? "none"));
    return warning(
      [
        `${old.length} of ${countedPods(pods)} are from before the last change (contract ${[...contracts].sort().join(", ")}; now ${injection.contractVersion})`,
        ...old.map(nameOf),
      ],
      `${restart} They serve on until then; see docs/troubleshooting.md#outdated-sidecars.`,
    );
  },
};

/** The last group. */
export const podChecks: readonly Check<Cluster>[] = [injected, waiting, current, outdated];
