import { slotMsOf, type WindowSpec } from "../../../base/window.ts";
import { clusterNamespace, counterKey } from "../../../redis/keys.ts";
import type { Claim } from "../../ports/quota-store.ts";
import { checkCounter } from "../claims.ts";
import { wordOf } from "./words.ts";

/** Counters whose words are kept; with one more all are made anew. */
export const countersKept = 1_024;

/** What of a claim does not depend on the request: the word of its key, and the first four of its words. */
export interface ClaimHead {
  readonly key: string;
  readonly words: string;
}

interface Kept extends ClaimHead {
  readonly namespace: string;
  readonly claim: Claim;
}

/** Makes the words of claims, for one store: what stays the same from one request to the next is checked and written once. */
export class ClaimWords {
  readonly #kept = new Map<string, Kept>();

  /** Throws AssertionFault for a counter or window that no caller may ask for. */
  headOf(namespace: string, claim: Claim): ClaimHead {
    const kept = this.#kept.get(claim.counter);
    if (kept !== undefined && kept.namespace === namespace && isSameHead(kept.claim, claim)) return kept;
    checkCounter(namespace, claim.counter, claim.window);
    const key = wordOf(counterKey(claim.scope ? clusterNamespace : namespace, claim.counter, claim.window));
    const texts = [kindOf(claim.window), windowText(claim.window), String(claim.max), claim.enforced ? "1" : "0"];
    const head = { namespace, claim, key, words: texts.map(wordOf).join("") };
    if (this.#kept.size >= countersKept) this.#kept.clear();
    this.#kept.set(claim.counter, head);
    return head;
  }
}

const isSameHead = (one: Claim, other: Claim): boolean =>
  one.window === other.window && one.max === other.max && one.enforced === other.enforced && one.scope === other.scope;

const kinds = { Sliding: "sliding", Fixed: "fixed", Calendar: "calendar", Concurrency: "concurrency" } as const;

/** A window's kind in the scripts' words. */
export const kindOf = (window: WindowSpec): string => kinds[window.type];

/** A window in the scripts' words. */
export const windowText = (window: WindowSpec): string =>
  window.type === "Calendar" ? window.boundariesMs.join(",") : String(slotMsOf(window));
