/** What a request held on counters and was charged, as the audit tells it: from that what Redis has lost can be made good. */
import { clusterNamespace, counterKey } from "../../redis/keys.ts";
import type { CounterHeld, HoldTold } from "../exchange.ts";
import type { ReserveResult } from "../ports/quota-store.ts";
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
    for (const [i, { claim }] of this.#planned.entries()) {
      if (claim.window.type === "Concurrency") continue;
      const key = counterKey(claim.scope ? clusterNamespace : this.#namespace, claim.counter, claim.window);
      counters.push([key, amountFor(claim, this.#result.outputGranted), this.#result.claims[i]?.resetMs ?? 0]);
    }
    return counters;
  }

  charged(): readonly number[] {
    const amounts = this.#amounts;
    if (amounts === undefined) return [];
    const charged: number[] = [];
    for (const [i, planned] of this.#planned.entries()) {
      if (planned.claim.window.type === "Concurrency") continue;
      charged.push(amounts[this.#planned === this.#asked ? i : this.#askedAt(planned)] ?? 0);
    }
    return charged;
  }

  /** Shares decide on a part of what was asked for. */
  #askedAt({ claim }: PlannedClaim): number {
    return this.#asked.findIndex((each) => each.claim.counter === claim.counter);
  }
}
