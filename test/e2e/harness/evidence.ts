/** What a cluster knows of a failure, as files: objects, events, descriptions, logs. No Secret's content. */
import { mkdir, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { clusterState } from "../../../scripts/cluster-places.ts";
import { isOwnCluster, root } from "./cluster.ts";
import { kubectl, list, type Pod } from "./kubectl.ts";

const podsMax = 40;
const logLinesMax = 1_000;
const daemonLogBytes = 300_000;

/** Name of the file and what kubectl is asked. */
const overviews: readonly (readonly [string, readonly string[]])[] = [
  ["pods.txt", ["get", "pods", "-A", "-o", "wide"]],
  ["events.txt", ["get", "events", "-A", "--sort-by=.lastTimestamp"]],
  ["workloads.txt", ["get", "deployments,replicasets,jobs,services,endpointslices,leases,secrets,configmaps", "-A"]],
  ["sidegate.yaml", ["get", "airoutes,aiquotas", "-A", "-o", "yaml"]],
  [
    "admission.yaml",
    [
      "get",
      "mutatingwebhookconfigurations,validatingwebhookconfigurations,validatingadmissionpolicies,validatingadmissionpolicybindings",
      "-o",
      "yaml",
    ],
  ],
  ["nodes.txt", ["describe", "nodes"]],
];

const answered = async (args: readonly string[]): Promise<string> => {
  try {
    return await kubectl(args, { timeoutMs: 20_000 });
  } catch (fault) {
    return fault instanceof Error ? fault.message : String(fault);
  }
};

const podEvidence = async (pod: Pod, folder: string): Promise<void> => {
  const { name, namespace } = pod.metadata;
  const on = ["-n", namespace, name];
  const description = await answered(["describe", "pod", ...on]);
  const all = ["--all-containers", "--prefix", `--tail=${logLinesMax}`];
  const now = await answered(["logs", ...on, ...all]);
  const statuses = [...(pod.status.initContainerStatuses ?? []), ...(pod.status.containerStatuses ?? [])];
  const before: string[] = [];
  for (const { name: container } of statuses.filter((each) => each.restartCount > 0)) {
    before.push(`--- ${container}, before its restart`, await answered(["logs", ...on, "-c", container, "--previous"]));
  }
  await writeFile(join(folder, `${namespace}.${name}.txt`), [description, "--- logs", now, ...before].join("\n"));
};

const daemonLogs = async (folder: string): Promise<void> => {
  const from = join(clusterState(), "log");
  for (const name of (await readdir(from)).filter((each) => each.endsWith(".log"))) {
    const text = await readFile(join(from, name), "utf8");
    await writeFile(join(folder, `daemon.${name}`), text.slice(-daemonLogBytes));
  }
};

/** Writes what is known into `.cache/e2e/NAME/` and says so. Never throws: the test has failed already, with a better reason. */
export const collectEvidence = async (name: string): Promise<void> => {
  const folder = join(
    root,
    ".cache/e2e",
    name
      .toLowerCase()
      .replace(/[^a-z0-9]+/g, "-")
      .slice(0, 100),
  );
  try {
    await rm(folder, { recursive: true, force: true });
    await mkdir(folder, { recursive: true });
    for (const [file, args] of overviews) await writeFile(join(folder, file), await answered(args));
    const pods = await list<Pod>("pods", undefined, ["-A"]);
    for (const pod of pods.slice(0, podsMax)) await podEvidence(pod, folder);
    if (isOwnCluster) await daemonLogs(folder);
  } catch (fault) {
    process.stdout.write(`The evidence is not whole: ${String(fault)}\n`);
  }
  process.stdout.write(`What the cluster knows of the failure: ${folder}\n`);
};
