/** Adds the sidecar to an annotated pod. Pure: the webhook, `sidegate inject` and the tests call this one function. */
import { marks } from "../api/annotations.ts";
import { suggest } from "../api/suggest.ts";
import { sidecarContainer, sidecarVolumes } from "./container.ts";
import { ineligible, isSidecar } from "./eligible.ts";
import { withEnvironment } from "./environment.ts";
import { type JsonPatchOperation, jsonPatch } from "./json-patch.ts";
import { meshWarnings } from "./mesh.ts";
import { type Overrides, readOverrides } from "./overrides.ts";
import { annotationOf, type Container, type Pod, readPod, type Volume } from "./pod.ts";
import { type Refusal, refusal } from "./refusal.ts";
import { type InjectionSettings, injectionDigest } from "./settings.ts";
import { configSecretName, type Workload } from "./workload.ts";

/** Service account of a pod that names none. */
const serviceAccountDefault = "default";

/** Where the pod is to be, and what the platform team has fixed. */
export interface InjectionContext {
  readonly namespace: string;
  readonly settings: InjectionSettings;
}

/** What became of a pod. `unchanged`: it did not ask, or has everything already. `patch` turns the pod that was given into `pod`. */
export type Injection =
  | { readonly kind: "unchanged" }
  | {
      readonly kind: "injected";
      readonly pod: Pod;
      readonly patch: readonly JsonPatchOperation[];
      readonly workload: Workload;
      /** Sentences for the pod's owner, for admission warnings. */
      readonly warnings: readonly string[];
    }
  | Refusal;

/**
 * Injects, or mends what another mutator has changed since: the sidecar and its volumes are made as they must be, containers that
 * came later get the environment. The order of containers that are there already is left alone. Never throws for any `value`.
 */
export const inject = (value: unknown, { namespace, settings }: InjectionContext): Injection => {
  const wish = annotationOf(value, marks.inject);
  if (wish === undefined || wish === null || wish === "false") return { kind: "unchanged" };
  if (wish !== "true") return refusal("InjectInvalid", ["metadata", "annotations", marks.inject], injectSentence(wish));
  const read = readPod(value);
  if ("message" in read) return refusal("PodInvalid", read.path, read.message);
  const { pod } = read;
  const overrides = readOverrides(pod, settings);
  if ("reason" in overrides) return overrides;
  const refused = ineligible(pod);
  if (refused) return refused;
  const workload: Workload = {
    namespace,
    serviceAccount: pod.spec.serviceAccountName || serviceAccountDefault,
    routePick: overrides.routePick,
  };
  const configSecret = configSecretName(workload);
  const { spec, warnings } = injectedSpec(pod, settings, overrides, configSecret);
  const injected: Pod = { ...pod, metadata: injectedMetadata(pod, settings, configSecret), spec };
  const patch = jsonPatch(value, injected);
  return patch.length === 0 ? { kind: "unchanged" } : { kind: "injected", pod: injected, patch, workload, warnings };
};

const injectSentence = (wish: unknown): string => {
  const meant = typeof wish === "string" ? suggest(wish, ["true", "false"]) : undefined;
  return `must be "true" or "false", in quotes${meant === undefined ? "" : `; did you mean "${meant}"?`}`;
};

const injectedMetadata = ({ metadata }: Pod, settings: InjectionSettings, configSecret: string): Pod["metadata"] => ({
  ...metadata,
  labels: {
    ...metadata?.labels,
    [marks.injected]: "true",
    [marks.contract]: String(settings.contractVersion),
  },
  annotations: {
    ...metadata?.annotations,
    [marks.injectionDigest]: injectionDigest(settings),
    [marks.configSecret]: configSecret,
  },
});

const injectedSpec = (
  pod: Pod,
  settings: InjectionSettings,
  overrides: Overrides,
  configSecret: string,
): { readonly spec: Pod["spec"]; readonly warnings: readonly string[] } => {
  const warnings = [...meshWarnings(pod)];
  const equip = (container: Container): Container => {
    if (overrides.containers && !overrides.containers.includes(container.name)) return container;
    const equipped = withEnvironment(container, overrides.client);
    warnings.push(...equipped.warnings);
    return equipped.container;
  };
  const wanted = sidecarContainer(pod, settings, overrides);
  const present = pod.spec.initContainers ?? [];
  const at = present.findIndex((container) => isSidecar(pod, { list: "initContainers", container }));
  const initContainers =
    at < 0
      ? [wanted, ...present.map(equip)]
      : present.map((container, index) => {
          if (index === at) return mended(container, wanted);
          // What starts before the sidecar cannot call it; a mesh that moves itself first is such a container.
          return index < at ? container : equip(container);
        });
  const containers = pod.spec.containers.map(equip);
  const volumes = withVolumes(pod.spec.volumes ?? [], sidecarVolumes(settings, configSecret));
  return { spec: { ...pod.spec, initContainers, containers, volumes }, warnings };
};

/** The sidecar as it must be. AlwaysPullImages may have set the pull policy, which takes nothing away. */
const mended = (present: Container, wanted: Container): Container =>
  present.imagePullPolicy === "Always" ? { ...wanted, imagePullPolicy: "Always" } : wanted;

/** Ours take the place of those with the same name; new ones come last. */
const withVolumes = (present: readonly Volume[], wanted: readonly Volume[]): Volume[] => {
  const replaced = present.map((volume) => wanted.find(({ name }) => name === volume.name) ?? volume);
  return [...replaced, ...wanted.filter(({ name }) => !present.some((volume) => volume.name === name))];
};
