/** HTTP to a Service from outside the cluster: by its address on our own cluster, through the API server on any other. */
import { isOwnCluster } from "./cluster.ts";
import { get, kubectl } from "./kubectl.ts";

/** A Service's port. */
export interface ServicePort {
  readonly namespace: string;
  readonly name: string;
  readonly port: number;
}

/** The cluster address of a Service. Throws when there is no such Service. */
export const serviceAddress = async ({ namespace, name }: ServicePort): Promise<string> => {
  const service = await get("service", name, namespace);
  const address = (service?.["spec"] as { clusterIP?: string } | undefined)?.clusterIP; // the API server checks objects
  if (!address) throw new Error(`no Service ${name} in ${namespace}`);
  return address;
};

/** Sends a request and answers the body. Throws when it fails or the status is 400 or more. */
export const callService = async (
  service: ServicePort,
  method: "GET" | "POST" | "DELETE",
  path: string,
  body = "",
): Promise<string> => {
  if (!isOwnCluster) return await throughApiServer(service, method, path, body);
  const url = `http://${await serviceAddress(service)}:${service.port}${path}`;
  const response = await fetch(url, {
    method,
    signal: AbortSignal.timeout(10_000),
    ...(method === "POST" ? { body, headers: { "content-type": "application/json" } } : {}),
  });
  const text = await response.text();
  if (!response.ok) throw new Error(`${method} ${path}: ${response.status} ${text.slice(0, 500)}`);
  return text;
};

const throughApiServer = async (
  { namespace, name, port }: ServicePort,
  method: "GET" | "POST" | "DELETE",
  path: string,
  body: string,
): Promise<string> => {
  const raw = `/api/v1/namespaces/${namespace}/services/http:${name}:${port}/proxy${path}`;
  if (method === "GET") return await kubectl(["get", "--raw", raw]);
  if (method === "DELETE") return await kubectl(["delete", "--raw", raw]);
  return await kubectl(["create", "--raw", raw, "-f", "-"], { input: body });
};
