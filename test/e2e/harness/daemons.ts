/** Faults of the cluster itself, on our own cluster only: stopped daemons, names of the outside world. */
import { existsSync } from "node:fs";
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { clusterState } from "../../../scripts/cluster-places.ts";
import { isOwnCluster, root } from "./cluster.ts";
import { runCommand } from "./command.ts";
import { until } from "./until.ts";

/** What scripts/cluster/up.sh starts. */
export type Daemon =
  | "apiserver"
  | "controller-manager"
  | "coredns"
  | "containerd"
  | "etcd"
  | "kubelet"
  | "kube-proxy"
  | "scheduler";

const assertOwn = (): void => {
  if (!isOwnCluster)
    throw new Error("this needs the cluster of scripts/cluster; skip the test elsewhere: test.skipIf(!isOwnCluster)");
};

const pidOf = async (daemon: Daemon): Promise<number> =>
  Number(await readFile(join(clusterState(), "pid", daemon), "utf8"));

/** Ends a daemon and waits until it is gone. `startDaemons` brings it back. */
export const stopDaemon = async (daemon: Daemon, signal: NodeJS.Signals = "SIGKILL"): Promise<void> => {
  assertOwn();
  const pid = await pidOf(daemon);
  process.kill(pid, signal);
  await until(`${daemon} ends`, () => !existsSync(`/proc/${pid}`), 30_000);
};

/** Starts what does not run and waits until the cluster is whole. */
export const startDaemons = async (): Promise<void> => {
  assertOwn();
  await runCommand(join(root, "scripts/cluster/up.sh"), []);
};

/**
 * Makes names such as api.openai.com resolve to an address inside the cluster, within about 2 s; without an entry they do not exist. Each
 * call replaces all entries. On any cluster a pod's own `hostAliases` do the same for that pod.
 */
export const resolveNames = async (addresses: Readonly<Record<string, string>>): Promise<void> => {
  assertOwn();
  const lines = Object.entries(addresses).map(([name, address]) => `${address} ${name}\n`);
  await writeFile(join(clusterState(), "hosts"), lines.join(""));
};
