/** What the caches keep of each object: only the fields that are used, so that 10,000 pods fit into a small process. */
import { createHash } from "node:crypto";
import { type AIQuota, aiquotaSchema } from "../../api/aiquota.ts";
import { type AIRoute, airouteSchema } from "../../api/airoute.ts";
import { marks } from "../../api/annotations.ts";
import type { Metadata } from "../../api/object.ts";
import { parseWith, type Schema } from "../../api/parse.ts";
import { adjustmentAnnotations } from "../../api/quota-adjustments.ts";
import type { SecretResource } from "../../api/secret.ts";
import { Secret } from "../../base/secret.ts";
import { fieldPath } from "../../config/field-path.ts";
import { type InjectionSettings, injectionDigest } from "../../inject/settings.ts";
import type { Workload } from "../../inject/workload.ts";
import { fieldManager, type KubeObject, type ObjectMeta } from "../../kube/port.ts";

/** A custom resource as the API server has it: parsed, or why it cannot be. */
export interface Entry<Resource extends AIRoute | AIQuota> {
  readonly metadata: ObjectMeta;
  /** Absent: it does not parse (it was stored under other rules); `faults` says why. */
  readonly resource?: Resource;
  readonly faults: readonly string[];
  /** As it was stored, where it does not parse. */
  readonly spec?: unknown;
  /** As it stands at the API server. */
  readonly status: unknown;
}

const entryOf =
  <Resource extends AIRoute | AIQuota>(schema: Schema<Resource>) =>
  (object: KubeObject): Entry<Resource> => {
    const { apiVersion, kind, spec, status } = object;
    const { name, namespace, uid, generation, creationTimestamp, resourceVersion } = object.metadata;
    const annotations = adjustmentAnnotations(object.metadata.annotations);
    const metadata: ObjectMeta = {
      name,
      ...(annotations && { annotations }),
      ...(namespace !== undefined && { namespace }),
      ...(uid !== undefined && { uid }),
      ...(generation !== undefined && { generation }),
      ...(creationTimestamp !== undefined && { creationTimestamp }),
      ...(resourceVersion !== undefined && { resourceVersion }),
    };
    const parsed = parseWith(schema, { apiVersion, kind, metadata, spec });
    if ("value" in parsed) return { metadata, resource: parsed.value, faults: [], status };
    return {
      metadata,
      faults: parsed.faults.map(({ path, message }) => `${fieldPath(path)}: ${message}`),
      spec,
      status,
    };
  };

/** An AIRoute of the API server. */
export const routeEntryOf = entryOf<AIRoute>(airouteSchema);
/** An AIQuota of the API server. */
export const quotaEntryOf = entryOf<AIQuota>(aiquotaSchema);

/** A namespace, for quotas that select by labels. */
export interface NamespaceEntry {
  readonly name: string;
  readonly labels: Readonly<Record<string, string>>;
}

/** A namespace of the API server, its metadata alone. */
export const namespaceOf = ({ metadata }: KubeObject): NamespaceEntry => ({
  name: metadata.name,
  labels: metadata.labels ?? {},
});

/** What conditions need to know of a resource that did not parse. */
export const metadataOf = ({ metadata }: { readonly metadata: ObjectMeta }): Metadata => ({
  name: metadata.name,
  namespace: metadata.namespace ?? "",
  ...(metadata.generation !== undefined && { generation: metadata.generation }),
});

/** A Secret with the credential label, decoded. */
export const credentialOf = ({ metadata, data }: KubeObject): SecretResource => ({
  namespace: metadata.namespace ?? "",
  name: metadata.name,
  labels: metadata.labels ?? {},
  annotations: metadata.annotations ?? {},
  values: new Map(
    Object.entries(isRecord(data) ? data : {}).map(([key, value]) => [
      key,
      new Secret(Buffer.from(typeof value === "string" ? value : "", "base64").toString("utf8")),
    ]),
  ),
});

/** A config Secret of ours as it stands at the API server. */
export interface Published {
  readonly namespace: string;
  readonly name: string;
  readonly workload: Workload;
  readonly resourceVersion: string;
  /** Digest of the data that really stands in it, whatever its annotation says. */
  readonly dataDigest: string;
  readonly configDigest: string;
  /** When we changed it last by the API server's clock, ms since the epoch, whole seconds; undefined: it does not say. */
  readonly publishedMs: number | undefined;
  /** When a leader saw first that nobody uses it, ms by that leader's clock; absent: it is used. */
  readonly unusedSinceMs?: number;
  /** uid of the object that it goes with; absent: none. */
  readonly ownerUid?: string;
}

/** Digest over names and values of a Secret's data (base64 as the API server has it). */
export const dataDigestOf = (data: Readonly<Record<string, string>>): string => {
  const hash = createHash("sha256");
  for (const key of Object.keys(data).sort()) hash.update(`${key}\0${data[key]}\0`, "utf8");
  return hash.digest("hex").slice(0, 32);
};

/** When our field manager applied last, as the API server noted it: clocks of replicas and nodes do not matter. */
const appliedMs = (metadata: object): number | undefined => {
  const entries = "managedFields" in metadata && Array.isArray(metadata.managedFields) ? metadata.managedFields : [];
  const times = entries
    .filter((entry) => isRecord(entry) && entry["manager"] === fieldManager)
    .map(({ time }) => Date.parse(time));
  const latestMs = Math.max(...times.filter((ms) => !Number.isNaN(ms)));
  return Number.isFinite(latestMs) ? latestMs : undefined;
};

/** A published config Secret; its values are hashed and dropped. */
export const publishedOf = ({ metadata, data }: KubeObject): Published => {
  const { namespace = "", name, annotations = {}, resourceVersion = "", ownerReferences } = metadata;
  const strings = Object.entries(isRecord(data) ? data : {}).filter(
    (entry): entry is [string, string] => typeof entry[1] === "string",
  );
  const owner = ownerReferences?.[0]?.uid;
  return {
    namespace,
    name,
    workload: {
      namespace,
      serviceAccount: annotations[marks.serviceAccount] ?? "",
      ...(annotations[marks.route] && { routePick: annotations[marks.route] }),
    },
    resourceVersion,
    dataDigest: dataDigestOf(Object.fromEntries(strings)),
    configDigest: annotations[marks.configDigest] ?? "",
    publishedMs: appliedMs(metadata),
    ...(annotations[marks.unusedSince] !== undefined && {
      unusedSinceMs: Date.parse(annotations[marks.unusedSince] ?? "") || 0,
    }),
    ...(owner !== undefined && { ownerUid: owner }),
  };
};

/** A pod with the label sidegate.dev/injected. */
export interface InjectedPod {
  readonly namespace: string;
  readonly name: string;
  readonly uid: string;
  readonly workload: Workload;
  /** Running and Ready, not on its way out. The node controller takes Ready away from pods of a node that is gone. */
  readonly isLive: boolean;
  /** Its volumes are still there: neither ended nor being deleted. */
  readonly isActive: boolean;
  readonly createdMs: number;
  /** As we set it last; absent: never. */
  readonly configDigest?: string;
  /** Contract version of its sidecar. */
  readonly contract: number;
  readonly injectionDigest: string;
}

/** A pod, cut down to what is used. */
export const podOf = ({ metadata, spec, status }: KubeObject): InjectedPod => {
  const { namespace = "", name, uid = "", annotations = {}, labels = {} } = metadata;
  const phase = isRecord(status) ? status["phase"] : undefined;
  const isActive = metadata.deletionTimestamp === undefined && phase !== "Succeeded" && phase !== "Failed";
  const serviceAccount =
    isRecord(spec) && typeof spec["serviceAccountName"] === "string" ? spec["serviceAccountName"] : "";
  const configDigest = annotations[marks.configDigest];
  const contract = Number(labels[marks.contract]);
  return {
    namespace,
    name,
    uid,
    workload: {
      namespace,
      serviceAccount: serviceAccount || "default",
      ...(annotations[marks.route] && { routePick: annotations[marks.route] }),
    },
    isLive: isActive && phase === "Running" && isReady(status),
    isActive,
    createdMs: Date.parse(metadata.creationTimestamp ?? "") || 0,
    ...(configDigest !== undefined && { configDigest }),
    contract: Number.isInteger(contract) && contract > 0 ? contract : 1,
    injectionDigest: annotations[marks.injectionDigest] ?? "",
  };
};

/** Settings do not change while the process runs, and each scrape asks for each pod. */
const injectionDigests = new WeakMap<InjectionSettings, string>();
const digestOfSettings = (settings: InjectionSettings): string => {
  const known = injectionDigests.get(settings) ?? injectionDigest(settings);
  injectionDigests.set(settings, known);
  return known;
};

/** A pod of another image, contract or list of audiences than are injected now: only a restart brings it up to date. */
export const isOutdated = (pod: InjectedPod, settings: InjectionSettings): boolean =>
  pod.contract !== settings.contractVersion || pod.injectionDigest !== digestOfSettings(settings);

const isReady = (status: unknown): boolean =>
  isRecord(status) &&
  Array.isArray(status["conditions"]) &&
  status["conditions"].some(
    (condition) => isRecord(condition) && condition["type"] === "Ready" && condition["status"] === "True",
  );

const isRecord = (value: unknown): value is Record<string, unknown> =>
  typeof value === "object" && value !== null && !Array.isArray(value);
