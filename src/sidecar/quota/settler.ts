/** Sends settlements and releases, and keeps those that the store did not take until it does. */
import type { Log } from "../../base/log.ts";
import type { QuotaStore, Settlement } from "../ports/quota-store.ts";
import { StoreUnavailable } from "../ports/store-unavailable.ts";

/** Settlements kept while the store is away; beyond it the oldest is dropped and its hold expires at what it held. */
export const pendingSettlementsMax = 10_000;
/** How often kept settlements are tried again, in ms. */
const retryMs = 1_000;
/** Settlements sent at one try. */
const retryBatch = 500;

type Pending =
  | { readonly kind: "settle"; readonly settlement: Settlement }
  | { readonly kind: "release"; readonly namespace: string; readonly holdId: string };

/** Settles and releases without keeping the caller waiting. What waits is in memory: after a crash those holds expire, charged. */
export class Settler {
  readonly #store: QuotaStore;
  readonly #log: Log;
  readonly #pending: Pending[] = [];
  #timer: NodeJS.Timeout | undefined;
  #retrying = false;
  /** Settlements that were dropped because too many waited. */
  dropped = 0;
  constructor(options: { store: QuotaStore; log: Log }) {
    this.#store = options.store;
    this.#log = options.log;
  }
  /** Settlements that wait for the store. */
  get pending(): number {
    return this.#pending.length;
  }
  start(): void {
    this.#timer = setInterval(() => void this.retry(), retryMs).unref();
  }
  stop(): void {
    clearInterval(this.#timer);
  }
  /** Corrects a hold to the actual amounts. Sent at once: what follows on the same connection sees it. */
  settle(settlement: Settlement): void {
    this.#send({ kind: "settle", settlement });
  }
  /** Gives a hold back, as if never asked. */
  release(namespace: string, holdId: string): void {
    this.#send({ kind: "release", namespace, holdId });
  }
  #send(pending: Pending): void {
    this.#run(pending).catch((fault: unknown) => this.#failed(pending, fault));
  }
  #run(pending: Pending): Promise<boolean> {
    return pending.kind === "settle"
      ? this.#store.settle(pending.settlement)
      : this.#store.release(pending.namespace, pending.holdId);
  }
  #failed(pending: Pending, fault: unknown): void {
    if (!(fault instanceof StoreUnavailable)) {
      this.#log.error({ err: fault }, "settlement failed");
      return;
    }
    if (this.#pending.length >= pendingSettlementsMax) {
      this.#pending.shift();
      this.dropped++;
    }
    this.#pending.push(pending);
  }
  /** Tries what waits; stops at the first that the store does not take. */
  async retry(): Promise<void> {
    if (this.#retrying) return;
    this.#retrying = true;
    try {
      for (let i = 0; i < retryBatch && this.#pending.length > 0; i++) {
        const first = this.#pending[0];
        if (!first) break;
        await this.#run(first);
        this.#pending.shift();
      }
    } catch (fault) {
      if (!(fault instanceof StoreUnavailable)) {
        this.#log.error({ err: fault }, "settlement failed");
        this.#pending.shift();
      }
    } finally {
      this.#retrying = false;
    }
  }
}
