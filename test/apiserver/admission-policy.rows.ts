/** Pods and what the admission policies say of them. Data: each row changes one thing of a pod that the injector has made. */

/** A pod as JSON, open for changes. */
export interface LoosePod {
  metadata: { name: string; labels?: Record<string, string>; annotations?: Record<string, string> };
  spec: {
    containers: LooseContainer[];
    initContainers?: LooseContainer[];
    volumes?: Record<string, unknown>[];
    [member: string]: unknown;
  };
}
interface LooseContainer {
  name: string;
  env?: Record<string, unknown>[];
  volumeMounts?: Record<string, unknown>[];
  [member: string]: unknown;
}

/** `says`: a part of the refusal; absent: the pod is taken. */
export interface PolicyRow {
  readonly name: string;
  /** The pod before the change: injected, or as users write it. */
  readonly from: "injected" | "plain";
  readonly change: (pod: LoosePod) => void;
  readonly says?: string;
}

const row = (name: string, change: PolicyRow["change"], says?: string): PolicyRow => ({
  name,
  from: "injected",
  change,
  says,
});
const plain = (name: string, change: PolicyRow["change"], says?: string): PolicyRow => ({
  ...row(name, change, says),
  from: "plain",
});

const sidecar = ({ spec }: LoosePod): LooseContainer =>
  spec.initContainers?.find(({ name }) => name === "sidegate") ?? { name: "none" };
const app = ({ spec }: LoosePod): LooseContainer => spec.containers[0] ?? { name: "none" };
const annotate = (pod: LoosePod, key: string, value: string): void => {
  pod.metadata.annotations = { ...pod.metadata.annotations, [key]: value };
};
const label = (pod: LoosePod, key: string, value: string): void => {
  pod.metadata.labels = { ...pod.metadata.labels, [key]: value };
};
const secure = (pod: LoosePod, change: object): void => {
  sidecar(pod)["securityContext"] = { ...(sidecar(pod)["securityContext"] as object), ...change };
};
const volume = (pod: LoosePod, name: string, source: object): void => {
  pod.spec.volumes = [...(pod.spec.volumes ?? []).filter((each) => each["name"] !== name), { name, ...source }];
};
const setEnv = (pod: LoosePod, name: string, value: string): void => {
  const others = (sidecar(pod).env ?? []).filter((entry) => entry["name"] !== name);
  sidecar(pod).env = [...others, { name, value }];
};
const mount = (container: LooseContainer, name: string, mountPath: string): void => {
  container.volumeMounts = [...(container.volumeMounts ?? []), { name, mountPath }];
};
const published = "sidegate-bot-0123456789ab";

const marksRows: readonly PolicyRow[] = [
  row("what the injector makes is taken", () => undefined),
  plain("a pod without annotations is taken", () => undefined),
  plain("a pod with other annotations is taken", (pod) => annotate(pod, "team", "a")),
  plain("a pod that says false is taken", (pod) => annotate(pod, "sidegate.dev/inject", "false")),
  plain(
    "an annotation that came too late",
    (pod) => annotate(pod, "sidegate.dev/inject", "true"),
    'has no sidecar "sidegate"; set the annotation in the pod\'s template',
  ),
  plain(
    "a wish that is neither true nor false",
    (pod) => annotate(pod, "sidegate.dev/inject", "yes"),
    'must be "true" or "false"',
  ),
  plain("the label alone", (pod) => label(pod, "sidegate.dev/injected", "true"), "only the injector sets this label"),
  row(
    "the annotation taken off",
    ({ metadata }) => delete metadata.annotations?.["sidegate.dev/inject"],
    "only the injector sets this label",
  ),
  row("the label taken off", ({ metadata }) => delete metadata.labels?.["sidegate.dev/injected"], "metadata.labels"),
  row("no contract", ({ metadata }) => delete metadata.labels?.["sidegate.dev/contract"], "metadata.labels"),
];

const sidecarRows: readonly PolicyRow[] = [
  row("the sidecar stripped", ({ spec }) => delete spec.initContainers, "has no sidecar"),
  row(
    "the sidecar among the ordinary containers",
    (pod) => {
      const { restartPolicy: _, startupProbe: __, ...moved } = sidecar(pod);
      pod.spec.containers.push(moved);
      delete pod.spec.initContainers;
    },
    "has no sidecar",
  ),
  row(
    "an init container that ends",
    (pod) => {
      const { restartPolicy: _, startupProbe: __, livenessProbe: ___, readinessProbe: ____, ...ending } = sidecar(pod);
      pod.spec.initContainers = [ending];
    },
    "must have restartPolicy: Always",
  ),
  row("another container before it is taken", ({ spec }) =>
    spec.initContainers?.unshift({ name: "mesh", image: "mesh:1", restartPolicy: "Always" }),
  ),
  row(
    "another image",
    (pod) => {
      sidecar(pod)["image"] = "mirror.example/sidegate:1";
    },
    "may not run image mirror.example/sidegate:1",
  ),
  row(
    "an image whose name only begins like ours",
    (pod) => {
      sidecar(pod)["image"] = "registry.example:5000/sidegate-evil:1";
    },
    "may not run image",
  ),
  row("another version of the image is taken", (pod) => {
    sidecar(pod)["image"] = "registry.example:5000/sidegate:0.9.0";
  }),
  row("the image by digest is taken", (pod) => {
    sidecar(pod)["image"] = `registry.example:5000/sidegate@sha256:${"0".repeat(64)}`;
  }),
  row("an image that the overrides allow is taken", (pod) => {
    sidecar(pod)["image"] = "trial.example/sidegate:2-rc1";
  }),
  row("another user", (pod) => secure(pod, { runAsUser: 1000 }), "must run as user 14100"),
  row("a writable root", (pod) => secure(pod, { readOnlyRootFilesystem: false }), "read-only root"),
  row("a capability", (pod) => secure(pod, { capabilities: { drop: ["ALL"], add: ["NET_ADMIN"] } }), "no capabilities"),
  row("escalation", (pod) => secure(pod, { allowPrivilegeEscalation: true }), "not privileged"),
  row(
    "another command",
    (pod) => {
      sidecar(pod)["command"] = ["node", "-e", "0"];
    },
    "its own command",
  ),
  row(
    "arguments",
    (pod) => {
      sidecar(pod)["args"] = ["--help"];
    },
    "its own command",
  ),
  row(
    "a hook",
    (pod) => {
      sidecar(pod)["lifecycle"] = { preStop: { sleep: { seconds: 1 } } };
    },
    "without lifecycle hooks",
  ),
  row(
    "a probe that runs a command",
    (pod) => {
      sidecar(pod)["livenessProbe"] = { exec: { command: ["node", "-e", "0"] } };
    },
    "probed by HTTP",
  ),
  row("a pull policy and resources are taken", (pod) => {
    sidecar(pod)["imagePullPolicy"] = "Always";
    sidecar(pod)["resources"] = { limits: { cpu: "1", memory: "1Gi" } };
  }),
];

const environmentRows: readonly PolicyRow[] = [
  row(
    "code by NODE_OPTIONS",
    (pod) => setEnv(pod, "NODE_OPTIONS", "--import=data:,"),
    "environment is not the injector's",
  ),
  row("a library by LD_PRELOAD", (pod) => setEnv(pod, "LD_PRELOAD", "/x.so"), "environment is not the injector's"),
  row("another PATH", (pod) => setEnv(pod, "PATH", "/x"), "environment is not the injector's"),
  row("another config", (pod) => setEnv(pod, "SIDEGATE_CONFIG", "/tmp"), "environment is not the injector's"),
  row(
    "another identity",
    (pod) => setEnv(pod, "SIDEGATE_SERVICE_ACCOUNT", "admin"),
    "environment is not the injector's",
  ),
  row(
    "a Redis of one's own",
    (pod) => setEnv(pod, "SIDEGATE_REDIS_URL", "redis://x"),
    "environment is not the injector's",
  ),
  row(
    "a variable that is missing",
    (pod) => {
      sidecar(pod).env = [];
    },
    "environment is not the injector's",
  ),
  row(
    "variables from a ConfigMap",
    (pod) => {
      sidecar(pod)["envFrom"] = [{ configMapRef: { name: "x" } }];
    },
    "environment is not the injector's",
  ),
  row("a variable of another tool is taken", (pod) => setEnv(pod, "DD_ENTITY_ID", "x")),
];

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
    "container app uses port 15100 or 15101",
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

/** Every pod that is created. */
export const policyRows: readonly PolicyRow[] = [
  ...marksRows,
  ...sidecarRows,
  ...environmentRows,
  ...volumeRows,
  ...neighbourRows,
  ...secretRows,
];

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
