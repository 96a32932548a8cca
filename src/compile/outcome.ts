/** What `compile` says about the resources: findings while it works, conditions at the end. */
import type { AIQuotaSpec } from "../api/aiquota.ts";
import type { Condition, ConditionReason, ConditionType } from "../api/conditions.ts";
import { conditionReasons } from "../api/conditions.ts";
import type { Metadata } from "../api/object.ts";

/** Characters of a condition's message; Kubernetes allows 32,768. */
const messageLengthMax = 4096;

/** One thing that stands against a resource. */
export interface Finding {
  readonly kind: "AIRoute" | "AIQuota";
  readonly namespace: string;
  readonly name: string;
  /** Where in the resource: `["spec", "backends", 0]`. */
  readonly path: readonly (string | number)[];
  readonly type: ConditionType;
  readonly reason: ConditionReason;
  readonly message: string;
  /** True for what may resolve itself when another object arrives (or is not among the input); false for what only an edit mends. */
  readonly isPending: boolean;
  /** It may be meant: admission and `sidegate validate` tell it, conditions do not. */
  readonly isAdvice?: true;
}

/** How a route stands with the service account that was compiled. */
export interface RouteOutcome {
  readonly namespace: string;
  readonly name: string;
  readonly conditions: readonly Condition[];
}

/** How a quota stands with each of its targets. */
export interface QuotaOutcome {
  readonly namespace: string;
  readonly name: string;
  readonly ancestors: readonly {
    readonly ancestorRef: AIQuotaSpec["targetRefs"][number];
    readonly conditions: readonly Condition[];
    /** Something stands against it, and all of that may resolve itself when other objects change: it holds for no longer than that. */
    readonly isPending: boolean;
  }[];
}

/** The condition of one type that these findings make: False with the first reason and all messages, else True. */
export const conditionOf = (type: ConditionType, findings: readonly Finding[], metadata: Metadata): Condition => {
  const against = findings.filter((finding) => finding.type === type);
  const generation = metadata.generation === undefined ? {} : { observedGeneration: metadata.generation };
  const [first] = against;
  if (!first)
    return { type, status: "True", reason: positiveReason[type], message: positiveMessage(type), ...generation };
  const message = [...new Set(against.map((finding) => finding.message))].join("; ").slice(0, messageLengthMax);
  return { type, status: "False", reason: first.reason, message, ...generation };
};

const positiveReason = {
  Accepted: "Accepted",
  ResolvedRefs: "ResolvedRefs",
  Programmed: "Programmed",
  CredentialsAccepted: "CredentialsAccepted",
  WithinLimits: "WithinLimits",
  Notified: "Notified",
} as const;

const positiveMessage = (type: ConditionType): string => {
  const sentences: Readonly<Record<string, string>> = conditionReasons[type];
  return sentences[positiveReason[type]] ?? "";
};
