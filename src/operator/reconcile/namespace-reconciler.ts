/** What a namespace has in Redis: the user that its sidecars log in as, for as long as it has workloads. */
import type { Log } from "../../base/log.ts";
import type { Caches } from "../cluster/caches.ts";
import { type SharedState, StateUnavailable } from "../ports.ts";
import { done, type Outcome, waiting } from "./outcome.ts";

/** How often a user is made sure of, ms: a Redis that restarted may have lost it. */
const assureMs = 60_000;
/** How soon again while Redis is away, ms. */
const awayMs = 2_000;

/** Reconciles namespaces. */
export class NamespaceReconciler {
  readonly #caches: Caches;
  readonly #state: SharedState;
  readonly #log: Log;
  readonly #known = new Set<string>();

  constructor({ caches, state, log }: { readonly caches: Caches; readonly state: SharedState; readonly log: Log }) {
    this.#caches = caches;
    this.#state = state;
    this.#log = log;
  }

  async reconcile(namespace: string): Promise<Outcome> {
    const isUsed =
      this.#caches.routes(namespace).length > 0 ||
      this.#caches.pods(namespace).length > 0 ||
      this.#caches.publishedIn(namespace).length > 0;
    try {
      if (isUsed) {
        await this.#state.ensureUser(namespace);
        if (!this.#known.has(namespace)) this.#log.info({ namespace }, "redis user of the namespace is there");
        this.#known.add(namespace);
        return done(assureMs);
      }
      await this.#state.removeUser(namespace);
      this.#known.delete(namespace);
      return done();
    } catch (fault) {
      if (!(fault instanceof StateUnavailable)) throw fault;
      return waiting(fault.message, awayMs);
    }
  }
}
