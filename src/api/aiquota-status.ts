/** Pieces of a quota's status that tell of its budgets. */
import { z } from "zod";

/** Warnings that a status remembers. Further subjects are told of by condition and metric alone. */
export const warningsMax = 100;

const time = () => z.string().meta({ format: "date-time" });
const amount = () => z.string().max(32);
const limit = () => z.string().max(63);
const subject = () => z.string().max(1024);
const by = () => z.string().max(256).describe("Who did it.");
const reason = () => z.string().max(512).describe("Why.");

/** A threshold that was told of. */
export const warningStatusSchema = z.strictObject({
  limit: limit().describe("Name of the limit."),
  subject: subject().describe("Who reached it; empty: the one shared counter."),
  threshold: z.int().min(1).max(100).describe("The highest that was told of, in percent; 100: spent."),
  whole: amount().optional().describe("The limit, with its burst, that it was told of; absent: not known."),
  at: time().describe("When it was seen."),
  until: time().describe("When the window ends, and it may be told of again."),
  countedSince: time().optional().describe("The reset from which on was counted; absent: there was none."),
  notified: z
    .enum(["Pending", "Sent", "Failed"])
    .optional()
    .describe("How the notifications stand; absent: there are none."),
});
/** The same, as a type. */
export type WarningStatus = z.output<typeof warningStatusSchema>;

/** A limit that is another for a while. */
export const overrideStatusSchema = z.strictObject({
  limit: limit().describe("Name of the limit."),
  from: amount().describe("The limit as written."),
  to: amount().describe("The limit that counts."),
  until: time().describe("Until when."),
  by: by(),
  reason: reason(),
});

/** Counters that began anew. */
export const resetStatusSchema = z.strictObject({
  at: time().describe("When."),
  limit: limit().optional().describe("Name of the limit; absent: all."),
  subject: subject().optional().describe("Whose counter; absent: everybody's."),
  by: by(),
  reason: reason(),
});
