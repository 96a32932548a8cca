/** The only writer of statuses: server-side apply of the whole status, only where it differs, with an Event for each condition that turned. */
import { isDeepStrictEqual } from "node:util";
import type { AIQuota } from "../../api/aiquota.ts";
import type { AIRoute } from "../../api/airoute.ts";
import type { Condition } from "../../api/conditions.ts";
import { apiVersion } from "../../api/object.ts";
import type { Clock } from "../../base/clock.ts";
import type { EventRecorder } from "../../kube/events.ts";
import { isKubeFault, type KubeApi, resources } from "../../kube/port.ts";
import { isOlder } from "../cluster/own-writes.ts";
import type { Entry } from "../cluster/projections.ts";
import { memberOf } from "./stored-status.ts";
import { changedConditions } from "./transitions.ts";

/** Who writes our entries of status, as Gateway API names controllers. */
export const controllerName = "sidegate.dev/operator";
/** Least time between two writes of one status that differ only in counts and amounts, ms. */
export const countsIntervalMs = 5_000;

/** What one write is about. */
export interface StatusWrite {
  readonly kind: "AIRoute" | "AIQuota";
  readonly entry: Entry<AIRoute> | Entry<AIQuota>;
  readonly status: object;
  /** Conditions of all parents or ancestors, with what stood there before. */
  readonly conditions: readonly { readonly now: readonly Condition[]; readonly before: readonly unknown[] }[];
}

/** What it needs. */
export interface StatusWriterOptions {
  readonly api: KubeApi;
  readonly events: EventRecorder;
  readonly clock: Clock;
}

interface LastWrite {
  readonly status: object;
  readonly resourceVersion: string;
  readonly atMs: number;
}

/** Writes statuses. */
export class StatusWriter {
  readonly #options: StatusWriterOptions;
  /** By uid: what was written last, which the watch may not have shown yet, and when. */
  readonly #last = new Map<string, LastWrite>();

  constructor(options: StatusWriterOptions) {
    this.#options = options;
  }

  /** Answers when to come again for what was held back, ms; undefined: nothing was. */
  async write({ kind, entry, status, conditions }: StatusWrite): Promise<number | undefined> {
    const { api, clock } = this.#options;
    const { name, namespace, uid = "" } = entry.metadata;
    const last = this.#last.get(uid);
    const plain = plainJson(status);
    if (isDeepStrictEqual(plain, plainJson(this.statusOf(entry)))) return undefined;
    const turned = conditions.flatMap(({ now, before }) => changedConditions(now, before));
    const sinceMs = clock.monotonicMs() - (last?.atMs ?? Number.NEGATIVE_INFINITY);
    if (turned.length === 0 && sinceMs < countsIntervalMs && isSameButCounts(plain, this.statusOf(entry)))
      return countsIntervalMs - sinceMs;
    const resource = kind === "AIRoute" ? resources.airoutes : resources.aiquotas;
    let resourceVersion = "";
    try {
      const written = await api.apply(
        resource,
        { apiVersion, kind, metadata: { name, namespace: namespace ?? "" }, status },
        { subresource: "status" },
      );
      resourceVersion = written.metadata.resourceVersion ?? "";
    } catch (fault) {
      if (isKubeFault(fault, 404)) return undefined; // gone meanwhile
      throw fault;
    }
    this.#last.set(uid, { status, resourceVersion, atMs: clock.monotonicMs() });
    this.#tell(kind, entry, turned);
    return undefined;
  }

  /** The resource is gone. */
  forget({ metadata }: Entry<AIRoute> | Entry<AIQuota>): void {
    this.#last.delete(metadata.uid ?? "");
  }

  /** What status holds by our own last write, where the watch has not shown it yet. */
  statusOf({ metadata, status }: Entry<AIRoute> | Entry<AIQuota>): unknown {
    const last = this.#last.get(metadata.uid ?? "");
    return last && isOlder(metadata.resourceVersion ?? "", last.resourceVersion) ? last.status : status;
  }

  #tell(
    kind: "AIRoute" | "AIQuota",
    { metadata }: Entry<AIRoute> | Entry<AIQuota>,
    turned: readonly Condition[],
  ): void {
    const { name, namespace = "", uid = "" } = metadata;
    for (const { type: conditionType, status, reason, message } of turned) {
      if (reason === "Reconciling") continue; // every change passes through it
      if (conditionType === "WithinLimits") continue; // the thresholds have Events of their own
      const type = status === "False" ? "Warning" : "Normal";
      this.#options.events.record({ apiVersion, kind, name, namespace, uid }, { type, reason, message });
    }
  }
}

const plainJson = (value: unknown): unknown => (value === undefined ? undefined : JSON.parse(JSON.stringify(value)));

/** Whether the conditions and warnings are the same, messages included: what is left are counts and amounts. */
const isSameButCounts = (a: unknown, b: unknown): boolean =>
  isDeepStrictEqual(conditionsOf(a), conditionsOf(plainJson(b)));

const conditionsOf = (status: unknown): unknown => {
  if (typeof status !== "object" || status === null) return undefined;
  return ["parents", "ancestors", "conditions", "warnings", "overrides", "resets"].map((name) =>
    memberOf(status, name),
  );
};
