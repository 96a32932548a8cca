/** Parts of counters that this sidecar holds in the store: there, and only there, the parts of all sidecars are kept within the whole. */
import { createHash } from "node:crypto";
import type { Clock } from "../../../base/clock.ts";
import type { QuotaStore } from "../../ports/quota-store.ts";
import { partsMax, type Share } from "./share.ts";

/** How long the parts of a sidecar that died are its own, in ms. */
export const partsLeaseMs = 60_000;
/** Longest name of a counter (ports/quota-store.ts). */
const counterCharsMax = 512;

/**
 * The counter of the parts of a counter. A namespace holds no `=`, so it is nobody's quota. It is told by the kind of the window, too, as the
 * counter itself is.
 */
export const partsCounter = ({ counter, window }: Pick<Share, "counter" | "window">): string => {
  const duration = "durationMs" in window ? window.durationMs : 0;
  const name = `=share/${window.type}/${duration}/${counter}`;
  if (name.length <= counterCharsMax) return name;
  const digest = createHash("sha256").update(name).digest("hex");
  // namespace, quota and limit stay: by them a sidecar may reach it
  return `${name.split("/").slice(0, 6).join("/")}/sha256=${digest}`;
};

/** Holds, renews and gives back parts. */
export class PartsLeases {
  readonly #store: QuotaStore;
  readonly #clock: Clock;
  readonly #nextId: () => string;
  /** Gives a hold back now or when the store is there again. */
  readonly #giveBack: (namespace: string, holdId: string) => void;

  constructor(options: {
    store: QuotaStore;
    clock: Clock;
    /** Never the same twice, over all sidecars. */
    nextId: () => string;
    giveBack: (namespace: string, holdId: string) => void;
  }) {
    this.#store = options.store;
    this.#clock = options.clock;
    this.#nextId = options.nextId;
    this.#giveBack = options.giveBack;
  }

  /**
   * Holds as many of the wanted parts as the others have left. Until the answer is there the share is nothing: what it held is given back
   * already. Throws StoreUnavailable; then it stays nothing.
   */
  async hold(share: Share, wanted: number): Promise<void> {
    const { namespace } = share;
    this.drop(share);
    if (wanted === 0) return;
    const holdId = this.#nextId();
    const { admitted, outputGranted } = await this.#store.reserve({
      ...{ namespace, holdId, leaseMs: partsLeaseMs },
      claims: [
        {
          ...{ counter: partsCounter(share), window: { type: "Concurrency" }, max: partsMax },
          ...{ amount: 0, perOutput: 1, enforced: true },
          ...(share.scope && { scope: share.scope }),
        },
      ],
      output: { wanted, min: 0 },
    });
    if (!admitted || outputGranted === 0) return this.#giveBack(namespace, holdId);
    share.holdId = holdId;
    share.parts = outputGranted;
    share.renewedMs = this.#clock.monotonicMs();
  }

  /** Gives the parts back. */
  drop(share: Share): void {
    const { holdId } = share;
    share.holdId = undefined;
    share.parts = 0;
    if (holdId !== undefined) this.#giveBack(share.namespace, holdId);
  }

  /** Renews what has used a third of its lease; of what is gone the share is nothing. Throws StoreUnavailable. */
  async renew(shares: Iterable<Share>): Promise<void> {
    const dueMs = this.#clock.monotonicMs() - partsLeaseMs / 3;
    const due = new Map<string, Map<string, Share>>();
    for (const share of shares) {
      if (share.holdId === undefined || share.renewedMs > dueMs) continue;
      const group = due.get(share.namespace) ?? new Map<string, Share>();
      due.set(share.namespace, group.set(share.holdId, share));
    }
    for (const [namespace, group] of due) {
      const gone = await this.#store.renew(namespace, [...group.keys()], partsLeaseMs);
      for (const share of group.values()) share.renewedMs = this.#clock.monotonicMs();
      for (const holdId of gone) {
        const share = group.get(holdId);
        if (share?.holdId !== holdId) continue;
        share.holdId = undefined;
        share.parts = 0;
      }
    }
  }
}
