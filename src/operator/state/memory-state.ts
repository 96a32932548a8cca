import type { AIQuota } from "../../api/aiquota.ts";
import type { Clock } from "../../base/clock.ts";
import type { QuotaName } from "../../redis/acl.ts";
import { type Beat, beatTtlMs } from "../../redis/heartbeat.ts";
import { type Heartbeat, type SharedState, StateUnavailable, type UsageRow } from "../ports.ts";
import { type CounterState, usageRows } from "./usage-rows.ts";

/** The shared state in this process, for tests: what sidecars would write is set by hand. It passes the same contract as Redis. */
export class MemoryState implements SharedState {
  readonly #clock: Clock;
  readonly #beats = new Map<string, { readonly heartbeat: Heartbeat; readonly endsMs: number }>();
  readonly #counters = new Map<string, CounterState[]>();
  readonly #connected: (() => void)[] = [];
  /** Namespaces that have a user. */
  readonly users = new Set<string>();
  /** Quotas over namespaces that a namespace's user reaches, `NAMESPACE/NAME`. */
  readonly reaches = new Map<string, readonly string[]>();
  /** While set, every method throws StateUnavailable, and `fault` says this. */
  away: string | undefined;
  /** What `fault` says of a Redis that answers. */
  unfit: string | undefined;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** A sidecar's heartbeat: it lasts 30 s of the clock. */
  beat(namespace: string, beat: Omit<Beat, "instance">): void {
    const { pod } = beat;
    const { instance: _, ...heartbeat } = { instance: "", ...beat };
    this.#beats.set(`${namespace}/${pod}`, { heartbeat, endsMs: this.#clock.monotonicMs() + beatTtlMs });
  }

  /** A sidecar that has ended. */
  endBeat(namespace: string, pod: string): void {
    this.#beats.delete(`${namespace}/${pod}`);
  }

  /** What the subjects of a quota have used, in place of what was set before. */
  setCounters(namespace: string, quota: string, counters: readonly CounterState[]): void {
    this.#counters.set(`${namespace}/${quota}`, [...counters]);
  }

  async heartbeats(namespace: string, pods: readonly string[]): Promise<ReadonlyMap<string, Heartbeat>> {
    this.#checkPresent();
    const nowMs = this.#clock.monotonicMs();
    const found = new Map<string, Heartbeat>();
    for (const pod of pods) {
      const beat = this.#beats.get(`${namespace}/${pod}`);
      if (beat && beat.endsMs > nowMs) found.set(pod, beat.heartbeat);
    }
    return found;
  }

  async usage(namespace: string, quota: AIQuota): Promise<readonly UsageRow[]> {
    this.#checkPresent();
    const { name } = quota.metadata;
    // As Redis' reader: the limits are those of the quota that is asked about.
    const counters = (this.#counters.get(`${namespace}/${name}`) ?? []).map((counter) => {
      const limit = quota.spec.limits.find((one) => one.name === counter.limit.name);
      return { ...counter, limit: limit ?? counter.limit };
    });
    return usageRows(counters, this.#clock.nowMs());
  }

  async ensureUser(namespace: string, clusterQuotas: readonly QuotaName[] = []): Promise<void> {
    this.#checkPresent();
    this.reaches.set(
      namespace,
      clusterQuotas.map((quota) => `${quota.namespace}/${quota.name}`),
    );
    this.users.add(namespace);
  }

  async removeUser(namespace: string): Promise<void> {
    this.#checkPresent();
    this.users.delete(namespace);
  }

  onConnected(listener: () => void): void {
    this.#connected.push(listener);
  }

  /** A restart that nobody notices but by its new connection: users and heartbeats are gone. */
  restart(): void {
    this.users.clear();
    this.#beats.clear();
    for (const listener of this.#connected) listener();
  }

  async fault(): Promise<string | undefined> {
    return this.away ?? this.unfit;
  }

  async close(): Promise<void> {
    this.away = "closed";
  }

  #checkPresent(): void {
    if (this.away !== undefined) throw new StateUnavailable(this.away);
  }
}
