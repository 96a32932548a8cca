/** Where the cluster's scripts put things; the same rule as scripts/cluster/env.sh. */
import { homedir } from "node:os";
import { join } from "node:path";

/** The folder of binaries, images and, while the cluster runs, its state. */
export const clusterFolder = (): string =>
  process.env["SIDEGATE_CLUSTER_DIR"] ||
  join(process.env["XDG_CACHE_HOME"] || join(homedir(), ".cache"), "sidegate-cluster");

/** The folder with kubectl, helm, etcd, kube-apiserver and the rest. */
export const clusterBinaries = (): string => join(clusterFolder(), "bin");

/** State of the running cluster: hosts, logs, process ids. Gone when it is down. */
export const clusterState = (): string => join(clusterFolder(), "run");

/** A cluster of yours, as SIDEGATE_E2E_KUBECONFIG names it; undefined: the one that make cluster-up brings up. */
export const foreignKubeconfig = (): string | undefined => process.env["SIDEGATE_E2E_KUBECONFIG"] || undefined;

/** Path of the kubeconfig that the e2e tests use; the file may be missing. */
export const clusterKubeconfig = (): string => foreignKubeconfig() ?? join(clusterState(), "pki/admin.kubeconfig");
