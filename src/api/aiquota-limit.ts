/** Limits of a quota: what is counted, over which span, and how much is admitted. */
import { z } from "zod";
import { endpointNames } from "../openai/endpoints.ts";
import { durationSchema } from "./duration.ts";
import { intOrString } from "./int-or-string.ts";
import { parseMoney } from "./money.ts";
import { entryName, modelName } from "./object.ts";
import { type CrossFieldRule, matching, uniqueScalars, withRules } from "./rules.ts";

/** Fifteen digits: the largest round bound below 2^53. */
const amountMax = 999_999_999_999_999;
const amountPattern = "^([0-9]{1,15}|[0-9]{1,7}\\.[0-9]{1,9})$";

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

/** How much is admitted: a whole number, or a decimal string. */
export const amountSchema = () =>
  intOrString({
    min: 0,
    max: amountMax,
    pattern: amountPattern,
    message: 'must be a whole number or a decimal string in quotes, such as 600 or "500.00"',
    bounds: "0 to 999999999999999; Cost: below 9000000, at most 9 decimals",
  });

const exceededSchema = withRules(
  z.strictObject({
    action: z
      .enum(["Deny", "Downgrade"])
      .describe("Deny: refused. Downgrade: sent to another model, if that one has room."),
    model: modelName().optional().describe("Downgrade: the model; a rule of the route has to open it."),
  }),
  [
    {
      cel: "(self.action == 'Downgrade') == has(self.model)",
      message: "is required for Downgrade, and belongs to Downgrade only",
      path: "model",
      check: ({ action, model }) => (action === "Downgrade") === (model !== undefined),
    },
  ],
);

const limitShape = z.strictObject({
  name: entryName().describe("Unique in the quota."),
  resource: z
    .enum(["Requests", "InputTokens", "OutputTokens", "TotalTokens", "Cost", "Concurrency"])
    .describe("What is counted. Cost: by the price of the model. Concurrency: requests in flight."),
  limit: amountSchema().describe(
    "How much is admitted; 0: nothing, whatever the burst. A whole number, or for Cost a decimal string.",
  ),
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
  warnAt: uniqueScalars(z.array(z.int().min(1).max(100)).min(1).max(8))
    .optional()
    .describe(
      "Percentages of the limit at which an Event, the condition WithinLimits, a metric and the quota's notifications tell of it. Not for Concurrency.",
    ),
  onExceeded: exceededSchema
    .optional()
    .describe("What becomes of a request that this limit refuses. Absent: it is refused."),
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
  {
    cel: "!has(self.warnAt) || self.resource != 'Concurrency'",
    message: "belongs to limits with a window, not to Concurrency",
    path: "warnAt",
    check: ({ warnAt, resource }) => warnAt === undefined || resource !== "Concurrency",
  },
  {
    cel: "!has(self.onExceeded) || !has(self.onExceeded.model) || (has(self.models) && !(self.onExceeded.model in self.models))",
    message: "Downgrade needs a limit with models, and goes to a model that is not among them",
    path: "onExceeded",
    check: ({ onExceeded, models }) =>
      onExceeded?.model === undefined || (models !== undefined && !models.includes(onExceeded.model)),
  },
];

/** One limit of a quota. */
export const limitSchema = withRules(limitShape, limitRules);
/** One limit of a quota, as users write it. */
export type LimitSpec = z.output<typeof limitSchema>;
