/** Rows of the tests of the admission policies: each changes one thing of a pod. */

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
export interface LooseContainer {
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

export const row = (name: string, change: PolicyRow["change"], says?: string): PolicyRow => ({
  name,
  from: "injected",
  change,
  says,
});
export const plain = (name: string, change: PolicyRow["change"], says?: string): PolicyRow => ({
  ...row(name, change, says),
  from: "plain",
});

export const sidecar = ({ spec }: LoosePod): LooseContainer =>
  spec.initContainers?.find(({ name }) => name === "sidegate") ?? { name: "none" };
export const app = ({ spec }: LoosePod): LooseContainer => spec.containers[0] ?? { name: "none" };
export const annotate = (pod: LoosePod, key: string, value: string): void => {
  pod.metadata.annotations = { ...pod.metadata.annotations, [key]: value };
};
export const label = (pod: LoosePod, key: string, value: string): void => {
  pod.metadata.labels = { ...pod.metadata.labels, [key]: value };
};
export const secure = (pod: LoosePod, change: object): void => {
  sidecar(pod)["securityContext"] = { ...(sidecar(pod)["securityContext"] as object), ...change };
};
export const volume = (pod: LoosePod, name: string, source: object): void => {
  pod.spec.volumes = [...(pod.spec.volumes ?? []).filter((each) => each["name"] !== name), { name, ...source }];
};
export const setEnv = (pod: LoosePod, name: string, value: string): void => {
  const others = (sidecar(pod).env ?? []).filter((entry) => entry["name"] !== name);
  sidecar(pod).env = [...others, { name, value }];
};
export const mount = (container: LooseContainer, name: string, mountPath: string): void => {
  container.volumeMounts = [...(container.volumeMounts ?? []), { name, mountPath }];
};
export const published = "sidegate-bot-0123456789ab";
