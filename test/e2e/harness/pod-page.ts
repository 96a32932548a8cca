/** HTTP to one pod from outside the cluster: by its address on our own cluster, through the API server on any other. */
import { isOwnCluster } from "./cluster.ts";
import { kubectl, type Pod } from "./kubectl.ts";

const requestMs = 5_000;

/** GETs a page of a pod. Throws when it fails or the status is 400 or more. */
export const podPage = async (pod: Pod, port: number, path: string): Promise<string> => {
  const { namespace, name } = pod.metadata;
  if (!isOwnCluster)
    return await kubectl(["get", "--raw", `/api/v1/namespaces/${namespace}/pods/${name}:${port}/proxy${path}`]);
  const response = await fetch(`http://${pod.status.podIP}:${port}${path}`, { signal: AbortSignal.timeout(requestMs) });
  const text = await response.text();
  if (!response.ok) throw new Error(`${name}:${port}${path}: ${response.status} ${text.slice(0, 200)}`);
  return text;
};

const adminPort = 15_101;

/** Digest of the config that a pod's sidecar has in force. Throws when the sidecar does not answer. */
export const digestInForce = async (pod: Pod): Promise<string> => {
  const page = await podPage(pod, adminPort, "/metrics");
  const digest = /^sidegate_config_info\{[^}]*digest="([^"]*)"/m.exec(page)?.[1];
  if (digest === undefined) throw new Error(`${pod.metadata.name} tells no digest`);
  return digest;
};
