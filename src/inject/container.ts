/** The sidecar as a container, and its volumes. Every value that the API server would fill in is written out, so that a later look finds no difference. */
import { podAudience } from "../config/pod-identity.ts";
import type { Container, Pod, Volume } from "./pod.ts";
import { type InjectionSettings, sidecarPlaces } from "./settings.ts";
import type { SidecarResources } from "./sidecar-resources.ts";

const { paths, volumes, adminPort, adminPortName, podPort, user, group } = sidecarPlaces;

/** Largest audit spool of a pod; beyond it the kubelet evicts the pod. */
export const auditSizeMax = "256Mi";
/** How long the kubelet waits for the first healthy answer before it restarts the sidecar, s; a start takes below one. */
const startSecondsMax = 60;
/** Grace period of a pod that names none, s. */
const graceSecondsDefault = 30;
/** What is kept of the grace period for the last writes, s. */
const graceSecondsKept = 2;
/** Longest grace that the sidecar's settings take, s. */
const graceSecondsMax = 3600;
/** Files that everybody may read and nobody may write: only the sidecar mounts them, as a user that owns none. */
const fileMode = 0o444;

/** What differs from pod to pod. */
export interface SidecarOptions {
  readonly image: string;
  readonly logLevel: string;
  readonly resources: SidecarResources;
}

/** The native sidecar: an init container that keeps running, ready before what comes after it starts, and stopped after the application. */
export const sidecarContainer = (pod: Pod, settings: InjectionSettings, options: SidecarOptions): Container => ({
  name: sidecarPlaces.container,
  image: options.image,
  imagePullPolicy: settings.imagePullPolicy,
  command: ["sidecar"],
  restartPolicy: "Always",
  env: [
    { name: "SIDEGATE_CONFIG", value: paths.config },
    { name: "SIDEGATE_REDIS_FILE", value: `${paths.config}/redis.json` },
    fromField("SIDEGATE_NAMESPACE", "metadata.namespace"),
    fromField("SIDEGATE_SERVICE_ACCOUNT", "spec.serviceAccountName"),
    fromField("SIDEGATE_POD", "metadata.name"),
    fromField("SIDEGATE_POD_UID", "metadata.uid"),
    // Empty where the pod has no such label.
    fromField("SIDEGATE_APP", "metadata.labels['app.kubernetes.io/name']"),
    { name: "SIDEGATE_TOKEN_FILE", value: podTokenFile(settings) },
    // In the order of the files: by it the sidecar finds the token for an audience.
    { name: "SIDEGATE_TOKEN_AUDIENCES", value: JSON.stringify(settings.tokenAudiences) },
    // Opened only while the route says so.
    { name: "SIDEGATE_POD_LISTEN", value: `[::]:${podPort}` },
    { name: "SIDEGATE_GRACE_SECONDS", value: String(graceSeconds(pod)) },
    { name: "SIDEGATE_LOG_LEVEL", value: options.logLevel },
  ],
  ports: [{ name: adminPortName, containerPort: adminPort, protocol: "TCP" }],
  // Neither page asks Redis or a provider: a mesh that blocks the network until its own proxy is up would wait for us for ever.
  startupProbe: probe("/healthz", { periodSeconds: 1, failureThreshold: startSecondsMax }),
  livenessProbe: probe("/healthz", { periodSeconds: 10, failureThreshold: 3 }),
  readinessProbe: probe("/readyz", { periodSeconds: 5, failureThreshold: 2 }),
  resources: { requests: { ...options.resources.requests }, limits: { ...options.resources.limits } },
  securityContext: {
    allowPrivilegeEscalation: false,
    capabilities: { drop: ["ALL"] },
    readOnlyRootFilesystem: true,
    runAsGroup: group,
    runAsNonRoot: true,
    runAsUser: user,
    seccompProfile: { type: "RuntimeDefault" },
  },
  terminationMessagePath: "/dev/termination-log",
  terminationMessagePolicy: "FallbackToLogsOnError",
  volumeMounts: [
    { name: volumes.config, mountPath: paths.config, readOnly: true },
    { name: volumes.tokens, mountPath: paths.tokens, readOnly: true },
    { name: volumes.audit, mountPath: paths.audit },
    // Without it the ServiceAccount admission plugin, which runs again after us, would mount an API token here.
    { name: volumes.noApiToken, mountPath: paths.apiToken, readOnly: true },
  ],
});

/** Volumes of the sidecar. `configSecret`: name of the Secret that holds the config; the pod waits until it exists. */
export const sidecarVolumes = (settings: InjectionSettings, configSecret: string): Volume[] => [
  { name: volumes.config, secret: { secretName: configSecret, defaultMode: fileMode } },
  {
    name: volumes.tokens,
    projected: {
      defaultMode: fileMode,
      sources: settings.tokenAudiences.map((audience, index) => ({
        serviceAccountToken: {
          audience,
          expirationSeconds: settings.tokenSeconds,
          path: sidecarPlaces.tokenFile(index),
        },
      })),
    },
  },
  { name: volumes.audit, emptyDir: { sizeLimit: auditSizeMax } },
  { name: volumes.noApiToken, emptyDir: {} },
];

/** The token that proves the pod. The settings hold its audience in any case. */
const podTokenFile = ({ tokenAudiences }: InjectionSettings): string =>
  `${paths.tokens}/${sidecarPlaces.tokenFile(tokenAudiences.indexOf(podAudience))}`;

const fromField = (name: string, fieldPath: string) => ({
  name,
  valueFrom: { fieldRef: { apiVersion: "v1", fieldPath } },
});

const probe = (path: string, times: { readonly periodSeconds: number; readonly failureThreshold: number }) => ({
  httpGet: { path, port: adminPort, scheme: "HTTP" },
  timeoutSeconds: 1,
  successThreshold: 1,
  ...times,
});

const graceSeconds = ({ spec }: Pod): number =>
  Math.min(
    Math.max((spec.terminationGracePeriodSeconds ?? graceSecondsDefault) - graceSecondsKept, 0),
    graceSecondsMax,
  );
