/** Whom a quota tells of its thresholds. */
import { z } from "zod";
import { objectName } from "./object.ts";
import { matching } from "./rules.ts";

/** One receiver. The URL is a secret: whoever has it may post. */
export const notifySchema = z.strictObject({
  type: z
    .enum(["Webhook", "Slack"])
    .describe("Webhook: a JSON document, see budgets.md. Slack: `{text}`, as Slack and compatible services take it."),
  urlSecretRef: z
    .strictObject({
      name: objectName().describe('Secret of the namespace, with the label `sidegate.dev/credential: "true"`.'),
      key: matching(
        z.string().min(1).max(253),
        "^[-._a-zA-Z0-9]+$",
        "must be letters, digits, '-', '_' and '.', as keys of Secrets are",
      ).describe("Key that holds the URL."),
    })
    .describe("Where the URL is. Its host has to be in notifications.hosts of the chart."),
  insecure: z.boolean().optional().describe("Permits http to other hosts than this one. Absent: false."),
});

/** One receiver, as users write it. */
export type NotifySpec = z.output<typeof notifySchema>;
