/** Schema of the chart's values: what the processes read is taken from their own schemas, the rest stands here. */
import { operatorFileSchema } from "../src/operator/settings.ts";

/** A JSON Schema of draft 7, which is what helm reads. */
interface Schema {
  readonly [keyword: string]: unknown;
}

const text: Schema = { type: "string" };
const flag: Schema = { type: "boolean" };
const texts: Schema = { type: "array", items: { type: "string", minLength: 1 } };
const textMap: Schema = { type: "object", additionalProperties: { type: "string" } };
/** What Kubernetes itself will judge. */
const anyObject: Schema = { type: "object" };
const objects: Schema = { type: "array", items: { type: "object" } };
const port: Schema = { type: "integer", minimum: 1, maximum: 65_535 };
const ports: Schema = { type: "array", items: port, minItems: 1 };
const seconds = (minimum: number, maximum: number): Schema => ({ type: "integer", minimum, maximum });
const oneOf = (...values: readonly string[]): Schema => ({ type: "string", enum: values });
const matching = (pattern: string): Schema => ({ type: "string", pattern });
/** An object that refuses what it does not know, so that a typo is an error. */
const closed = (properties: Readonly<Record<string, Schema>>): Schema => ({
  type: "object",
  properties,
  additionalProperties: false,
});

const quantities: Schema = { type: "object", additionalProperties: { type: ["string", "number"] } };
const resources = closed({ requests: quantities, limits: quantities });
const pullPolicies = ["Always", "IfNotPresent", "Never"] as const;
const interval = matching("^([0-9]+(ms|s|m|h))+$");
/** Names of namespaces and objects of the cluster; empty: not given. */
const nameOrEmpty = matching("^([a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?)?$");
const redisUrl = matching("^(rediss?(\\+sentinel|\\+cluster)?://.+)?$");

/** Members of a section of the operator's file, as JSON Schema, without those that the chart fills in itself. */
const sectionOf = (name: string, ...own: readonly string[]): Record<string, Schema> => {
  // zod's answer for an object schema
  const file = operatorFileSchema.toJSONSchema({ target: "draft-07", io: "input" }) as {
    properties: Record<string, { properties: Record<string, Schema> }>;
  };
  const members = Object.entries(file.properties[name]?.properties ?? {});
  return Object.fromEntries(members.filter(([member]) => !own.includes(member)).map(withoutDefault));
};

/** values.yaml has the defaults. */
const withoutDefault = ([name, { default: _, ...schema }]: [string, Schema]): [string, Schema] => [name, schema];

const redis = closed({
  embedded: closed({
    enabled: flag,
    image: matching("^.+$"),
    userID: { type: "integer", minimum: 1, maximum: 2_147_483_647 },
    maxmemory: matching("^[0-9]+(k|kb|m|mb|g|gb)?$"),
    resources,
    persistence: closed({ enabled: flag, size: matching("^[0-9]+(Mi|Gi|Ti)$"), storageClass: text }),
  }),
  external: closed({
    url: redisUrl,
    sidecarURL: redisUrl,
    existingSecret: nameOrEmpty,
    urlKey: matching("^[-._a-zA-Z0-9]+$"),
    sidecarURLKey: matching("^[-._a-zA-Z0-9]+$"),
    users: oneOf("Managed", "Given"),
    caSecret: closed({ name: nameOrEmpty, key: matching("^[-._a-zA-Z0-9]+$") }),
  }),
});

const operator = closed({
  replicas: { type: "integer", minimum: 1, maximum: 9 },
  logLevel: oneOf("debug", "info", "warn", "error", "silent"),
  resources,
  priorityClassName: text,
  podLabels: textMap,
  podAnnotations: textMap,
  nodeSelector: textMap,
  tolerations: objects,
  affinity: anyObject,
  leaderElection: closed(sectionOf("leaderElection", "lease")),
  podDisruptionBudget: closed({ enabled: flag }),
});

const monitoring = closed({
  labels: textMap,
  podMonitor: closed({ enabled: flag, interval }),
  serviceMonitor: closed({ enabled: flag, interval }),
  prometheusRule: closed({ enabled: flag, runbook: text }),
  dashboard: closed({ enabled: flag, labels: textMap }),
});

/** values.schema.json: helm refuses values that it does not know. */
export const valuesSchema = (): Schema => ({
  $schema: "http://json-schema.org/draft-07/schema#",
  title: "Values of the chart sidegate; written by node cmd/generate.ts from cmd/chart-schema.ts",
  ...closed({
    global: anyObject, // what helm hands to every chart that another one depends on
    fullnameOverride: matching("^([a-z0-9]([a-z0-9-]{0,38}[a-z0-9])?)?$"),
    image: closed({
      repository: matching("^.+$"),
      tag: text,
      digest: matching("^(sha256:[0-9a-f]{64})?$"),
      pullPolicy: oneOf(...pullPolicies),
    }),
    imagePullSecrets: texts,
    watchNamespaces: {
      type: "array",
      maxItems: 100,
      uniqueItems: true,
      items: matching("^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$"),
    },
    crds: closed({ install: flag, keep: flag }),
    redis,
    injection: closed({
      ...sectionOf("injection", "contractVersion"),
      image: text,
      imagePullPolicy: oneOf("", ...pullPolicies),
    }),
    operator,
    serviceAccount: closed({ create: flag, name: nameOrEmpty, annotations: textMap }),
    keyring: closed(sectionOf("keyring", "secret")),
    notifications: closed(sectionOf("notifications")),
    webhook: closed({
      certificates: oneOf("Own", "CertManager"),
      certManager: closed({ issuerRef: closed({ name: text, kind: text, group: text }), duration: interval }),
      timeoutSeconds: seconds(1, 30),
    }),
    networkPolicy: closed({
      enabled: flag,
      apiServerPorts: ports,
      redisPorts: ports,
      notificationPorts: ports,
      metricsFrom: objects,
    }),
    monitoring,
    startup: closed({ enabled: flag, timeoutSeconds: seconds(10, 3600) }),
    cleanup: closed({ enabled: flag, timeoutSeconds: seconds(10, 3600) }),
  }),
});

/** The file's text. */
export const valuesSchemaFile = (): string => `${JSON.stringify(valuesSchema(), null, 2)}\n`;
