/** What every resource has: group, version, metadata, and the names that Kubernetes allows. */
import { z } from "zod";
import { matching } from "./rules.ts";

/** API group of our kinds, and prefix of our labels and annotations. */
export const apiGroup = "sidegate.dev";
/** `apiVersion` of our kinds. */
export const apiVersion = `${apiGroup}/v1alpha1`;

/** A DNS-1123 subdomain: the name of most Kubernetes objects. */
export const subdomainPattern = "^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$";
/** A DNS-1123 label: names inside our resources, and of namespaces. */
export const labelPattern = "^[a-z0-9]([-a-z0-9]*[a-z0-9])?$";

/** Name of a Kubernetes object. */
export const objectName = () =>
  matching(
    z.string().min(1).max(253),
    subdomainPattern,
    "must be lower-case letters, digits, '-' and '.', as Kubernetes names are",
  );

/** Name of an entry inside one of our resources: a backend, a rule, a limit. */
export const entryName = () =>
  matching(z.string().min(1).max(63), labelPattern, "must be lower-case letters, digits and '-', at most 63");

/**
 * Name of a model or deployment as providers write them: visible ASCII without quotes or backslash. Not `matching`: a route can hold
 * so many of them that the API server refuses a rule over each, by its cost.
 */
export const modelName = () =>
  z
    .string()
    .min(1)
    .max(256)
    .regex(/^[A-Za-z0-9][A-Za-z0-9._:/@+-]*$/, {
      error: "must be letters, digits and . _ : / @ + -, as model names are",
    });

const stringMap = z.record(z.string(), z.string({ error: 'must be a string; put it in quotes, such as "true"' }));

/** metadata as Kubernetes has it. Only what `compile` reads has a narrow type; an unknown member is refused. */
export const metadataSchema = z.strictObject({
  name: objectName(),
  namespace: z
    .string()
    .max(63)
    .regex(new RegExp(labelPattern), { error: "must be lower-case letters, digits and '-', as namespaces are" }),
  generation: z.int().min(0).max(Number.MAX_SAFE_INTEGER).optional(),
  /** RFC 3339; the older of two routes wins. */
  creationTimestamp: z.string().max(64).nullish(),
  labels: stringMap.optional(),
  annotations: stringMap.optional(),
  generateName: z.string().optional(),
  uid: z.string().optional(),
  resourceVersion: z.string().optional(),
  selfLink: z.string().optional(),
  deletionTimestamp: z.string().nullish(),
  deletionGracePeriodSeconds: z.int().nullish(),
  finalizers: z.array(z.string()).optional(),
  ownerReferences: z.array(z.unknown()).optional(),
  managedFields: z.array(z.unknown()).optional(),
});

/** metadata of a resource that was read. */
export type Metadata = z.output<typeof metadataSchema>;
