/** What the injection reads of a v1 Pod. Whatever else a pod has is kept as it is. */
import * as z from "zod";

const list = <Item extends z.ZodType>(item: Item) => z.array(item).nullish();
const quantities = z.record(z.string(), z.union([z.string(), z.number()])).nullish();
const strings = z.record(z.string(), z.string()).nullish();
const secretName = z.looseObject({ name: z.string().nullish() }).nullish();

const envSchema = z.looseObject({
  name: z.string(),
  value: z.string().nullish(),
  valueFrom: z.looseObject({ secretKeyRef: secretName }).nullish(),
});

const containerSchema = z.looseObject({
  name: z.string(),
  image: z.string().nullish(),
  imagePullPolicy: z.string().nullish(),
  restartPolicy: z.string().nullish(),
  env: list(envSchema),
  envFrom: list(z.looseObject({ secretRef: secretName })),
  ports: list(
    z.looseObject({
      containerPort: z.number().nullish(),
      hostPort: z.number().nullish(),
      protocol: z.string().nullish(),
    }),
  ),
  volumeMounts: list(z.looseObject({ name: z.string() })),
  securityContext: z.looseObject({ runAsUser: z.number().nullish() }).nullish(),
  resources: z.looseObject({ requests: quantities, limits: quantities }).nullish(),
});

const volumeSchema = z.looseObject({
  name: z.string(),
  secret: z.looseObject({ secretName: z.string().nullish() }).nullish(),
  projected: z.looseObject({ sources: list(z.looseObject({ secret: secretName })) }).nullish(),
});

const podSchema = z.looseObject({
  metadata: z.looseObject({ labels: strings, annotations: strings }).nullish(),
  spec: z.looseObject({
    containers: z.array(containerSchema),
    initContainers: list(containerSchema),
    ephemeralContainers: list(containerSchema),
    volumes: list(volumeSchema),
    hostNetwork: z.boolean().nullish(),
    hostPID: z.boolean().nullish(),
    shareProcessNamespace: z.boolean().nullish(),
    os: z.looseObject({ name: z.string().nullish() }).nullish(),
    nodeSelector: strings,
    securityContext: z.looseObject({ runAsUser: z.number().nullish() }).nullish(),
    serviceAccountName: z.string().nullish(),
    terminationGracePeriodSeconds: z.number().nullish(),
  }),
});

/** A pod, or the template of one. Members that are absent may be null, as YAML has them. */
export type Pod = z.output<typeof podSchema>;
export type Container = z.output<typeof containerSchema>;
export type EnvEntry = z.output<typeof envSchema>;
export type Volume = z.output<typeof volumeSchema>;

/** Where something stands in a pod. */
export type PodPath = readonly (string | number)[];

/** The pod, or the first field that is not what a pod has there. */
export const readPod = (value: unknown): { pod: Pod } | { path: PodPath; message: string } => {
  const result = podSchema.safeParse(value);
  if (result.success) return { pod: result.data };
  const [issue] = result.error.issues;
  // A pod has no symbols as keys: they come from JSON or YAML.
  return { path: (issue?.path ?? []) as PodPath, message: issue?.message ?? "not a pod" };
};

/** Annotations of a value that may be no pod at all: the question whether it is meant for us comes before its form. */
export const annotationOf = (value: unknown, key: string): unknown => {
  const member = (of: unknown, name: string): unknown =>
    typeof of === "object" && of !== null && Object.hasOwn(of, name)
      ? (of as Readonly<Record<string, unknown>>)[name] // an object has members
      : undefined;
  return member(member(member(value, "metadata"), "annotations"), key);
};

/** A container with its place. */
export interface PlacedContainer {
  readonly list: "containers" | "initContainers" | "ephemeralContainers";
  readonly index: number;
  readonly container: Container;
  readonly path: PodPath;
}

/** Every container of the pod in the order of its start. */
export const allContainers = ({ spec }: Pod): PlacedContainer[] =>
  (["initContainers", "containers", "ephemeralContainers"] as const).flatMap((name) =>
    (spec[name] ?? []).map((container, index) => ({
      list: name,
      index,
      container,
      path: ["spec", name, index],
    })),
  );
