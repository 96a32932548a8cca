/** Conditions with their time of transition, as the API server stores them, and what changed since the last ones. */
import type { Condition, ConditionType } from "../../api/conditions.ts";

/** A condition as status holds it. */
export interface StoredCondition extends Condition {
  /** RFC 3339, whole seconds. */
  readonly lastTransitionTime: string;
}

/** RFC 3339 in whole seconds, as metav1.Time is written. */
export const timeText = (ms: number): string => `${new Date(ms).toISOString().slice(0, 19)}Z`;

/** New conditions with the old time where `status` did not change (metav1.Condition's rule). `before`: whatever stood there. */
export const withTransitions = (
  conditions: readonly Condition[],
  before: readonly unknown[],
  nowMs: number,
): readonly StoredCondition[] =>
  conditions.map((condition) => {
    const old = storedOf(before, condition.type);
    const isSame = old?.status === condition.status && old.lastTransitionTime !== undefined;
    return {
      ...condition,
      lastTransitionTime: isSame && old?.lastTransitionTime ? old.lastTransitionTime : timeText(nowMs),
    };
  });

/** False conditions whose message names what is at fault: another one under the same reason is news. */
const telling: ReadonlySet<ConditionType> = new Set(["ResolvedRefs", "CredentialsAccepted"]);

/** Conditions whose status or reason is not what it was, or that name another fault: what an Event is worth. */
export const changedConditions = (conditions: readonly Condition[], before: readonly unknown[]): readonly Condition[] =>
  conditions.filter((condition) => {
    const old = storedOf(before, condition.type);
    if (old?.status !== condition.status || old?.reason !== condition.reason) return true;
    return telling.has(condition.type) && condition.status === "False" && old.message !== condition.message;
  });

interface Old {
  readonly status?: string;
  readonly reason?: string;
  readonly message?: string;
  readonly lastTransitionTime?: string;
}

const storedOf = (before: readonly unknown[], type: string): Old | undefined => {
  const found = before.find(
    (entry): entry is Record<string, unknown> =>
      typeof entry === "object" && entry !== null && "type" in entry && entry.type === type,
  );
  if (!found) return undefined;
  const text = (value: unknown): string | undefined => (typeof value === "string" ? value : undefined);
  const [status, reason, message, lastTransitionTime] = ["status", "reason", "message", "lastTransitionTime"].map(
    (name) => text(found[name]),
  );
  return {
    ...(status !== undefined && { status }),
    ...(reason !== undefined && { reason }),
    ...(message !== undefined && { message }),
    ...(lastTransitionTime !== undefined && { lastTransitionTime }),
  };
};
