/** Which pods cannot have the sidecar: a list of rules, each with its reason code. */
import { marks } from "../api/annotations.ts";
import { allContainers, type Container, type PlacedContainer, type Pod, type PodPath, type Volume } from "./pod.ts";
import { type Refusal, type RefusalReason, refusal } from "./refusal.ts";
import { sidecarPlaces } from "./settings.ts";
import { isConfigSecretName } from "./workload.ts";

const { container: sidecarName, user, proxyPort, adminPort, podPort } = sidecarPlaces;
const ownPorts: readonly unknown[] = [proxyPort, adminPort, podPort];
const volumeNames: readonly string[] = Object.values(sidecarPlaces.volumes);
const mirrorAnnotation = "kubernetes.io/config.mirror";

interface Finding {
  readonly path: PodPath;
  readonly sentence: string;
}

/** The reason why the pod cannot be injected; undefined: it can. */
export const ineligible = (pod: Pod): Refusal | undefined => {
  for (const [reason, find] of rules) {
    const found = find(pod);
    if (found) return refusal(reason, found.path, found.sentence);
  }
  return undefined;
};

/** True for the sidecar that an earlier injection has put there. */
export const isSidecar = (pod: Pod, { list, container }: Pick<PlacedContainer, "list" | "container">): boolean =>
  list === "initContainers" &&
  container.name === sidecarName &&
  container.restartPolicy === "Always" &&
  wasInjected(pod);

const wasInjected = ({ metadata }: Pod): boolean => metadata?.annotations?.[marks.injectionDigest] !== undefined;

const others = (pod: Pod): PlacedContainer[] => allContainers(pod).filter((placed) => !isSidecar(pod, placed));

/** The first finding of a look at each element. */
const first = <Item>(items: readonly Item[], look: (item: Item, index: number) => Finding | undefined) => {
  for (const [index, item] of items.entries()) {
    const found = look(item, index);
    if (found) return found;
  }
  return undefined;
};

const flag = (pod: Pod, name: "hostNetwork" | "hostPID" | "shareProcessNamespace", why: string) =>
  pod.spec[name] === true
    ? { path: ["spec", name], sentence: `${why}; remove it, or do without the annotation ${marks.inject}` }
    : undefined;

const windows = ({ spec }: Pod): Finding | undefined => {
  const sentence = `the sidecar runs on Linux only; remove the annotation ${marks.inject}`;
  if (spec.os?.name === "windows") return { path: ["spec", "os", "name"], sentence };
  const label = ["kubernetes.io/os", "beta.kubernetes.io/os"].find((key) => spec.nodeSelector?.[key] === "windows");
  return label === undefined ? undefined : { path: ["spec", "nodeSelector", label], sentence };
};

const userTaken = (pod: Pod): Finding | undefined => {
  const sentence = `user ${user} is the sidecar's own; run as another one`;
  if (pod.spec.securityContext?.runAsUser === user) return { path: ["spec", "securityContext", "runAsUser"], sentence };
  return first(others(pod), ({ container, path }) =>
    container.securityContext?.runAsUser === user
      ? { path: [...path, "securityContext", "runAsUser"], sentence }
      : undefined,
  );
};

const portTaken = (pod: Pod): Finding | undefined =>
  first(others(pod), ({ container, path }) =>
    first(container.ports ?? [], (port, index) => {
      if ((port.protocol ?? "TCP") !== "TCP") return undefined;
      const field = (["containerPort", "hostPort"] as const).find((name) => ownPorts.includes(port[name]));
      const sentence = `ports ${proxyPort}, ${adminPort} and ${podPort} are the sidecar's own; use another one`;
      return field && { path: [...path, "ports", index, field], sentence };
    }),
  );

const containerNameTaken = (pod: Pod): Finding | undefined =>
  first(others(pod), ({ container, path }) =>
    container.name === sidecarName
      ? { path: [...path, "name"], sentence: `"${sidecarName}" is the sidecar's own name; rename the container` }
      : undefined,
  );

const volumeNameTaken = (pod: Pod): Finding | undefined =>
  wasInjected(pod)
    ? undefined
    : first(pod.spec.volumes ?? [], ({ name }, index) =>
        volumeNames.includes(name)
          ? {
              path: ["spec", "volumes", index, "name"],
              sentence: `"${name}" is a volume of the sidecar; rename the volume`,
            }
          : undefined,
      );

const volumeMounted = (pod: Pod): Finding | undefined =>
  first(others(pod), ({ container, path }) =>
    first(container.volumeMounts ?? [], ({ name }, index) =>
      volumeNames.includes(name)
        ? {
            path: [...path, "volumeMounts", index, "name"],
            sentence: `volume ${name} is for the sidecar alone; remove the mount`,
          }
        : undefined,
    ),
  );

const secretMounted = (pod: Pod): Finding | undefined =>
  first(pod.spec.volumes ?? [], (volume, index) => {
    const name = volumeNames.includes(volume.name) ? undefined : secretOfVolume(volume);
    return name === undefined ? undefined : secretFinding(name, ["spec", "volumes", index]);
  }) ??
  first(others(pod), ({ container, path }) => {
    const name = secretOfEnv(container);
    return name === undefined ? undefined : secretFinding(name, path);
  });

const secretFinding = (name: string, path: PodPath): Finding => ({
  path,
  sentence: `Secret ${name} is the config of a sidecar; remove the reference`,
});

const secretOfVolume = ({ secret, projected }: Volume): string | undefined =>
  configSecretAmong([secret?.secretName, ...(projected?.sources ?? []).map((source) => source.secret?.name)]);

const secretOfEnv = ({ env, envFrom }: Container): string | undefined =>
  configSecretAmong([
    ...(env ?? []).map((entry) => entry.valueFrom?.secretKeyRef?.name),
    ...(envFrom ?? []).map((source) => source.secretRef?.name),
  ]);

const configSecretAmong = (names: readonly (string | null | undefined)[]): string | undefined =>
  names.find((name) => typeof name === "string" && isConfigSecretName(name)) ?? undefined;

const rules: readonly (readonly [RefusalReason, (pod: Pod) => Finding | undefined])[] = [
  ["HostNetwork", (pod) => flag(pod, "hostNetwork", "the sidecar would serve the whole node")],
  ["HostPID", (pod) => flag(pod, "hostPID", "other processes of the node could read the sidecar's credentials")],
  [
    "SharedProcessNamespace",
    (pod) => flag(pod, "shareProcessNamespace", "the application could read the sidecar's credentials"),
  ],
  ["Windows", windows],
  [
    "MirrorPod",
    ({ metadata }) =>
      metadata?.annotations?.[mirrorAnnotation] === undefined
        ? undefined
        : {
            path: ["metadata", "annotations", marks.inject],
            sentence: "a static pod cannot mount a Secret; remove the annotation, or make it a DaemonSet",
          },
  ],
  ["UserTaken", userTaken],
  ["PortTaken", portTaken],
  ["ContainerNameTaken", containerNameTaken],
  ["VolumeNameTaken", volumeNameTaken],
  ["VolumeMounted", volumeMounted],
  ["SecretMounted", secretMounted],
];
