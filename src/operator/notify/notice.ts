/** What receivers are told. */
import type { NotifySpec } from "../../api/aiquota-notify.ts";

/** One threshold that was reached. No prompt, no key; the subject is whom the quota counts by. */
export interface Notice {
  /** Names it: the same threshold is the same id, should it come twice. */
  readonly id: string;
  readonly reason: "QuotaWarning" | "QuotaExhausted";
  readonly namespace: string;
  readonly quota: string;
  readonly mode: string;
  readonly limit: string;
  readonly resource: string;
  /** Empty: the one shared counter. */
  readonly subject: string;
  /** Percent. */
  readonly threshold: number;
  /** Charged and held; dollars for Cost. */
  readonly used: string;
  readonly whole: string;
  readonly remaining: string;
  /** RFC 3339. */
  readonly observedAt: string;
  readonly until: string;
  /** All of it in a sentence. */
  readonly message: string;
}

/** The body of a POST. */
export const bodyOf = (type: NotifySpec["type"], notice: Notice): string =>
  type === "Slack" ? JSON.stringify({ text: slackText(notice) }) : JSON.stringify({ version: 1, ...notice });

/** Slack reads `<`, `>` and `&`: a subject must not become a link or a mention. */
const slackText = ({ reason, namespace, quota, message }: Notice): string => {
  const head = reason === "QuotaExhausted" ? "Quota spent" : "Quota warning";
  return `${head}: ${namespace}/${quota}, ${message}`
    .replaceAll("&", "&amp;")
    .replaceAll("<", "&lt;")
    .replaceAll(">", "&gt;");
};
