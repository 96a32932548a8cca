/** What a request held on counters and was charged, as the audit tells it: from that what Redis has lost can be made good. */
import type { WindowSpec } from "../../base/window.ts";
import { clusterNamespace, counterKey } from "../../redis/keys.ts";
import type { CounterHeld, HoldTold } from "../exchange.ts";
import type { Claim, ReserveResult } from "../ports/quota-store.ts";
import { amountFor } from "../stores/memory/grant.ts";
import type { PlannedClaim } from "./plan.ts";

/** One hold. Its words are made only when a record is written. Concurrency is left out: nothing of it outlives a call. */
export class ToldHold implements HoldTold {
  readonly #namespace: string;
  readonly #asked: readonly PlannedClaim[];
  readonly #planned: readonly PlannedClaim[];
  readonly #result: ReserveResult;
  #amounts: readonly number[] | undefined;

  constructor(
    namespace: string,
    hold: {
      readonly asked: readonly PlannedClaim[];
      readonly planned: readonly PlannedClaim[];
      readonly result: ReserveResult;
    },
  ) {
    this.#namespace = namespace;
    this.#asked = hold.asked;
    this.#planned = hold.planned;
    this.#result = hold.result;
  }

  /** In the order of the claims that were asked for; undefined: given back. */
  end(amounts: readonly number[] | undefined): void {
    this.#amounts = amounts;
  }

  counters(): readonly CounterHeld[] {
    const counters: CounterHeld[] = [];
    const { claims, outputGranted } = this.#result;
    for (let i = 0; i < this.#planned.length; i++) {
      const claim = this.#planned[i]?.claim;
      if (claim === undefined || claim.window.type === "Concurrency") continue;
      counters.push([keyOf(this.#namespace, claim), amountFor(claim, outputGranted), claims[i]?.resetMs ?? 0]);
    }
    return counters;
  }

  charged(): readonly number[] {
    const amounts = this.#amounts;
    if (amounts === undefined) return [];
    const charged: number[] = [];
    for (let i = 0; i < this.#planned.length; i++) {
      const planned = this.#planned[i];
      if (planned === undefined || planned.claim.window.type === "Concurrency") continue;
      charged.push(amounts[this.#planned === this.#asked ? i : this.#askedAt(planned)] ?? 0);
    }
    return charged;
  }

  /** Shares decide on a part of what was asked for. */
  #askedAt({ claim }: PlannedClaim): number {
    return this.#asked.findIndex((each) => each.claim.counter === claim.counter);
  }
}

/** Keys that are kept; with one more all are made anew. */
const keysKept = 1_024;
interface Kept {
  readonly window: WindowSpec;
  readonly space: string;
  readonly key: string;
}
const kept = new Map<string, Kept>();

/** The key of a claim's counter: the same text from request to request. */
const keyOf = (namespace: string, { counter, scope, window }: Claim): string => {
  const space = scope ? clusterNamespace : namespace;
  const known = kept.get(counter);
  if (known?.window === window && known.space === space) return known.key;
  const key = counterKey(space, counter, window);
  if (kept.size >= keysKept) kept.clear();
  kept.set(counter, { window, space, key });
  return key;
};
