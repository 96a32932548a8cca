import type { WindowSpec } from "../../base/window.ts";
import type { Claim, ReserveRequest } from "../ports/quota-store.ts";

/** Claims of one charge that lie in its place; a charge with more is kept as it came. */
const claimsInPlace = 8;
/** Numbers of a claim: max, amount, units for each token of output, and what was charged at last. */
const figures = 4;
const flags = { enforced: 1, hasPerOutput: 2, cluster: 4, leased: 8 } as const;
/** In place of how many were charged: the charge still runs. */
const running = -1;

/** A member of Claim that is missing here would not be told again: then this line does not compile. */
type KeptMember = "counter" | "window" | "max" | "amount" | "perOutput" | "enforced" | "scope" | "precision";
true satisfies Exclude<keyof Claim, KeptMember> extends never ? true : never;

/**
 * Charges in numbered places, apart from the objects that they came in: kept as objects they would grow old in the heap, which costs a busy
 * sidecar a tenth of its CPU. Numbers lie outside of it; names and windows are the same ones from charge to charge, and are pointed at.
 */
export class ChargeRing {
  readonly #holdIds: (string | undefined)[];
  readonly #leaseMs: Uint32Array;
  readonly #steps: Float64Array;
  readonly #counts: Uint8Array;
  readonly #charged: Int8Array;
  readonly #counters: string[];
  readonly #windows: WindowSpec[];
  readonly #figures: Float64Array;
  readonly #flags: Uint8Array;
  /** Where it has more claims than lie in a place. */
  readonly #large = new Map<number, readonly Claim[]>();
  readonly #largeActual = new Map<number, readonly number[]>();

  constructor(places: number) {
    const all = places * claimsInPlace;
    this.#holdIds = new Array(places);
    this.#leaseMs = new Uint32Array(places);
    this.#steps = new Float64Array(places);
    this.#counts = new Uint8Array(places);
    this.#charged = new Int8Array(places);
    this.#counters = new Array(all);
    this.#windows = new Array(all);
    this.#figures = new Float64Array(all * figures);
    this.#flags = new Uint8Array(all);
  }

  /** undefined: the place is free. */
  holdIdAt(place: number): string | undefined {
    return this.#holdIds[place];
  }

  /** Takes a place that is free. */
  put(place: number, { holdId, leaseMs, claims, output }: ReserveRequest): void {
    this.#holdIds[place] = holdId;
    this.#leaseMs[place] = leaseMs;
    this.#steps[place] = output?.step ?? 1;
    this.#counts[place] = claims.length;
    this.#charged[place] = running;
    if (claims.length > claimsInPlace) {
      this.#large.set(place, claims);
      return;
    }
    let at = place * claimsInPlace;
    for (const claim of claims) this.#putClaim(at++, claim);
  }

  /** Notes what was charged at last. */
  settle(place: number, amounts: readonly number[]): void {
    const isLarge = amounts.length > claimsInPlace;
    this.#charged[place] = isLarge ? claimsInPlace : amounts.length;
    if (isLarge) this.#largeActual.set(place, amounts);
    else
      for (let i = 0; i < amounts.length; i++)
        this.#figures[(place * claimsInPlace + i) * figures + 3] = amounts[i] ?? 0;
  }

  isRunning(place: number): boolean {
    return this.#charged[place] === running;
  }

  /** What was charged at last; undefined: it still runs. */
  actualAt(place: number): readonly number[] | undefined {
    if (this.isRunning(place)) return undefined;
    const from = place * claimsInPlace;
    const count = this.#charged[place] ?? 0;
    return this.#largeActual.get(place) ?? Array.from({ length: count }, (_, i) => this.#figure(from + i, 3));
  }

  /** What was asked for, but for how much output: that much was granted. */
  requestAt(place: number, namespace: string, granted: number): ReserveRequest {
    const from = place * claimsInPlace;
    const count = this.#counts[place] ?? 0;
    return {
      namespace,
      holdId: this.#holdIds[place] ?? "",
      leaseMs: this.#leaseMs[place] ?? 0,
      claims: this.#large.get(place) ?? Array.from({ length: count }, (_, i) => this.#claimAt(from + i)),
      output: { wanted: granted, min: granted, step: this.#steps[place] ?? 1 },
    };
  }

  free(place: number): void {
    this.#holdIds[place] = undefined;
    if (this.#large.size > 0) this.#large.delete(place);
    if (this.#largeActual.size > 0) this.#largeActual.delete(place);
  }

  #putClaim(at: number, { counter, window, max, amount, perOutput, enforced, scope, precision }: Claim): void {
    this.#counters[at] = counter;
    this.#windows[at] = window;
    this.#figures[at * figures] = max;
    this.#figures[at * figures + 1] = amount;
    this.#figures[at * figures + 2] = perOutput ?? 0;
    this.#flags[at] =
      (enforced ? flags.enforced : 0) |
      (perOutput === undefined ? 0 : flags.hasPerOutput) |
      (scope === undefined ? 0 : flags.cluster) |
      (precision === undefined ? 0 : flags.leased);
  }

  #claimAt(at: number): Claim {
    const is = this.#flags[at] ?? 0;
    return {
      counter: this.#counters[at] ?? "",
      window: this.#windows[at] ?? { type: "Concurrency" },
      max: this.#figure(at, 0),
      amount: this.#figure(at, 1),
      enforced: (is & flags.enforced) !== 0,
      ...((is & flags.hasPerOutput) !== 0 && { perOutput: this.#figure(at, 2) }),
      ...((is & flags.cluster) !== 0 && { scope: "Cluster" }),
      ...((is & flags.leased) !== 0 && { precision: "Leased" }),
    };
  }

  #figure(at: number, which: number): number {
    return this.#figures[at * figures + which] ?? 0;
  }
}
