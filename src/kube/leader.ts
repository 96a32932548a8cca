/** Leader election by a Lease: of several replicas one acts, and knows by its own clock until when. */
import type { Clock } from "../base/clock.ts";
import type { Log } from "../base/log.ts";
import { type LeaseRecord, leaseObject, leaseRecordOf } from "./lease.ts";
import { isKubeFault, type KubeApi, KubeFault, type KubeObject, resources } from "./port.ts";
import { pause, systemTimers, type Timers } from "./timers.ts";

/** Who stands for election, and where. */
export interface LeaderElectionOptions {
  readonly api: KubeApi;
  /** The Lease; made when it is missing. */
  readonly namespace: string;
  readonly name: string;
  /** This process alone: a pod's name is not enough, because a container restarts under it. */
  readonly identity: string;
  readonly clock: Clock;
  readonly timers?: Timers;
  readonly log: Log;
  /** How long a silent leader stays leader in the eyes of the others, s. Default 15. */
  readonly leaseSeconds?: number;
  /** How long after its last renewal a leader acts at most, s; below leaseSeconds. Default 10. */
  readonly renewSeconds?: number;
  /** Between two renewals, s; the others look twice as often. Default 2. */
  readonly retrySeconds?: number;
  /** Leading has begun. What it throws is logged. */
  readonly onStarted?: () => void | Promise<void>;
  /** Leading has ended; `stop` waits for it before the Lease is given away. What it throws is logged. */
  readonly onStopped?: () => void | Promise<void>;
  readonly random?: () => number;
}

/** How long `stop` waits for onStopped, ms. */
const stoppedMsMax = 5_000;
/** The largest leaseDurationSeconds of another holder that is believed. */
const leaseSecondsMax = 120;

/**
 * Clocks of replicas are never compared. A holder may act while `renewSeconds` have not passed on its own monotonic clock since it began
 * its last successful renewal; another takes over when it has seen the Lease unchanged for the longer `leaseSeconds` on its own.
 * Who was frozen finds `isLeading()` false at the first look. Writes are conditional on resourceVersion, so of two only one succeeds.
 */
export class LeaderElection {
  readonly #options: LeaderElectionOptions;
  readonly #timers: Timers;
  readonly #ended = new AbortController();
  readonly #leaseMs: number;
  readonly #renewMs: number;
  readonly #retryMs: number;
  /** The Lease as it was seen last, and since when it has looked so. */
  #seen: { readonly object: KubeObject; readonly record: LeaseRecord; readonly sinceMs: number } | undefined;
  /** When the last successful renewal began; undefined: we do not hold the Lease. */
  #renewedAtMs: number | undefined;
  #wasLeading = false;
  #callOffDeadline: () => void = () => undefined;
  #stopped: Promise<void> = Promise.resolve();
  #running: Promise<void> | undefined;

  /** Throws RangeError when the times do not fit: retrySeconds * 2 <= renewSeconds < leaseSeconds. */
  constructor(options: LeaderElectionOptions) {
    const { leaseSeconds = 15, renewSeconds = 10, retrySeconds = 2 } = options;
    if (!(retrySeconds > 0 && retrySeconds * 2 <= renewSeconds && renewSeconds < leaseSeconds))
      throw new RangeError("leader election needs retrySeconds * 2 <= renewSeconds < leaseSeconds");
    this.#options = options;
    this.#timers = options.timers ?? systemTimers;
    this.#leaseMs = leaseSeconds * 1_000;
    this.#renewMs = renewSeconds * 1_000;
    this.#retryMs = retrySeconds * 1_000;
  }

  /** Stands for election until `stop`; a second call changes nothing. */
  start(): void {
    this.#running ??= this.#run();
  }

  /** True while this process may act. Asked just before each write: the answer is that of the clock, not of the last event. */
  isLeading(): boolean {
    if (this.#renewedAtMs === undefined || this.#ended.signal.aborted) return false;
    return this.#options.clock.monotonicMs() - this.#renewedAtMs < this.#renewMs;
  }

  /** The identity in the Lease as last seen; undefined: unknown, or nobody's. */
  get leader(): string | undefined {
    return this.#seen?.record.holder || undefined;
  }

  /** Ends leading, waits for onStopped (at most 5 s), and gives the Lease away: another has it within retrySeconds. */
  async stop(): Promise<void> {
    this.#ended.abort();
    await this.#running; // with the attempt under way
    this.#follow();
    await this.#within(this.#stopped, stoppedMsMax).catch(() => this.#options.log.warn("onStopped takes too long"));
    if (this.#renewedAtMs !== undefined) await this.#release();
  }

  async #run(): Promise<void> {
    const { signal } = this.#ended;
    const { random = Math.random, log } = this.#options;
    while (!signal.aborted) {
      try {
        await this.#within(this.#acquireOrRenew(), Math.max(1_000, this.#renewMs / 3));
      } catch (fault) {
        const { status, reason } = fault instanceof KubeFault ? fault : { status: -1, reason: String(fault) };
        // 409: another was quicker, which is what the Lease is for.
        log[status === 409 ? "info" : "warn"]({ status, reason }, "lease not taken");
      }
      if (signal.aborted) return;
      this.#follow();
      const waitMs = this.isLeading() ? this.#retryMs : (this.#retryMs / 2) * (0.8 + random() / 5);
      await pause(this.#timers, waitMs, signal);
    }
  }

  async #acquireOrRenew(): Promise<void> {
    const { clock, identity } = this.#options;
    if (this.isLeading() && this.#seen) {
      // What we wrote last is still there unless somebody else wrote: the conflict tells.
      const startedAtMs = clock.monotonicMs();
      try {
        return await this.#write(this.#seen.object, this.#seen.record, startedAtMs);
      } catch (fault) {
        if (!isKubeFault(fault, 404, 409)) throw fault;
      }
    }
    const found = await this.#read();
    const startedAtMs = clock.monotonicMs();
    if (found === undefined) return this.#write(undefined, undefined, startedAtMs);
    const { object, record, sinceMs } = found;
    const leaseMs = Math.max(this.#leaseMs, Math.min(leaseSecondsMax, record.leaseSeconds) * 1_000);
    const isFree = record.holder === "" || record.holder === identity || startedAtMs - sinceMs >= leaseMs;
    if (isFree) return this.#write(object, record, startedAtMs);
    this.#renewedAtMs = undefined;
  }

  /** Reads the Lease and notes since when it is as it is. */
  async #read() {
    const { api, namespace, name, clock } = this.#options;
    let object: KubeObject;
    try {
      object = await api.get(resources.leases, { namespace, name });
    } catch (fault) {
      if (!isKubeFault(fault, 404)) throw fault;
      this.#seen = undefined;
      return undefined;
    }
    const isUnchanged = this.#seen?.object.metadata.resourceVersion === object.metadata.resourceVersion;
    const sinceMs = isUnchanged && this.#seen ? this.#seen.sinceMs : clock.monotonicMs();
    this.#seen = { object, record: leaseRecordOf(object), sinceMs };
    return this.#seen;
  }

  /** Makes the Lease ours, or ours for longer. */
  async #write(before: KubeObject | undefined, record: LeaseRecord | undefined, startedAtMs: number): Promise<void> {
    const { api, namespace, name, identity, clock } = this.#options;
    if (this.#ended.signal.aborted) return; // an attempt that was given up must not take back what stop gave away
    const isOurs = record?.holder === identity;
    const now = new Date(clock.nowMs());
    const wanted = leaseObject(
      { namespace, name, before },
      {
        holder: identity,
        leaseSeconds: this.#leaseMs / 1_000,
        acquired: isOurs ? record.acquired : now,
        renewed: now,
        transitions: (record?.transitions ?? 0) + (isOurs || record === undefined ? 0 : 1),
      },
    );
    const object = before ? await api.replace(resources.leases, wanted) : await api.create(resources.leases, wanted);
    this.#seen = { object, record: leaseRecordOf(object), sinceMs: clock.monotonicMs() };
    this.#renewedAtMs = Math.max(startedAtMs, this.#renewedAtMs ?? startedAtMs);
  }

  /** Says that leading has begun or ended, when it has; and looks again when it would end. */
  #follow(): void {
    this.#callOffDeadline();
    const leads = this.isLeading();
    if (leads) {
      const leftMs = (this.#renewedAtMs ?? 0) + this.#renewMs - this.#options.clock.monotonicMs();
      this.#callOffDeadline = this.#timers.after(Math.max(0, Math.ceil(leftMs)), () => this.#follow());
    }
    if (leads === this.#wasLeading) return;
    this.#wasLeading = leads;
    const { log, identity, onStarted, onStopped } = this.#options;
    log.info({ identity }, leads ? "leading" : "no longer leading");
    if (leads) void this.#tell(onStarted);
    else this.#stopped = this.#tell(onStopped);
  }

  async #tell(handler: (() => void | Promise<void>) | undefined): Promise<void> {
    try {
      await handler?.();
    } catch (err) {
      this.#options.log.error({ err }, "leadership handler failed");
    }
  }

  async #release(): Promise<void> {
    const { api, namespace, name, clock, log } = this.#options;
    this.#renewedAtMs = undefined;
    if (this.#seen === undefined) return;
    const { object, record } = this.#seen;
    const now = new Date(clock.nowMs());
    // One second, as other clients do: who reads only the duration does not wait either.
    const free = { ...record, holder: "", leaseSeconds: 1, renewed: now, acquired: now };
    try {
      await this.#within(
        api.replace(resources.leases, leaseObject({ namespace, name, before: object }, free)),
        this.#renewMs / 3,
      );
    } catch (fault) {
      log.warn({ fault: String(fault) }, "lease not given away; another takes it when it has run out");
    }
  }

  /** What is not done by then counts as failed; should it succeed later, the next write finds out by its conflict. */
  #within<T>(work: Promise<T>, ms: number): Promise<T> {
    return new Promise((resolve, reject) => {
      const callOff = this.#timers.after(ms, () => reject(new KubeFault(`no answer within ${ms} ms`, { status: 0 })));
      work.then(resolve, reject).finally(callOff);
    });
  }
}
