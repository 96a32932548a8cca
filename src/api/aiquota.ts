/** AIQuota: how much of the providers a workload, a route or a namespace may use. */
import { z } from "zod";
import { endpointNames } from "../openai/endpoints.ts";
import { durationSchema } from "./duration.ts";
import { intOrString } from "./int-or-string.ts";
import { parseMoney } from "./money.ts";
import { apiGroup, apiVersion, entryName, metadataSchema, modelName, objectName } from "./object.ts";
import { type CrossFieldRule, matching, uniqueByName, uniqueScalars, withRules } from "./rules.ts";
import { ancestorStatusSchema, usageStatusSchema } from "./status.ts";

/** Fifteen digits: the largest round bound below 2^53. */
const amountMax = 999_999_999_999_999;
const amountPattern = "^([0-9]{1,15}|[0-9]{1,7}\\.[0-9]{1,9})$";

const targetRefSchema = withRules(
  z.strictObject({
    group: z
      .enum(["", apiGroup])
      .describe(`\`${apiGroup}\` for AIRoute, the empty string for ServiceAccount and Namespace.`),
    kind: z
      .enum(["AIRoute", "ServiceAccount", "Namespace"])
      .describe("What the quota applies to. Namespace: only the quota's own."),
    name: objectName().describe("Name of the target, in the quota's namespace."),
    sectionName: entryName().optional().describe("AIRoute only: one rule of the route. Absent: all of them."),
  }),
  [
    {
      cel: `self.kind == 'AIRoute' ? self.group == '${apiGroup}' : self.group == ''`,
      message: `must be ${apiGroup} for AIRoute, and "" for ServiceAccount and Namespace`,
      path: "group",
      check: ({ kind, group }) => group === (kind === "AIRoute" ? apiGroup : ""),
    },
    {
      cel: "self.kind == 'AIRoute' || !has(self.sectionName)",
      message: "belongs to AIRoute only",
      path: "sectionName",
      check: ({ kind, sectionName }) => kind === "AIRoute" || sectionName === undefined,
    },
  ],
);

const windowSchema = withRules(
  z.strictObject({
    type: z
      .enum(["Sliding", "Fixed", "Calendar"])
      .describe(
        "Sliding: in any span of `duration`. Fixed: spans aligned to the epoch. Calendar: days, weeks or months of a time zone.",
      ),
    duration: durationSchema({ min: "1s", max: "744h" }).optional().describe("Sliding and Fixed."),
    period: z.enum(["Day", "Week", "Month"]).optional().describe("Calendar. Weeks begin on Monday."),
    timeZone: matching(
      z.string().min(1).max(64),
      "^[A-Za-z0-9_+-]+(/[A-Za-z0-9_+-]+)*$",
      "must be an IANA time zone such as Europe/Warsaw",
    )
      .optional()
      .describe("Calendar. IANA name; absent: UTC."),
  }),
  [
    {
      cel: "self.type == 'Calendar' ? has(self.period) : has(self.duration)",
      message: "Calendar needs period; Sliding and Fixed need duration",
      check: ({ type, period, duration }) => (type === "Calendar" ? period : duration) !== undefined,
    },
    {
      cel: "self.type == 'Calendar' ? !has(self.duration) : !has(self.period) && !has(self.timeZone)",
      message: "period and timeZone belong to Calendar, duration to Sliding and Fixed",
      check: ({ type, period, duration, timeZone }) =>
        type === "Calendar" ? duration === undefined : period === undefined && timeZone === undefined,
    },
  ],
);

const limitShape = z.strictObject({
  name: entryName().describe("Unique in the quota."),
  resource: z
    .enum(["Requests", "InputTokens", "OutputTokens", "TotalTokens", "Cost", "Concurrency"])
    .describe("What is counted. Cost: by the price of the model. Concurrency: requests in flight."),
  limit: intOrString({
    min: 0,
    max: amountMax,
    pattern: amountPattern,
    message: 'must be a whole number or a decimal string in quotes, such as 600 or "500.00"',
    bounds: "0 to 999999999999999; Cost: below 9000000, at most 9 decimals",
  }).describe("How much is admitted; 0: nothing. A whole number, or for Cost a decimal string."),
  currency: z.enum(["USD"]).optional().describe("Cost only, and required there."),
  window: windowSchema.optional().describe("Span that is counted. Required, but for Concurrency, which has none."),
  burst: z
    .int()
    .min(0)
    .max(amountMax)
    .optional()
    .describe("Added to the limit within one window. Sliding only, not for Cost. Absent: 0."),
  models: uniqueScalars(z.array(modelName()).min(1).max(64))
    .optional()
    .describe("Models that are counted, as the application names them. Absent: all."),
  endpoints: uniqueScalars(z.array(z.enum(endpointNames)).min(1).max(endpointNames.length))
    .optional()
    .describe("Endpoints that are counted; see endpoints.md. Absent: all."),
});

type Limit = z.output<typeof limitShape>;

const limitRules: readonly CrossFieldRule<Limit>[] = [
  {
    cel: "(self.resource == 'Concurrency') != has(self.window)",
    message: "is required, but for Concurrency, which has none",
    path: "window",
    check: ({ resource, window }) => (resource === "Concurrency") !== (window !== undefined),
  },
  {
    cel: "(self.resource == 'Cost') == has(self.currency)",
    message: "is required for Cost, and belongs to Cost only",
    path: "currency",
    check: ({ resource, currency }) => (resource === "Cost") === (currency !== undefined),
  },
  // contains() and double(), not matches(): CEL knows no length of an int-or-string, and the API server refuses rules whose cost it cannot bound.
  {
    cel: "self.resource == 'Cost' || type(self.limit) == int || !self.limit.contains('.')",
    message: "must be a whole number; only Cost can have decimals",
    path: "limit",
    check: ({ resource, limit }) => resource === "Cost" || !String(limit).includes("."),
  },
  {
    cel: "self.resource != 'Cost' || (type(self.limit) == int ? self.limit < 9000000 : double(self.limit) < 9000000.0)",
    message: "must be below 9000000 for Cost",
    path: "limit",
    check: ({ resource, limit }) => resource !== "Cost" || parseMoney(String(limit)) !== undefined,
  },
  {
    cel: "!has(self.burst) || self.burst == 0 || (self.resource != 'Cost' && has(self.window) && self.window.type == 'Sliding')",
    message: "belongs to Sliding windows only, and not to Cost",
    path: "burst",
    check: ({ burst, resource, window }) => !burst || (resource !== "Cost" && window?.type === "Sliding"),
  },
];

const reservationSchema = z.strictObject({
  output: z
    .enum(["Cap", "Requested"])
    .default("Cap")
    .describe(
      "Cap: hold the capped output, and ask the provider for no more. Requested: hold what the client asked for, else the model's maximum.",
    ),
  lease: durationSchema({ min: "5s", max: "1h" })
    .default("60s")
    .describe("How long a hold lives without a sign of its sidecar."),
  onUnknownUsage: z
    .enum(["ChargeReserved", "ChargeObserved"])
    .default("ChargeReserved")
    .describe("An answer that tells no usage: charge what was held, or what was seen to pass."),
});

const targetKey = ({ group, kind, name, sectionName = "" }: z.output<typeof targetRefSchema>) =>
  `${group}/${kind}/${name}/${sectionName}`;

/** Spec of an AIQuota, defaults filled in. */
export const aiquotaSpecSchema = withRules(
  z.strictObject({
    targetRefs: withRules(z.array(targetRefSchema).min(1).max(16), [
      {
        cel: "self.all(a, self.exists_one(b, a.kind == b.kind && a.name == b.name && (has(a.sectionName) ? a.sectionName : '') == (has(b.sectionName) ? b.sectionName : '')))",
        message: "each target may stand here once",
        check: (refs) => new Set(refs.map(targetKey)).size === refs.length,
      },
    ]).describe("What the quota applies to. Every quota that applies to a request must admit it."),
    mode: z
      .enum(["Enforce", "Audit"])
      .default("Enforce")
      .describe("Audit: what would be refused is counted, nothing is blocked."),
    failurePolicy: z
      .enum(["Deny", "Allow"])
      .default("Deny")
      .describe("The quota store is away: Deny refuses, Allow serves unenforced."),
    per: uniqueScalars(z.array(z.enum(["ServiceAccount", "Namespace", "Pod", "Model", "Endpoint"])).max(5))
      .default([])
      .describe("One counter for each value of these. Empty: one shared counter."),
    limits: uniqueByName(z.array(withRules(limitShape, limitRules)).min(1).max(16)).describe(
      "Every one of them must admit a request.",
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
  ],
);

/** Status of an AIQuota; only the operator writes it. */
export const aiquotaStatusSchema = z.strictObject({
  ancestors: z
    .array(ancestorStatusSchema)
    .max(16)
    .optional()
    .describe("How the quota stands with each of its targets."),
  usage: z.array(usageStatusSchema).max(320).optional().describe("The subjects that used most, for each limit."),
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
/** One limit of a quota, as users write it. */
export type LimitSpec = AIQuotaSpec["limits"][number];
