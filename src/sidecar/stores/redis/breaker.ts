/** Closed: commands pass. Open: they fail at once. HalfOpen: a probe was answered; the next outcome closes or opens. */
export type BreakerState = "Closed" | "Open" | "HalfOpen";

/** Opens after this many failures in a row, */
export const consecutiveFailuresMax = 5;
/** or when half of so many outcomes were failures. */
export const outcomesCounted = 20;
/** A probe follows the opening or the last probe after 1 to 4 s, jittered, so that many sidecars do not come back as one. */
export const probeDelayMs = { min: 1_000, max: 4_000 } as const;

/** Who hears of a breaker. */
export interface BreakerListener {
  /** `isAgain`: it had not been closed since it last opened; a probe was answered, but the next command failed. */
  opened(reason: string, isAgain: boolean): void;
  closed(): void;
}

/** Counts outcomes and says whether to ask at all. Keeps no time: its owner probes. */
export class Breaker {
  #state: BreakerState = "Closed";
  #inRow = 0;
  /** Ring of the last outcomes: true is a failure. */
  #outcomes: boolean[] = [];
  #at = 0;
  #failures = 0;
  readonly #listener: BreakerListener;

  constructor(listener: BreakerListener) {
    this.#listener = listener;
  }

  get state(): BreakerState {
    return this.#state;
  }

  succeeded(): void {
    if (this.#state === "Open") return;
    this.#inRow = 0;
    this.#count(false);
    if (this.#state === "HalfOpen") this.#close();
  }

  failed(reason: string): void {
    if (this.#state === "Open") return;
    this.#inRow++;
    this.#count(true);
    const half = this.#outcomes.length === outcomesCounted && this.#failures * 2 >= outcomesCounted;
    if (this.#state === "HalfOpen" || this.#inRow >= consecutiveFailuresMax || half) this.#open(reason);
  }

  /** A probe was answered. */
  probed(): void {
    if (this.#state === "Open") this.#state = "HalfOpen";
  }

  #open(reason: string): void {
    const isAgain = this.#state === "HalfOpen";
    this.#state = "Open";
    this.#listener.opened(reason, isAgain);
  }

  #close(): void {
    this.#state = "Closed";
    this.#outcomes = [];
    this.#at = 0;
    this.#failures = 0;
    this.#listener.closed();
  }

  #count(failed: boolean): void {
    if (this.#outcomes[this.#at] === true) this.#failures--;
    if (failed) this.#failures++;
    this.#outcomes[this.#at] = failed;
    this.#at = (this.#at + 1) % outcomesCounted;
  }
}

/** Waits before the next probe, ms. `random` answers 0 to 1. */
export const probeDelay = (random: () => number): number =>
  probeDelayMs.min + random() * (probeDelayMs.max - probeDelayMs.min);
