/** Does the operator run, lead, and reach what it needs? */
import { isKubeFault, type KubeObject, resources } from "../../kube/port.ts";
import { operatorPlace } from "./api-checks.ts";
import type { Cluster } from "./cluster.ts";
import { numberAt, textAt } from "./members.ts";
import { type Check, type Finding, failed, ok, skipped, warning } from "./report.ts";

const group = "operator";
/** A lease that was renewed within this many of its durations is fresh: the clocks of two machines may differ a little. */
const leaseDurationsMax = 3;
const logs = (namespace: string, name: string): string => `kubectl -n ${namespace} logs deployment/${name}`;

const availability = ({ namespace }: Cluster, deployment: KubeObject): Finding => {
  const { name } = deployment.metadata;
  const wanted = numberAt(deployment, "spec", "replicas") ?? 1;
  const available = numberAt(deployment, "status", "availableReplicas") ?? 0;
  const seen = `${available} of ${wanted} replicas available`;
  const fix = `kubectl -n ${namespace} describe deployment/${name} and ${logs(namespace, name)} say why; see docs/troubleshooting.md#operator-absent.`;
  if (available === 0) return failed([seen], fix);
  return available < wanted ? warning([seen], fix) : ok(seen);
};

const leaseFinding = (lease: KubeObject, nowMs: number, fix: string): Finding => {
  const holder = textAt(lease, "spec", "holderIdentity");
  if (holder === "") return failed(["nobody holds the lease"], fix);
  const renewedMs = Date.parse(textAt(lease, "spec", "renewTime"));
  const seconds = numberAt(lease, "spec", "leaseDurationSeconds") ?? 15;
  const ageSeconds = Math.round((nowMs - renewedMs) / 1000);
  if (!(ageSeconds <= seconds * leaseDurationsMax))
    return failed([`${holder} renewed it ${Number.isNaN(ageSeconds) ? "never" : `${ageSeconds} s ago`}`], fix);
  return ok(`held by ${holder}`);
};

/** What the readiness pages of all replicas say of one thing. */
const pageFinding = async (cluster: Cluster, names: readonly string[], fix: string): Promise<Finding> => {
  const pods = await cluster.operatorPods();
  if (pods.length === 0) return skipped("no pod of the operator runs");
  const faults = pods.flatMap(({ name, lines }) =>
    lines
      .filter((line) => names.includes(line.name) && line.fault !== undefined)
      .map((line) => `${name}: ${line.fault}`),
  );
  if (faults.length > 0) return failed(faults, fix);
  const isTold = pods.some(({ lines }) => lines.some((line) => names.includes(line.name)));
  return isTold ? ok() : skipped("the readiness page does not speak of it");
};

const leader: Check<Cluster> = {
  group,
  name: "leader",
  sentence: "one replica leads and renews its lease",
  run: async (cluster) => {
    const { lease } = (await cluster.settingsOrDefaults()).leaderElection;
    const fix = "See docs/troubleshooting.md#no-leader.";
    try {
      const found = await cluster.api.get(resources.leases, { namespace: cluster.namespace, name: lease });
      return leaseFinding(found, cluster.nowMs(), fix);
    } catch (fault) {
      if (isKubeFault(fault, 404)) return failed([`Lease ${cluster.namespace}/${lease} does not exist`], fix);
      throw fault;
    }
  },
};

/** The third group. */
export const operatorChecks: readonly Check<Cluster>[] = [
  {
    group,
    name: "operator-available",
    sentence: "the operator's Deployment is available",
    run: async (cluster) => {
      const deployment = await cluster.deployment();
      if (deployment) return availability(cluster, deployment);
      const place = operatorPlace(cluster.namespace);
      return failed(
        [`there is none in ${place}`],
        "Name its namespace with -n, or install the chart: docs/install.md.",
      );
    },
  },
  {
    group,
    name: "operator-settings",
    sentence: "the operator's settings can be read and are valid",
    run: async (cluster) => {
      const known = await cluster.settings();
      return "file" in known
        ? ok()
        : failed([known.unknown], "Render the chart of the operator's release again: helm upgrade.");
    },
  },
  {
    group,
    name: "operator-release",
    sentence: "the operator is of this command's release",
    run: async (cluster) => {
      const deployment = await cluster.deployment();
      if (!deployment) return skipped("there is no operator");
      const release = deployment.metadata.labels?.["app.kubernetes.io/version"] ?? "unknown";
      if (release === cluster.release) return ok(release);
      return warning(
        [`the operator is ${release}, this command ${cluster.release}`],
        "Use the sidegate command of the operator's release, or upgrade the chart.",
      );
    },
  },
  leader,
  {
    group,
    name: "operator-synced",
    sentence: "every replica knows the cluster's resources and hears of changes",
    run: (cluster) =>
      pageFinding(
        cluster,
        ["informers", "watches", "ready"],
        "Look at the operator's log for refused lists and watches: a right is missing, or the API server is slow.",
      ),
  },
];

/** The group on Redis: asked through the operator, since nobody else has its address and rights. */
export const redisChecks: readonly Check<Cluster>[] = [
  {
    group: "redis",
    name: "redis-usable",
    sentence: "the operator reaches Redis, which does not evict and grants the rights that are needed",
    run: (cluster) => pageFinding(cluster, ["redis"], "See docs/troubleshooting.md#store-unavailable."),
  },
];

/** Whether the replicas' own view of their certificate is well. */
export const certificateInUse: Check<Cluster> = {
  group: "webhook",
  name: "webhook-certificate-loaded",
  sentence: "every replica serves the webhook with a certificate",
  run: (cluster) => pageFinding(cluster, ["webhook-certificate"], "See docs/troubleshooting.md#webhook-certificate."),
};
