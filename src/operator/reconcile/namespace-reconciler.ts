/** What a namespace has in Redis: the user that its sidecars log in as, for as long as it has workloads. */
import type { Clock } from "../../base/clock.ts";
import type { Log } from "../../base/log.ts";
import { clusterQuotasOf } from "../../compile/cluster-quota.ts";
import type { QuotaName } from "../../redis/acl.ts";
import type { Caches } from "../cluster/caches.ts";
import { type SharedState, StateUnavailable } from "../ports.ts";
import { done, type Outcome, waiting } from "./outcome.ts";

/** How often a user is made sure of, ms: a Redis that restarted may have lost it. */
const assureMs = 60_000;
/** How soon again while Redis is away, ms. */
const awayMs = 2_000;

/** How long a user still reaches the counters of a quota that counts for it no more, ms: sidecars settle what they hold, and read their config. */
export const reachKeptMs = 600_000;

/** What it works with. */
export interface NamespaceDeps {
  readonly caches: Caches;
  readonly state: SharedState;
  readonly clock: Clock;
  readonly log: Log;
}

/** Reconciles namespaces. */
export class NamespaceReconciler {
  readonly #caches: Caches;
  readonly #state: SharedState;
  readonly #log: Log;
  readonly #clock: Clock;
  readonly #known = new Set<string>();
  /** Namespace -> quotas over namespaces that its user reaches, and since when they count for it no more. */
  readonly #reached = new Map<string, Map<string, { readonly quota: QuotaName; readonly wantedMs: number }>>();

  constructor({ caches, state, clock, log }: NamespaceDeps) {
    this.#caches = caches;
    this.#state = state;
    this.#clock = clock;
    this.#log = log;
  }

  async reconcile(namespace: string): Promise<Outcome> {
    const isUsed =
      this.#caches.routes(namespace).length > 0 ||
      this.#caches.pods(namespace).length > 0 ||
      this.#caches.publishedIn(namespace).length > 0;
    try {
      if (isUsed) {
        await this.#state.ensureUser(namespace, this.#reachOf(namespace));
        if (!this.#known.has(namespace)) this.#log.info({ namespace }, "redis user of the namespace is there");
        this.#known.add(namespace);
        return done(assureMs);
      }
      await this.#state.removeUser(namespace);
      this.#known.delete(namespace);
      this.#reached.delete(namespace);
      return done();
    } catch (fault) {
      if (!(fault instanceof StateUnavailable)) throw fault;
      return waiting(fault.message, awayMs);
    }
  }

  #reachOf(namespace: string): readonly QuotaName[] {
    const nowMs = this.#clock.monotonicMs();
    const reached = this.#reached.get(namespace) ?? new Map<string, { quota: QuotaName; wantedMs: number }>();
    for (const { metadata } of clusterQuotasOf(namespace, this.#caches.clusterScope(namespace))) {
      const quota = { namespace: metadata.namespace, name: metadata.name };
      reached.set(`${quota.namespace}/${quota.name}`, { quota, wantedMs: nowMs });
    }
    for (const [key, { wantedMs }] of reached) if (nowMs - wantedMs > reachKeptMs) reached.delete(key);
    if (reached.size > 0) this.#reached.set(namespace, reached);
    else this.#reached.delete(namespace);
    return [...reached.values()].map(({ quota }) => quota);
  }
}
