/** Which pods are to be touched once more, because their sidecar has not taken a config that was published some time ago. */
import type { Clock } from "../../base/clock.ts";
import type { InjectedPod } from "../cluster/projections.ts";

/** How long a sidecar may be behind before its pod is touched again, ms: the kubelet usually takes below one second. */
export const reminderMsMin = 4_000;
/** Longest time between two reminders, ms: by then the kubelet has refreshed by itself. */
export const reminderMsMax = 64_000;

/**
 * A kubelet that lost its connection may handle the touch of a pod before it has the new Secret, and would then look again only a
 * minute later. Reminders come after 4, 8, 16, 32, 64, 64 ... seconds.
 */
export class Reminders {
  readonly #clock: Clock;
  readonly #behind = new Map<string, { readonly digest: string; readonly dueMs: number; readonly count: number }>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** The pod is behind `digest`; answers how many reminders that makes, or undefined: none is due. */
  due({ uid }: InjectedPod, digest: string): number | undefined {
    const nowMs = this.#clock.monotonicMs();
    const known = this.#behind.get(uid);
    if (known?.digest !== digest) {
      this.#behind.set(uid, { digest, dueMs: nowMs + reminderMsMin, count: 0 });
      return undefined;
    }
    if (nowMs < known.dueMs) return undefined;
    const count = known.count + 1;
    this.#behind.set(uid, { digest, dueMs: nowMs + Math.min(reminderMsMin * 2 ** count, reminderMsMax), count });
    return count;
  }

  /** The pod has it, or is gone. */
  forget(uid: string): void {
    this.#behind.delete(uid);
  }
}
