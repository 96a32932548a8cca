/** Sends settlements and releases, and keeps those that the store did not take until it does. */
import type { Log } from "../../base/log.ts";
import type { QuotaStore, Settlement } from "../ports/quota-store.ts";
import { StoreUnavailable } from "../ports/store-unavailable.ts";

/** Settlements kept while the store is away; beyond it the oldest is dropped and its hold expires at what it held. */
export const pendingSettlementsMax = 10_000;
/** How often kept settlements are tried again, in ms. */
const retryMs = 1_000;
/** Settlements sent at one try, */
const retryBatch = 500;
/** and of them at once. */
const retryAtOnce = 50;

type Pending =
  | { readonly kind: "settle"; readonly settlement: Settlement }
  | { readonly kind: "release"; readonly namespace: string; readonly holdId: string };

/** Settles and releases without keeping the caller waiting. What waits is in memory: after a crash those holds expire, charged. */
export class Settler {
  readonly #store: QuotaStore;
  readonly #log: Log;
  readonly #pending: Pending[] = [];
  /** Sent for the first time, and not answered. */
  readonly #sent = new Set<Promise<void>>();
  readonly #dropped: () => void;
  #timer: NodeJS.Timeout | undefined;
  #retrying: Promise<void> | undefined;
  #isDropping = false;
  /** `dropped`: hears of each settlement that was dropped because too many waited. */
  constructor(options: { store: QuotaStore; log: Log; dropped: () => void }) {
    this.#store = options.store;
    this.#log = options.log;
    this.#dropped = options.dropped;
  }
  /** Settlements that wait for the store. */
  get pending(): number {
    return this.#pending.length;
  }
  start(): void {
    this.#timer = setInterval(() => void this.retry(), retryMs).unref();
  }
  /** Sends all that waits, as far as the store takes it. What it does not take is lost, and the log says how much. */
  async close(): Promise<void> {
    clearInterval(this.#timer);
    await Promise.all([...this.#sent, this.#retrying]);
    let before: number;
    do {
      before = this.#pending.length;
      await this.retry();
    } while (this.#pending.length > 0 && this.#pending.length < before);
    if (this.#pending.length > 0)
      this.#log.warn(
        { settlements: this.#pending.length },
        "settlements are lost: their holds expire at what they held",
      );
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
    const sent = this.#run(pending).then(
      () => void this.#sent.delete(sent),
      (fault: unknown) => {
        this.#sent.delete(sent);
        this.#failed(pending, fault);
      },
    );
    this.#sent.add(sent);
  }
  async #run(pending: Pending): Promise<boolean> {
    return pending.kind === "settle"
      ? this.#store.settle(pending.settlement)
      : this.#store.release(pending.namespace, pending.holdId);
  }
  #failed(pending: Pending, fault: unknown): void {
    if (!this.#isToKeep(fault)) return;
    if (this.#pending.length >= pendingSettlementsMax) {
      this.#pending.shift();
      this.#drop();
    }
    this.#pending.push(pending);
  }
  #isToKeep(fault: unknown): boolean {
    if (fault instanceof StoreUnavailable) return true;
    this.#log.error({ err: fault }, "settlement failed");
    return false;
  }
  #drop(): void {
    this.#dropped();
    if (!this.#isDropping) this.#log.warn("settlements are dropped: too many wait for the store");
    this.#isDropping = true;
  }
  /** Tries what waits, the oldest first; stops where the store does not take it. One at a time: who comes meanwhile waits for that. Never rejects. */
  retry(): Promise<void> {
    this.#retrying ??= this.#retry().finally(() => {
      this.#retrying = undefined;
    });
    return this.#retrying;
  }
  async #retry(): Promise<void> {
    for (let sent = 0; sent < retryBatch && this.#pending.length > 0; sent += retryAtOnce) {
      // Taken out while they are under way: what is dropped meanwhile is another.
      const batch = this.#pending.splice(0, retryAtOnce);
      const outcomes = await Promise.allSettled(batch.map((each) => this.#run(each)));
      const kept = batch.filter((_, i) => outcomes[i]?.status === "rejected" && this.#isToKeep(outcomes[i].reason));
      while (this.#pending.length + kept.length > pendingSettlementsMax && kept.shift() !== undefined) this.#drop();
      this.#pending.unshift(...kept);
      if (kept.length > 0) return;
    }
    if (this.#pending.length === 0) this.#isDropping = false;
  }
}
