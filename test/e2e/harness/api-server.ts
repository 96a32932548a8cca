/** Counts of what happens at the API server. */
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { clusterState } from "../../../scripts/cluster-places.ts";
import { isOwnCluster } from "./cluster.ts";
import { kubectl } from "./kubectl.ts";

/**
 * Sum of a metric of the API server over the series that have these labels, as in
 * `apiServerMetric("apiserver_admission_webhook_request_total", { name: "..." })`; 0: there is no such series yet.
 */
export const apiServerMetric = async (name: string, labels: Readonly<Record<string, string>> = {}): Promise<number> => {
  const text = await kubectl(["get", "--raw", "/metrics"]);
  const wanted = Object.entries(labels).map(([label, value]) => `${label}="${value}"`);
  return text
    .split("\n")
    .filter((line) => line.startsWith(`${name}{`) || line.startsWith(`${name} `))
    .filter((line) => wanted.every((pair) => line.includes(pair)))
    .reduce((sum, line) => sum + Number(line.slice(line.lastIndexOf(" ") + 1)), 0);
};

/** A call by a service account of Sidegate's namespace. */
export interface ApiCall {
  readonly verb: string;
  readonly user: string;
  readonly uri: string;
  /** `pods/status`, `secrets`; empty for calls that are not about a resource. */
  readonly resource: string;
  readonly namespace: string;
  readonly name: string;
  readonly status: number;
  /** RFC 3339 with microseconds. */
  readonly time: string;
}

const auditFile = (): string => join(clusterState(), "log/audit.log");

/** One line of the API server's audit log, as far as it is read here. */
interface AuditLine {
  readonly verb: string;
  readonly requestURI: string;
  readonly user: { readonly username: string };
  readonly objectRef?: { resource?: string; subresource?: string; namespace?: string; name?: string };
  readonly responseStatus?: { readonly code?: number };
  readonly stageTimestamp: string;
}

const callOf = (line: string): ApiCall => {
  const { verb, requestURI, user, objectRef, responseStatus, stageTimestamp } = JSON.parse(line) as AuditLine; // the API server's own format
  return {
    verb,
    user: user.username,
    uri: requestURI,
    resource: [objectRef?.resource ?? "", ...(objectRef?.subresource ? [objectRef.subresource] : [])].join("/"),
    namespace: objectRef?.namespace ?? "",
    name: objectRef?.name ?? "",
    status: responseStatus?.code ?? 0,
    time: stageTimestamp,
  };
};

/**
 * Starts counting what Sidegate asks of the API server; what it answers gives the calls since then, oldest first. A watch counts when it
 * begins and when it ends. Undefined on a cluster that is not ours, whose audit log cannot be read.
 */
export const countApiCalls = async (): Promise<(() => Promise<readonly ApiCall[]>) | undefined> => {
  if (!isOwnCluster) return undefined;
  const before = (await readFile(auditFile())).length;
  return async () => {
    const text = (await readFile(auditFile())).subarray(before).toString("utf8");
    const lines = text.slice(0, text.lastIndexOf("\n") + 1).split("\n");
    return lines.filter((line) => line !== "").map(callOf);
  };
};
