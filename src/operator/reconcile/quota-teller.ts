/** Tells of a quota's thresholds, resets and overrides: in the status, by Events, by metric, and to those that the quota names. */
import { isDeepStrictEqual } from "node:util";
import type { AIQuota } from "../../api/aiquota.ts";
import type { WarningStatus } from "../../api/aiquota-status.ts";
import type { Condition, ConditionType } from "../../api/conditions.ts";
import { apiVersion } from "../../api/object.ts";
import { effectiveQuota, overrideNow, type QuotaAdjustments, quotaAdjustments } from "../../api/quota-adjustments.ts";
import type { SecretResource } from "../../api/secret.ts";
import type { EventNote, EventRecorder } from "../../kube/events.ts";
import type { ObjectMeta } from "../../kube/port.ts";
import type { Notice } from "../notify/notice.ts";
import type { Notifier } from "../notify/notifier.ts";
import { receiversOf } from "../notify/receivers.ts";
import type { UsageRow } from "../ports.ts";
import type { Figures } from "./figures.ts";
import { type Crossing, crossingsOf, crossingText, spentPercent } from "./quota-budget.ts";
import { notifiedCondition, withinLimits } from "./quota-conditions.ts";
import { storedWarnings, warningId, warningsOf } from "./quota-warnings.ts";
import { listIn, memberOf } from "./stored-status.ts";

/** What it works with. */
export interface TellerDeps {
  readonly events: Pick<EventRecorder, "record">;
  readonly notifier: Pick<Notifier, "offer" | "resultOf">;
  readonly secretsOf: (namespace: string) => readonly SecretResource[];
  /** notifications.hosts of the chart. */
  readonly hosts: readonly string[];
  readonly figures: Pick<Figures, "crossings">;
  readonly nowMs: () => number;
}

/** From this share on a warning is one for people, too; percent. */
const urgentPercentMin = 90;

/** What was found, and what is to be said once the status holds it. */
export interface Findings {
  /** For `status.conditions`. */
  readonly conditions: readonly Condition[];
  /** Further members of the status. */
  readonly status: object;
  /** Says what is new. Called when the status was written: so it is said once, and by whoever leads. */
  readonly tell: () => void;
}

/** Looks at a quota at each of its reconciles. Keeps nothing: what was told stands in the status. */
export class QuotaTeller {
  readonly #deps: TellerDeps;

  constructor(deps: TellerDeps) {
    this.#deps = deps;
  }

  /** `rows`: undefined while Redis is away; then what was said stays. `stored`: the status as it stands. */
  look(quota: AIQuota, metadata: ObjectMeta, rows: readonly UsageRow[] | undefined, stored: unknown): Findings {
    const nowMs = this.#deps.nowMs();
    const { namespace } = quota.metadata;
    const adjustments = quotaAdjustments(quota, nowMs);
    const counted = effectiveQuota(quota, adjustments, nowMs);
    const crossings = rows && crossingsOf(counted, rows, nowMs);
    if (crossings) this.#deps.figures.crossings(namespace, quota.metadata.name, counted, crossings);
    const { receivers, faults } = receiversOf(quota, this.#deps.secretsOf(namespace), this.#deps.hosts);
    const before = this.#resolved(quota, storedWarnings(listIn(stored, "warnings")));
    const { resets } = adjustments;
    const { told, fresh } = warningsOf(before, crossings ?? [], {
      ...{ nowMs, resets },
      notifies: quota.spec.notify !== undefined,
    });
    const adjusted = adjustmentStatus(quota, adjustments, nowMs);
    const within = crossings ? withinLimits(counted, crossings) : keptCondition(stored, "WithinLimits");
    const notified = notifiedCondition(quota, faults, told);
    return {
      conditions: [within, notified].flatMap((condition) => condition ?? []),
      status: { ...(told.length > 0 && { warnings: told }), ...adjusted },
      tell: () => {
        for (const note of adjustmentNotes(adjusted, stored)) this.#record(metadata, note);
        for (const { crossing } of fresh) this.#record(metadata, crossingNote(crossing, quota.spec.mode));
        for (const warning of told.filter((entry) => entry.notified === "Pending"))
          this.#deps.notifier.offer(noticeOf(quota, warning, crossings ?? []), receivers);
      },
    };
  }

  /** Those that are pending, with what has become of them. */
  #resolved({ metadata, spec }: AIQuota, warnings: readonly WarningStatus[]): readonly WarningStatus[] {
    return warnings.map((warning) => {
      if (warning.notified !== "Pending") return warning;
      if (spec.notify === undefined) {
        const { notified: _, ...rest } = warning;
        return rest;
      }
      const { namespace, name } = metadata;
      const result = this.#deps.notifier.resultOf(namespace, warningId(namespace, name, warning));
      return result ? { ...warning, notified: result } : warning;
    });
  }

  #record({ name, namespace, uid }: ObjectMeta, note: EventNote): void {
    this.#deps.events.record({ apiVersion, kind: "AIQuota", name, namespace, uid }, note);
  }
}

const crossingNote = (crossing: Crossing, mode: string): EventNote => {
  const isSpent = crossing.threshold === spentPercent;
  return {
    type: crossing.threshold >= urgentPercentMin ? "Warning" : "Normal",
    reason: isSpent ? "QuotaExhausted" : "QuotaWarning",
    message: crossingText(crossing, mode),
  };
};

/** Of a warning that waits from before a restart the amounts may be others by now; those of today are told. */
const noticeOf = (quota: AIQuota, warning: WarningStatus, crossings: readonly Crossing[]): Notice => {
  const { namespace, name } = quota.metadata;
  const { limit, subject, threshold, at, until } = warning;
  const crossing = crossings.find((entry) => entry.limit.name === limit && entry.subject === subject);
  const head = `limit ${limit}: ${threshold} % reached${subject === "" ? "" : ` by ${subject}`}`;
  return {
    id: warningId(namespace, name, warning),
    reason: threshold === spentPercent ? "QuotaExhausted" : "QuotaWarning",
    ...{ namespace, quota: name, mode: quota.spec.mode, limit, subject, threshold },
    resource: quota.spec.limits.find((entry) => entry.name === limit)?.resource ?? "",
    used: crossing?.used ?? "",
    whole: crossing?.whole ?? "",
    remaining: crossing?.remaining ?? "",
    observedAt: at,
    until,
    message: crossing ? crossingText(crossing, quota.spec.mode) : head,
  };
};

interface AdjustmentStatus {
  readonly overrides?: readonly {
    readonly limit: string;
    readonly from: string;
    readonly to: string;
    readonly until: string;
    readonly by: string;
    readonly reason: string;
  }[];
  readonly resets?: QuotaAdjustments["resets"];
}

/** Overrides that count now, and all resets. */
const adjustmentStatus = (quota: AIQuota, adjustments: QuotaAdjustments, nowMs: number): AdjustmentStatus => {
  const overrides = quota.spec.limits.flatMap((limit) => {
    const override = overrideNow(adjustments, limit.name, nowMs);
    if (!override) return [];
    const { to, until, by, reason } = override;
    return [{ limit: limit.name, from: String(limit.limit), to: String(to), until, by, reason }];
  });
  return {
    ...(overrides.length > 0 && { overrides }),
    ...(adjustments.resets.length > 0 && { resets: adjustments.resets }),
  };
};

/** What the status did not hold before. */
const adjustmentNotes = ({ overrides = [], resets = [] }: AdjustmentStatus, stored: unknown): readonly EventNote[] => {
  const isNew = (entry: object, name: string): boolean =>
    !listIn(stored, name).some((old) => isDeepStrictEqual(old, JSON.parse(JSON.stringify(entry))));
  return [
    ...resets
      .filter((reset) => isNew(reset, "resets"))
      .map(({ at, limit, subject, by, reason }): EventNote => {
        const what = `${limit === undefined ? "all limits" : `limit ${limit}`} of ${subject ?? "all subjects"}`;
        return { type: "Normal", reason: "QuotaReset", message: `${what} began anew at ${at}, by ${by}: ${reason}` };
      }),
    ...overrides
      .filter((override) => isNew(override, "overrides"))
      .map(({ limit, from, to, until, by, reason }): EventNote => {
        const message = `limit ${limit} is ${to} in place of ${from} until ${until}, by ${by}: ${reason}`;
        return { type: "Normal", reason: "QuotaOverridden", message };
      }),
  ];
};

/** A condition of ours as it was written last. */
const keptCondition = (stored: unknown, type: ConditionType): Condition | undefined => {
  const old = listIn(stored, "conditions").find((entry) => memberOf(entry, "type") === type);
  if (old === undefined) return undefined;
  const { lastTransitionTime: _, ...condition } = old as Condition & { lastTransitionTime?: string }; // only we write them
  return condition;
};
