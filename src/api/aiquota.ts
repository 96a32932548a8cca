/** AIQuota: how much of the providers a workload, a route or a namespace may use. */
import { z } from "zod";
import { subjectKinds, whenCharsMax } from "../config/quota.ts";
import { limitSchema } from "./aiquota-limit.ts";
import { notifySchema } from "./aiquota-notify.ts";
import { precisionRules } from "./aiquota-precision.ts";
import { overrideStatusSchema, resetStatusSchema, warningStatusSchema, warningsMax } from "./aiquota-status.ts";
import { sameTargetCel, targetKey, targetRefSchema } from "./aiquota-target.ts";
import { durationSchema } from "./duration.ts";
import { apiVersion, metadataSchema } from "./object.ts";
import { uniqueByName, uniqueScalars, withRules } from "./rules.ts";
import { ancestorStatusSchema, conditionsSchema, usageStatusSchema } from "./status.ts";

const reservationSchema = z.strictObject({
  output: z
    .enum(["Cap", "Requested", "P99"])
    .default("Cap")
    .describe(
      "Cap: hold the capped output, and ask the provider for no more. Requested: hold what the client asked for, else the model's maximum. P99: hold what 99 of 100 answers of the model stayed below; a limit can be passed by longer ones. See quotas.md.",
    ),
  lease: durationSchema({ min: "5s", max: "1h" })
    .default("60s")
    .describe("How long a hold lives without a sign of its sidecar."),
  onUnknownUsage: z
    .enum(["ChargeReserved", "ChargeObserved"])
    .default("ChargeReserved")
    .describe(
      "An answer that tells no usage, or a stream that broke off before it did: charge what was held, or what was seen to pass.",
    ),
});

/** Spec of an AIQuota, defaults filled in. */
export const aiquotaSpecSchema = withRules(
  z.strictObject({
    targetRefs: withRules(z.array(targetRefSchema).min(1).max(16), [
      {
        cel: `self.all(a, self.exists_one(b, ${sameTargetCel}))`,
        message: "each target may stand here once",
        check: (refs) => new Set(refs.map(targetKey)).size === refs.length,
      },
    ]).describe("What the quota applies to. Every quota that applies to a request must admit it."),
    mode: z
      .enum(["Enforce", "Audit"])
      .default("Enforce")
      .describe("Audit: what would be refused is counted, nothing is blocked."),
    failurePolicy: z
      .enum(["Deny", "Allow", "LocalShare"])
      .default("Deny")
      .describe(
        "The quota store is away: Deny refuses, Allow serves unenforced, LocalShare serves each sidecar's last known share of what was left. Cost must Deny. See quota-failures.md.",
      ),
    precision: z
      .enum(["Exact", "Leased"])
      .default("Exact")
      .describe(
        "Exact: the quota store decides each request. Leased: of hot counters each sidecar holds slices for 2 s at most and admits from them, so the store sees one call for many requests; never above the limit, but a request can be refused while others hold room. Not for Concurrency, nor for windows below 1m. See leased.md.",
      ),
    when: z
      .string()
      .min(1)
      .max(whenCharsMax)
      .optional()
      .describe(
        "A condition in CEL over `identity` and `request`: only requests for which it is true are counted. Absent: all. See quotas.md.",
      ),
    per: uniqueScalars(z.array(z.enum(subjectKinds)).max(subjectKinds.length))
      .default([])
      .describe(
        "One counter for each value of these. Empty: one shared counter. User, Tenant, Group and ClientKey need a route that asks for them (`identity.require`); Group: each of the caller's groups, at most 16, must admit. Backend: the one that is called; where it has no room, the rule's next one is.",
      ),
    limits: uniqueByName(z.array(limitSchema).min(1).max(16)).describe("Every one of them must admit a request."),
    notify: z
      .array(notifySchema)
      .min(1)
      .max(4)
      .optional()
      .describe(
        "Who is told, besides Events, when a threshold of `warnAt` is reached or a budget is spent. See budgets.md.",
      ),
    reservation: reservationSchema.prefault({}).describe("How usage is held before a call and settled after it."),
  }),
  [
    {
      cel: "self.failurePolicy == 'Deny' || self.limits.all(l, l.resource != 'Cost')",
      message: "must be Deny where a limit counts Cost",
      path: "failurePolicy",
      check: ({ failurePolicy, limits }) =>
        failurePolicy === "Deny" || limits.every(({ resource }) => resource !== "Cost"),
    },
    ...precisionRules,
  ],
);

/** Status of an AIQuota; only the operator writes it. */
export const aiquotaStatusSchema = z.strictObject({
  ancestors: z
    .array(ancestorStatusSchema)
    .max(16)
    .optional()
    .describe("How the quota stands with each of its targets."),
  conditions: conditionsSchema,
  usage: z.array(usageStatusSchema).max(320).optional().describe("The subjects that used most, for each limit."),
  warnings: z
    .array(warningStatusSchema)
    .max(warningsMax)
    .optional()
    .describe("Thresholds that were reached and told of, while their window lasts."),
  overrides: z
    .array(overrideStatusSchema)
    .max(16)
    .optional()
    .describe("Limits that are others for a while, and to what."),
  resets: z.array(resetStatusSchema).max(32).optional().describe("Resets that are in force."),
});

/** An AIQuota as users write it, and as the API server hands it out. */
export const aiquotaSchema = z.strictObject({
  apiVersion: z.literal(apiVersion),
  kind: z.literal("AIQuota"),
  metadata: metadataSchema,
  spec: aiquotaSpecSchema,
  /** Read and ignored, as in AIRoute. */
  status: z.unknown().optional(),
});

/** An AIQuota, defaults filled in. */
export type AIQuota = z.output<typeof aiquotaSchema>;
/** Spec of an AIQuota, defaults filled in. */
export type AIQuotaSpec = AIQuota["spec"];
