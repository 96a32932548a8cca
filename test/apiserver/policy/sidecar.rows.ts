import { annotate, label, type PolicyRow, plain, row, secure, setEnv, sidecar } from "./policy-row.ts";

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
    "another pod's uid",
    (pod) => setEnv(pod, "SIDEGATE_POD_UID", "0f9f6a5e-1b1c-4d5e-8f70-0a1b2c3d4e5f"),
    "environment is not the injector's",
  ),
  row(
    "another app than the pod's label says",
    (pod) => setEnv(pod, "SIDEGATE_APP", "billing"),
    "environment is not the injector's",
  ),
  row(
    "another pod's token",
    (pod) => setEnv(pod, "SIDEGATE_TOKEN_FILE", "/var/run/secrets/mine/token-0"),
    "environment is not the injector's",
  ),
  row(
    "a token beside the volume",
    (pod) => setEnv(pod, "SIDEGATE_TOKEN_FILE", "/var/run/secrets/sidegate/token-0/../../mine"),
    "environment is not the injector's",
  ),
  row(
    "another port for other pods",
    (pod) => setEnv(pod, "SIDEGATE_POD_LISTEN", "0.0.0.0:80"),
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

/** Marks, and the sidecar itself. */
export const sidecarPolicyRows: readonly PolicyRow[] = [...marksRows, ...sidecarRows, ...environmentRows];
