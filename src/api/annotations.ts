/** Every label and annotation of ours, with who writes it and what it says. The reference page follows this table. */

/** Where a key stands: on pods, on Secrets that users write, on the Secrets that the operator publishes, or on quotas. */
export interface MarkRow {
  readonly key: string;
  readonly on: "Pod" | "Secret" | "ConfigSecret" | "WebhookSecret" | "AIQuota";
  readonly as: "label" | "annotation";
  readonly by: "user" | "injector" | "operator";
  readonly sentence: string;
}

const prefix = "sidegate.dev";

/** The keys by the name that code uses. */
export const marks = {
  inject: `${prefix}/inject`,
  route: `${prefix}/route`,
  containers: `${prefix}/containers`,
  client: `${prefix}/client`,
  image: `${prefix}/image`,
  logLevel: `${prefix}/log-level`,
  cpuRequest: `${prefix}/cpu-request`,
  cpuLimit: `${prefix}/cpu-limit`,
  memoryRequest: `${prefix}/memory-request`,
  memoryLimit: `${prefix}/memory-limit`,
  injected: `${prefix}/injected`,
  contract: `${prefix}/contract`,
  injectionDigest: `${prefix}/injection-digest`,
  configSecret: `${prefix}/config-secret`,
  configDigest: `${prefix}/config-digest`,
  reminder: `${prefix}/config-reminder`,
  config: `${prefix}/config`,
  serviceAccount: `${prefix}/service-account`,
  unusedSince: `${prefix}/unused-since`,
  rotate: `${prefix}/rotate`,
  announced: `${prefix}/ca-announced`,
  switched: `${prefix}/ca-switched`,
  credential: `${prefix}/credential`,
  hosts: `${prefix}/hosts`,
  reset: `${prefix}/reset`,
  override: `${prefix}/override`,
} as const;

const row = (key: string, on: MarkRow["on"], as: MarkRow["as"], by: MarkRow["by"], sentence: string): MarkRow => ({
  key,
  on,
  as,
  by,
  sentence,
});

/** Every key with its sentence, in the order of the reference page. */
export const markTable: readonly MarkRow[] = [
  row(marks.inject, "Pod", "annotation", "user", '"true" opts the pod in; "false" or absent leaves it alone.'),
  row(marks.route, "Pod", "annotation", "user", "Picks one of several AIRoutes that name the pod's service account."),
  row(
    marks.containers,
    "Pod",
    "annotation",
    "user",
    "Containers that get the environment, separated by commas; absent: all.",
  ),
  row(
    marks.client,
    "Pod",
    "annotation",
    "user",
    "Environment for which client: OpenAI (default), AzureOpenAI or None.",
  ),
  row(
    marks.image,
    "Pod",
    "annotation",
    "user",
    "Image of the sidecar; only one that the chart's injection.imageOverrides allows.",
  ),
  row(marks.logLevel, "Pod", "annotation", "user", "Log level of the sidecar: debug, info, warn, error or silent."),
  row(marks.cpuRequest, "Pod", "annotation", "user", "CPU request of the sidecar, such as 50m."),
  row(marks.cpuLimit, "Pod", "annotation", "user", "CPU limit of the sidecar, such as 1."),
  row(marks.memoryRequest, "Pod", "annotation", "user", "Memory request of the sidecar, such as 96Mi."),
  row(marks.memoryLimit, "Pod", "annotation", "user", "Memory limit of the sidecar, such as 192Mi."),
  row(
    marks.injected,
    "Pod",
    "label",
    "injector",
    '"true": the pod carries the sidecar. The operator watches pods by it.',
  ),
  row(
    marks.contract,
    "Pod",
    "label",
    "injector",
    "Contract version of the pod's sidecar: the config is published in it as long as the pod lives.",
  ),
  row(
    marks.injectionDigest,
    "Pod",
    "annotation",
    "injector",
    "Digest of the injection settings; pods with another one are counted as outdated.",
  ),
  row(marks.configSecret, "Pod", "annotation", "injector", "Secret that holds the pod's config."),
  row(
    marks.configDigest,
    "Pod",
    "annotation",
    "operator",
    "Digest of the newest config; its change makes the kubelet refresh the volume at once.",
  ),
  row(marks.config, "ConfigSecret", "label", "operator", '"true": a published sidecar config.'),
  row(marks.serviceAccount, "ConfigSecret", "annotation", "operator", "Service account that the config is for."),
  row(
    marks.unusedSince,
    "ConfigSecret",
    "annotation",
    "operator",
    "When its last user went; removed 10 minutes later.",
  ),
  row(marks.credential, "Secret", "label", "user", '"true" permits AIRoutes of the namespace to use the Secret.'),
  row(
    marks.hosts,
    "Secret",
    "annotation",
    "user",
    "Hosts that the Secret's values may be sent to, separated by commas; absent: any.",
  ),
  row(
    marks.rotate,
    "WebhookSecret",
    "annotation",
    "user",
    "Asks for a new certificate authority; any value. Removed when it is made.",
  ),
  row(marks.announced, "WebhookSecret", "annotation", "operator", "When the API server was told of the new authority."),
  row(
    marks.switched,
    "WebhookSecret",
    "annotation",
    "operator",
    "When the serving certificate of the new authority was written.",
  ),
  row(
    marks.reminder,
    "Pod",
    "annotation",
    "operator",
    "Counts up while the sidecar has not taken its newest config: the kubelet then looks again.",
  ),
  row(
    marks.reset,
    "AIQuota",
    "annotation",
    "user",
    'Counters that began anew: a JSON list, at most 32, of {"at", "limit"?, "subject"?, "by", "reason"}; written by `sidegate quota reset`.',
  ),
  row(
    marks.override,
    "AIQuota",
    "annotation",
    "user",
    'Limits that are others for a while: a JSON list, at most 32, of {"limit", "to", "until", "by", "reason"}; written by `sidegate quota override`.',
  ),
];
