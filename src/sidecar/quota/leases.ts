/** Keeps the holds of running requests alive: one timer for all of them, one command for those that have run a while. */
import type { Clock } from "../../base/clock.ts";
import type { Log } from "../../base/log.ts";
import type { QuotaStore } from "../ports/quota-store.ts";
import { StoreUnavailable } from "../ports/store-unavailable.ts";

interface Lease {
  readonly namespace: string;
  readonly leaseMs: number;
  renewAtMs: number;
}

/** How often leases are looked through, in ms; leases are 5 s at least and are renewed at a third of their time. */
const lookMs = 1_000;

/** Renews the leases of the holds that are kept, between `start` and `stop`. A hold that is gone is dropped and logged. */
export class LeaseKeeper {
  readonly #store: QuotaStore;
  readonly #clock: Clock;
  readonly #log: Log;
  readonly #leases = new Map<string, Lease>();
  #timer: NodeJS.Timeout | undefined;
  constructor(options: { store: QuotaStore; clock: Clock; log: Log }) {
    this.#store = options.store;
    this.#clock = options.clock;
    this.#log = options.log;
  }
  /** Holds that are kept now. */
  get size(): number {
    return this.#leases.size;
  }
  start(): void {
    this.#timer = setInterval(() => {
      this.renewDue().catch((err: unknown) => this.#log.error({ err }, "leases not renewed"));
    }, lookMs).unref();
  }
  stop(): void {
    clearInterval(this.#timer);
  }
  keep(namespace: string, holdId: string, leaseMs: number): void {
    this.#leases.set(holdId, { namespace, leaseMs, renewAtMs: this.#clock.monotonicMs() + leaseMs / 3 });
  }
  drop(holdId: string): void {
    this.#leases.delete(holdId);
  }
  /** Renews what has used a third of its lease. A store that is away is tried again at the next look. */
  async renewDue(): Promise<void> {
    const nowMs = this.#clock.monotonicMs();
    const due = new Map<string, { namespace: string; leaseMs: number; ids: string[] }>();
    for (const [id, lease] of this.#leases) {
      if (lease.renewAtMs > nowMs) continue;
      const key = `${lease.namespace} ${lease.leaseMs}`;
      const group = due.get(key) ?? { namespace: lease.namespace, leaseMs: lease.leaseMs, ids: [] };
      group.ids.push(id);
      due.set(key, group);
    }
    for (const { namespace, leaseMs, ids } of due.values()) {
      try {
        const gone = await this.#store.renew(namespace, ids, leaseMs);
        for (const id of ids) {
          const lease = this.#leases.get(id);
          if (lease) lease.renewAtMs = this.#clock.monotonicMs() + leaseMs / 3;
        }
        for (const id of gone) this.#leases.delete(id);
        if (gone.length > 0) this.#log.warn({ holds: gone.length }, "holds expired while their requests ran");
      } catch (fault) {
        if (!(fault instanceof StoreUnavailable)) throw fault;
        this.#log.debug({ holds: ids.length }, "leases not renewed, the store is away");
      }
    }
  }
}
