/** The CustomResourceDefinitions, made from the schemas that everything else uses. */
import type { z } from "zod";
import { aiquotaSpecSchema, aiquotaStatusSchema } from "./aiquota.ts";
import { airouteSpecSchema, airouteStatusSchema } from "./airoute.ts";
import { apiGroup } from "./object.ts";
import { type OpenApiNode, openApiOf, withoutBounds } from "./openapi.ts";

/** A column of `kubectl get`; priority 1 shows with `-o wide` only. */
export interface PrinterColumn {
  readonly name: string;
  readonly type: "string" | "integer" | "date";
  readonly jsonPath: string;
  readonly description: string;
  readonly priority?: 1;
}

/** What makes a kind. */
export interface Kind {
  readonly kind: string;
  readonly plural: string;
  readonly shortName: string;
  readonly description: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly columns: readonly PrinterColumn[];
  readonly spec: z.ZodType;
  readonly status: z.ZodType;
}

const age: PrinterColumn = {
  name: "Age",
  type: "date",
  jsonPath: ".metadata.creationTimestamp",
  description: "When it was created.",
};
const conditionColumn = (list: "parents" | "ancestors", type: string, priority?: 1): PrinterColumn => ({
  name: type,
  type: "string",
  jsonPath: `.status.${list}[0].conditions[?(@.type=="${type}")].status`,
  description: `Condition ${type} of the first entry.`,
  ...(priority && { priority }),
});

/** AIRoute as a kind: names, columns, schemas. */
export const airouteKind: Kind = {
  kind: "AIRoute",
  plural: "airoutes",
  shortName: "air",
  description: "What a workload may call, where it goes, and under which rules.",
  labels: {},
  columns: [
    {
      name: "ServiceAccount",
      type: "string",
      jsonPath: ".spec.parentRefs[0].name",
      description: "The first service account.",
    },
    conditionColumn("parents", "Accepted"),
    conditionColumn("parents", "ResolvedRefs", 1),
    conditionColumn("parents", "Programmed"),
    {
      name: "Reason",
      type: "string",
      jsonPath: '.status.parents[0].conditions[?(@.type=="Programmed")].reason',
      description: "Reason of the condition Programmed of the first entry.",
      priority: 1,
    },
    { name: "Sidecars", type: "integer", jsonPath: ".status.sidecars.desired", description: "Live sidecars." },
    {
      name: "Current",
      type: "integer",
      jsonPath: ".status.sidecars.programmed",
      description: "Live sidecars that run the current config.",
    },
    {
      name: "Outdated",
      type: "integer",
      jsonPath: ".status.sidecars.outdated",
      description: "Live sidecars that only a restart of their pods brings up to date.",
      priority: 1,
    },
    age,
  ],
  spec: airouteSpecSchema,
  status: airouteStatusSchema,
};

/** AIQuota as a kind: names, columns, schemas. */
export const aiquotaKind: Kind = {
  kind: "AIQuota",
  plural: "aiquotas",
  shortName: "aiq",
  description: "How much of the providers a workload, a route or a namespace may use.",
  // Gateway API's mark of a policy that reaches what lies below its target.
  labels: { "gateway.networking.k8s.io/policy": "Inherited" },
  columns: [
    { name: "Mode", type: "string", jsonPath: ".spec.mode", description: "Enforce or Audit." },
    { name: "Target", type: "string", jsonPath: ".spec.targetRefs[0].name", description: "The first target." },
    {
      name: "Selector",
      type: "string",
      jsonPath: ".spec.targetRefs[0].selector",
      description: "The namespaces that the first target means, where it names none.",
      priority: 1,
    },
    {
      name: "Limit",
      type: "string",
      jsonPath: ".status.usage[0].limit",
      description: "The limit that the next columns speak of.",
    },
    {
      name: "Used",
      type: "string",
      jsonPath: ".status.usage[0].used",
      description: "What the first subject has used.",
    },
    {
      name: "Remaining",
      type: "string",
      jsonPath: ".status.usage[0].remaining",
      description: "What the first subject has left.",
    },
    {
      name: "Reserved",
      type: "string",
      jsonPath: ".status.usage[0].reserved",
      description: "What calls of the first subject that have not ended hold.",
      priority: 1,
    },
    {
      name: "Resets",
      type: "string", // a date would be shown as its age, and this one is yet to come
      jsonPath: ".status.usage[0].resetsAt",
      description: "When the first subject's window ends.",
    },
    conditionColumn("ancestors", "Accepted"),
    age,
  ],
  spec: aiquotaSpecSchema,
  status: aiquotaStatusSchema,
};

/** The CustomResourceDefinition of a kind: one version, structural, with status as a subresource. */
export const crdOf = (kind: Kind): object => ({
  apiVersion: "apiextensions.k8s.io/v1",
  kind: "CustomResourceDefinition",
  metadata: { name: `${kind.plural}.${apiGroup}`, ...(Object.keys(kind.labels).length > 0 && { labels: kind.labels }) },
  spec: {
    group: apiGroup,
    names: {
      kind: kind.kind,
      listKind: `${kind.kind}List`,
      plural: kind.plural,
      singular: kind.kind.toLowerCase(),
      shortNames: [kind.shortName],
      categories: ["ai"],
    },
    scope: "Namespaced",
    versions: [
      {
        name: "v1alpha1",
        served: true,
        storage: true,
        subresources: { status: {} },
        additionalPrinterColumns: kind.columns,
        schema: { openAPIV3Schema: rootSchema(kind) },
      },
    ],
  },
});

const rootSchema = (kind: Kind): OpenApiNode => ({
  type: "object",
  description: kind.description,
  required: ["spec"],
  properties: {
    apiVersion: { type: "string", description: "Version of the API." },
    kind: { type: "string", description: "Kind of the resource." },
    metadata: { type: "object" },
    spec: { description: "What is wanted.", ...withoutBounds(openApiOf(kind.spec)) },
    status: { description: "What is. Only the operator writes it.", ...withoutBounds(openApiOf(kind.status)) },
  },
});
