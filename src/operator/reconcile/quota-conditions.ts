/** Conditions of a quota as a whole: how full it is, and whether those are told that want to be. Pure. */
import type { AIQuota } from "../../api/aiquota.ts";
import type { WarningStatus } from "../../api/aiquota-status.ts";
import type { Condition } from "../../api/conditions.ts";
import { triesMax } from "../notify/notifier.ts";
import type { ReceiverFault } from "../notify/receivers.ts";
import { type Crossing, crossingText, isWatched, spentPercent } from "./quota-budget.ts";

/** Crossings that a message lists. */
const listedMax = 5;

const observedOf = ({ metadata }: AIQuota) =>
  metadata.generation === undefined ? {} : { observedGeneration: metadata.generation };

/** How full; undefined: nothing is watched. */
export const withinLimits = (quota: AIQuota, crossings: readonly Crossing[]): Condition | undefined => {
  const type = "WithinLimits";
  if (!quota.spec.limits.some(isWatched)) return undefined;
  if (crossings.length === 0)
    return { type, status: "True", reason: type, message: "Nobody is at a threshold.", ...observedOf(quota) };
  const spent = crossings.filter(({ threshold }) => threshold === spentPercent);
  const worst = [...spent, ...crossings.filter(({ threshold }) => threshold < spentPercent)];
  const more = worst.length > listedMax ? `; and ${worst.length - listedMax} more` : "";
  const listed = worst.slice(0, listedMax).map((crossing) => crossingText(crossing, quota.spec.mode));
  const reason = spent.length > 0 ? "Exhausted" : "ThresholdReached";
  return { type, status: "False", reason, message: `${listed.join("; ")}${more}`.slice(0, 4096), ...observedOf(quota) };
};

/** Whether notifications go out; undefined: none are wanted. */
export const notifiedCondition = (
  quota: AIQuota,
  faults: readonly ReceiverFault[],
  told: readonly WarningStatus[],
): Condition | undefined => {
  if (quota.spec.notify === undefined) return undefined;
  const base = { type: "Notified", ...observedOf(quota) } as const;
  const [first] = faults;
  if (first)
    return {
      ...base,
      status: "False",
      reason: first.reason,
      message: faults
        .map(({ message }) => message)
        .join("; ")
        .slice(0, 4096),
    };
  const failed = told.filter(({ notified }) => notified === "Failed").length;
  if (failed === 0) return { ...base, status: "True", reason: "Notified", message: "Nothing stands against it." };
  const message = `${failed} notification${failed === 1 ? "" : "s"} did not arrive, after up to ${triesMax} tries; the operator's log says why`;
  return { ...base, status: "False", reason: "DeliveryFailed", message };
};
