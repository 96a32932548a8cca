import { annotate, app, mount, type PolicyRow, plain, published, row, sidecar, volume } from "./policy-row.ts";

const volumeRows: readonly PolicyRow[] = [
  row(
    "a mount that is missing",
    (pod) => {
      sidecar(pod).volumeMounts?.pop();
    },
    "volumeMounts are not the injector's",
  ),
  row(
    "a mount over the program",
    (pod) => {
      volume(pod, "mine", { emptyDir: {} });
      mount(sidecar(pod), "mine", "/app");
    },
    "volumeMounts are not the injector's",
  ),
  row(
    "a mount over the tokens",
    (pod) => {
      volume(pod, "mine", { emptyDir: {} });
      mount(sidecar(pod), "mine", "/var/run/secrets/sidegate/x");
    },
    "volumeMounts are not the injector's",
  ),
  row("a cloud's token below /var/run/secrets is taken", (pod) => {
    volume(pod, "cloud", { emptyDir: {} });
    mount(sidecar(pod), "cloud", "/var/run/secrets/cloud.example/token");
  }),
  row(
    "another config Secret",
    (pod) => volume(pod, "sidegate-config", { secret: { secretName: published } }),
    "must be the Secret that the annotation",
  ),
  row(
    "a config of one's own",
    (pod) => {
      annotate(pod, "sidegate.dev/config-secret", "mine");
      volume(pod, "sidegate-config", { secret: { secretName: "mine" } });
    },
    "must be the Secret that the annotation",
  ),
  row(
    "a config that is no Secret",
    (pod) => volume(pod, "sidegate-config", { emptyDir: {} }),
    "must be the Secret that the annotation",
  ),
  row(
    "tokens that are none",
    (pod) => volume(pod, "sidegate-tokens", { projected: { sources: [{ configMap: { name: "x" } }] } }),
    "projected service account tokens",
  ),
  row(
    "an audit spool on the node",
    (pod) => volume(pod, "sidegate-audit", { hostPath: { path: "/tmp" } }),
    "must be empty directories",
  ),
  row("a container that mounts the config", (pod) => mount(app(pod), "sidegate-config", "/x"), "container app mounts"),
  row("a container that mounts the tokens", (pod) => mount(app(pod), "sidegate-tokens", "/x"), "container app mounts"),
  row(
    "an init container that mounts the config",
    (pod) => {
      pod.spec.initContainers?.push({ name: "late", image: "x:1" });
      const late = pod.spec.initContainers?.at(-1);
      if (late) mount(late, "sidegate-config", "/x");
    },
    "container late mounts",
  ),
  row("another volume for an application is taken", (pod) => {
    volume(pod, "mine", { emptyDir: {} });
    mount(app(pod), "mine", "/x");
  }),
];

const neighbourRows: readonly PolicyRow[] = [
  row(
    "a container with the sidecar's user",
    (pod) => {
      app(pod)["securityContext"] = { runAsUser: 14100 };
    },
    "container app has runAsUser 14100",
  ),
  row(
    "a pod with the sidecar's user",
    ({ spec }) => {
      spec["securityContext"] = { runAsUser: 14100 };
    },
    "the pod has runAsUser 14100",
  ),
  row(
    "a container with the proxy's port",
    (pod) => {
      app(pod)["ports"] = [{ containerPort: 15100 }];
    },
    "container app uses port 15100, 15101 or 15102",
  ),
  row("a container with another port is taken", (pod) => {
    app(pod)["ports"] = [{ containerPort: 8080 }];
  }),
  ...(["hostNetwork", "hostPID", "shareProcessNamespace"] as const).map((name) =>
    row(
      name,
      ({ spec }) => {
        spec[name] = true;
      },
      "hostNetwork, hostPID and shareProcessNamespace",
    ),
  ),
];

const secretRows: readonly PolicyRow[] = [
  plain(
    "a stranger's volume with a config",
    (pod) => volume(pod, "mine", { secret: { secretName: published } }),
    "volume mine refers to the config of a Sidegate sidecar",
  ),
  plain(
    "a stranger's volume with the sidecar's name",
    (pod) => volume(pod, "sidegate-config", { secret: { secretName: published } }),
    "volume sidegate-config refers to the config",
  ),
  plain(
    "a stranger's projected volume",
    (pod) => volume(pod, "mine", { projected: { sources: [{ secret: { name: published } }] } }),
    "volume mine refers to the config",
  ),
  plain(
    "a stranger's variable",
    (pod) => {
      app(pod).env = [{ name: "X", valueFrom: { secretKeyRef: { name: published, key: "config.v2.json" } } }];
    },
    "the environment of container app refers to",
  ),
  plain("a stranger's other Secret is taken", (pod) =>
    volume(pod, "mine", { secret: { secretName: "sidegate-mine" } }),
  ),
  row(
    "an injected pod with a second volume of the config",
    (pod) => volume(pod, "mine", { secret: { secretName: published } }),
    "volume mine refers to the config",
  ),
  row(
    "an injected pod's envFrom",
    (pod) => {
      app(pod)["envFrom"] = [{ secretRef: { name: published } }];
    },
    "the environment of container app refers to",
  ),
];

/** Volumes, and what else is in the pod. */
export const podPolicyRows: readonly PolicyRow[] = [...volumeRows, ...neighbourRows, ...secretRows];

/** Ephemeral containers that are added to a running injected pod. */
export const ephemeralRows: readonly { name: string; container: object; says?: string }[] = [
  { name: "an ordinary one is taken", container: {} },
  { name: "one that targets the application is taken", container: { targetContainerName: "app" } },
  {
    name: "one that mounts the config",
    container: { volumeMounts: [{ name: "sidegate-config", mountPath: "/x" }] },
    says: "mounts a volume of the sidecar",
  },
  {
    name: "one that mounts the tokens",
    container: { volumeMounts: [{ name: "sidegate-tokens", mountPath: "/x" }] },
    says: "mounts a volume of the sidecar",
  },
  { name: "one that targets the sidecar", container: { targetContainerName: "sidegate" }, says: "may not target" },
  { name: "one as the sidecar's user", container: { securityContext: { runAsUser: 14100 } }, says: "runAsUser 14100" },
  {
    name: "one with a variable from the config",
    container: { env: [{ name: "X", valueFrom: { secretKeyRef: { name: published, key: "k" } } }] },
    says: "refers to the config",
  },
];
