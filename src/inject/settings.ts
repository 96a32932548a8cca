/** What the platform team fixes for all injected pods; the chart's `injection` values. One schema for the operator and `sidegate inject`. */
import { createHash } from "node:crypto";
import * as z from "zod";
import { contractVersion } from "../config/contract.ts";
import { podAudience } from "../config/pod-identity.ts";

/** Whose environment application containers can get: the clients of OpenAI, those of Azure OpenAI, or none. */
export const injectionClients = ["OpenAI", "AzureOpenAI", "None"] as const;

const quantity = z
  .string()
  .regex(/^\d{1,9}(\.\d{1,3})?(m|k|M|G|Ki|Mi|Gi)?$/, "must be a quantity, such as 50m or 128Mi");
const audience = z
  .string()
  .min(1)
  .max(256)
  .regex(/^[\x21-\x7e]+$/, "must be visible ASCII");

/** Audiences that every injected pod gets a token for, unless the chart says otherwise. */
export const tokenAudiencesDefault = [podAudience, "https://api.openai.com/v1", "api://AzureADTokenExchange"] as const;

/** Hosts that exchange pods' tokens: OpenAI, and Microsoft Entra in its three clouds. */
export const tokenHostsDefault = [
  "auth.openai.com",
  "login.microsoftonline.com",
  "login.microsoftonline.us",
  "login.partner.microsoftonline.cn",
  "login.chinacloudapi.cn",
] as const;
const tokenHost = z
  .string()
  .min(1)
  .max(260)
  .regex(
    /^([A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?|\[[0-9A-Fa-f:]+\])(:[1-9][0-9]{0,4})?$/,
    "must be HOST or HOST:PORT",
  );

/** Settings of the injection; every member has a default but the image. */
export const injectionSettingsSchema = z.strictObject({
  image: z.string().min(1).max(512),
  imagePullPolicy: z.enum(["Always", "IfNotPresent", "Never"]).default("IfNotPresent"),
  /** Images that a pod may ask for by annotation: whole references, or a prefix that ends with `*`. Empty: none. */
  imageOverrides: z.array(z.string().min(1).max(512)).max(32).default([]),
  /** Contract version that the image reads: the label on the pod. */
  contractVersion: z.int().min(1).max(1000).default(contractVersion),
  tokenAudiences: z
    .array(audience)
    .min(1)
    .max(8)
    .refine((all) => all.includes(podAudience), `must hold ${podAudience}: pods prove who they are with that token`)
    .default([...tokenAudiencesDefault]),
  /** Hosts that pods' tokens may be sent to, to be exchanged; loopback addresses may always. Empty: no other. */
  tokenHosts: z
    .array(tokenHost)
    .max(64)
    .default([...tokenHostsDefault]),
  /** Life of a projected token, s; the kubelet takes no less than 600. */
  tokenSeconds: z.int().min(600).max(86_400).default(600),
  resources: z
    .strictObject({
      requests: z
        .strictObject({ cpu: quantity.optional(), memory: quantity.optional() })
        .default({ cpu: "20m", memory: "96Mi" }),
      limits: z.strictObject({ cpu: quantity.optional(), memory: quantity.optional() }).default({ memory: "192Mi" }),
    })
    .prefault({}),
  logLevel: z.enum(["debug", "info", "warn", "error", "silent"]).default("info"),
  /** Environment that application containers get where the pod does not say. */
  client: z.enum(injectionClients).default("OpenAI"),
});

/** Settings, defaults filled in. */
export type InjectionSettings = z.output<typeof injectionSettingsSchema>;

/** Digest of what only a restart of a pod can change; it stands on the pod, and pods with another one count as outdated. */
export const injectionDigest = ({
  image,
  contractVersion: contract,
  tokenAudiences,
  tokenSeconds,
}: InjectionSettings): string =>
  createHash("sha256")
    .update(JSON.stringify([image, contract, tokenAudiences, tokenSeconds]), "utf8")
    .digest("hex")
    .slice(0, 16);

/** What is fixed in every pod: names, paths, ports and the user of the sidecar. */
export const sidecarPlaces = {
  container: "sidegate",
  user: 14_100,
  group: 14_100,
  proxyPort: 15_100,
  adminPort: 15_101,
  /** For other pods, where a route says so. */
  podPort: 15_102,
  /** Name of the admin port in the pod, by which a PodMonitor finds it; Kubernetes allows 15 characters. */
  adminPortName: "sidegate-admin",
  volumes: {
    config: "sidegate-config",
    tokens: "sidegate-tokens",
    audit: "sidegate-audit",
    noApiToken: "sidegate-no-api-token",
  },
  paths: {
    config: "/etc/sidegate/config",
    tokens: "/var/run/secrets/sidegate",
    audit: "/var/log/sidegate",
    /** Where the ServiceAccount admission plugin would mount an API token; a mount of our own keeps it away. */
    apiToken: "/var/run/secrets/kubernetes.io/serviceaccount",
  },
  /** File of the token for an audience, below paths.tokens: the index in tokenAudiences, because an audience may be a URL. */
  tokenFile: (index: number): string => `token-${index}`,
} as const;
