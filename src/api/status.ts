/** Pieces of the status of both kinds, as Gateway API shapes them. */
import { z } from "zod";
import { namespaceSelectorSchema } from "./aiquota-target.ts";

const conditionSchema = z.strictObject({
  type: z
    .string()
    .max(316)
    .regex(
      /^([a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*\/)?(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])$/,
    )
    .describe("Accepted, ResolvedRefs, Programmed, CredentialsAccepted, WithinLimits or Notified."),
  status: z.enum(["True", "False", "Unknown"]).describe("Whether it holds."),
  reason: z
    .string()
    .min(1)
    .max(1024)
    .regex(/^[A-Za-z]([A-Za-z0-9_,:]*[A-Za-z0-9_])?$/)
    .describe("Why, in one word."),
  message: z.string().max(32_768).describe("Why, in a sentence."),
  lastTransitionTime: z.string().meta({ format: "date-time" }).describe("When `status` changed last."),
  observedGeneration: z
    .int()
    .min(0)
    .max(Number.MAX_SAFE_INTEGER)
    .optional()
    .describe("Generation of the resource that was judged."),
});

/** Conditions, a map by type. */
export const conditionsSchema = z
  .array(conditionSchema)
  .max(8)
  .optional()
  .meta({ "x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["type"] })
  .describe("What was found.");

const controllerName = z.string().min(1).max(253).describe("Who wrote this entry.");

const count = () => z.int().min(0).max(2_147_483_647);
const amount = () => z.string().max(32);
const time = () => z.string().meta({ format: "date-time" });

/** How a route stands with one service account. */
export const parentStatusSchema = z.strictObject({
  parentRef: z
    .strictObject({
      group: z.string().max(253).describe("Group of the parent."),
      kind: z.string().max(63).describe("Kind of the parent."),
      name: z.string().max(253).describe("Name of the parent."),
    })
    .describe("The service account."),
  controllerName,
  conditions: conditionsSchema,
});

/** How a quota stands with one target. */
export const ancestorStatusSchema = z.strictObject({
  ancestorRef: z
    .strictObject({
      group: z.string().max(253).describe("Group of the target."),
      kind: z.string().max(63).describe("Kind of the target."),
      name: z.string().max(253).optional().describe("Name of the target."),
      selector: namespaceSelectorSchema.optional().describe("Namespaces that the target means."),
      sectionName: z.string().max(253).optional().describe("Rule of the route."),
    })
    .describe("The target."),
  controllerName,
  conditions: conditionsSchema,
});

/** Sidecars of a route, counted. */
export const sidecarsStatusSchema = z.strictObject({
  desired: count().optional().describe("Live sidecars."),
  programmed: count().optional().describe("Live sidecars that run the current config."),
  outdated: count()
    .optional()
    .describe("Live sidecars of an older release or from before a change that only a restart brings."),
});

/** What one subject has used of one limit. */
export const usageStatusSchema = z.strictObject({
  limit: z.string().max(63).describe("Name of the limit."),
  subject: z.string().max(1024).describe("What is counted; empty: the one shared counter."),
  used: amount().describe("Charged in this window; dollars for Cost."),
  reserved: amount().optional().describe("Held by calls that have not ended."),
  remaining: amount().optional().describe("What is left."),
  resetsAt: time().optional().describe("When the window ends."),
  observedAt: time().describe("When this was read."),
});
