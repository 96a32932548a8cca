/** One list and watch that never gives up: it resumes where it can, lists again where it must, and does neither too often. */
import type { Clock } from "../base/clock.ts";
import type { Log } from "../base/log.ts";
import { backoffMs } from "./backoff.ts";
import { type KubeApi, KubeFault, type KubeObject, type Resource, type Selection, type WatchEvent } from "./port.ts";
import { compareResourceVersions } from "./resource-version.ts";
import { pause, type Timers } from "./timers.ts";

/** Who is told. */
export interface ListWatchSink {
  /** A page of a list; `isFirst`: of a new list, which starts from nothing. */
  listed(items: readonly KubeObject[], isFirst: boolean): void;
  /** The list is whole. */
  listEnded(): void;
  event(event: WatchEvent): void;
}

/** What is listed and watched, with what. */
export interface ListWatchOptions {
  readonly api: KubeApi;
  readonly resource: Resource;
  readonly selection: Selection;
  readonly pageSize: number;
  readonly clock: Clock;
  readonly timers: Timers;
  readonly log: Log;
  readonly random: () => number;
  readonly sink: ListWatchSink;
}

/** Counted since the start. */
export interface ListWatchCounts {
  lists: number;
  watches: number;
  events: number;
  faults: number;
}

/** How long a watch is asked to last, s; the client notices a silent one 5 s later. Less by up to a third, so that watches do not end together. */
const watchSecondsMax = 45;
/** Between the starts of two lists, ms. */
const listIntervalMs = 1_000;
const delays = { delayMsMin: 500, delayMsMax: 30_000 };
/** Where nobody answers: asking burdens nobody, and what changed meanwhile should not wait once the server is back. */
const awayDelays = { delayMsMin: 500, delayMsMax: 4_000 };
/** A watch that lived this long shows that the server is well: the next failure counts as the first, ms. */
const healthyMs = 10_000;
/** A watch that ends well but sooner than this, without an event, counts as a failure, ms. */
const shortMs = 1_000;

/** Statuses after which a watch cannot go on from where it was: gone, no such resource, a resourceVersion that is not understood. */
const relistStatuses = [410, 404, 400, 422];

/** The loop. */
export class ListWatch {
  readonly counts: ListWatchCounts = { lists: 0, watches: 0, events: 0, faults: 0 };
  readonly #options: ListWatchOptions;
  /** Where the next watch begins; undefined: a list comes first. */
  #resourceVersion: string | undefined;
  /** Failures in a row of each kind: nobody answered, an error was answered, the watch was too old. */
  #failures = { away: 0, answered: 0, expired: 0 };
  #listedAtMs = Number.NEGATIVE_INFINITY;
  #contactAtMs: number;
  #hasEvents = false;

  constructor(options: ListWatchOptions) {
    this.#options = options;
    this.#contactAtMs = options.clock.monotonicMs();
  }

  /** When the server last said something, on the monotonic clock, ms; before it ever did: when this was made. */
  get lastContactMs(): number {
    return this.#contactAtMs;
  }

  /** Runs until `signal` is aborted; never rejects. */
  async run(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      try {
        if (this.#resourceVersion === undefined) await this.#list(signal);
        if (!signal.aborted) await this.#watch(signal);
      } catch (fault) {
        if (!signal.aborted) await this.#recover(fault, signal);
      }
    }
  }

  async #list(signal: AbortSignal): Promise<void> {
    const { api, resource, selection, pageSize, clock, timers, sink } = this.#options;
    await pause(timers, Math.max(0, this.#listedAtMs + listIntervalMs - clock.monotonicMs()), signal);
    this.#listedAtMs = clock.monotonicMs();
    this.counts.lists += 1;
    let token: string | undefined;
    for (let isFirst = true; !signal.aborted; isFirst = false) {
      const page = await unlessAborted(api.list(resource, selection, { limit: pageSize, continue: token }), signal);
      if (page === undefined) return;
      this.#contact();
      sink.listed(page.items, isFirst);
      token = page.continue;
      if (token !== undefined) continue;
      sink.listEnded();
      this.#resourceVersion = page.resourceVersion; // that of the last page is the list's: all pages show one moment
      return;
    }
  }

  async #watch(signal: AbortSignal): Promise<void> {
    const { api, resource, selection, clock, random } = this.#options;
    const resourceVersion = this.#resourceVersion;
    if (resourceVersion === undefined) return;
    const startedAtMs = clock.monotonicMs();
    this.#hasEvents = false;
    this.counts.watches += 1;
    const timeoutSeconds = Math.round(watchSecondsMax * (1 - random() / 3));
    try {
      await api.watch(
        resource,
        { ...selection, resourceVersion, timeoutSeconds },
        (event) => this.#event(event),
        signal,
      );
    } finally {
      if (this.#hasEvents || clock.monotonicMs() - startedAtMs >= healthyMs)
        this.#failures = { away: 0, answered: 0, expired: 0 };
    }
    if (signal.aborted) return;
    this.#contact();
    if (!this.#hasEvents && clock.monotonicMs() - startedAtMs < shortMs)
      throw new KubeFault("the watch ended at once", { status: 0 });
  }

  #event(event: WatchEvent): void {
    this.#contact();
    const { resourceVersion } = event.object.metadata;
    const order = compareResourceVersions(resourceVersion ?? "", this.#resourceVersion ?? "");
    if (event.type === "BOOKMARK") {
      // A restored backup: the server would leave out all events up to where we think we are.
      if (order !== undefined && order < 0) throw new KubeFault("the server's history went back", { status: 410 });
    } else {
      this.#hasEvents = true;
      this.counts.events += 1;
      this.#options.sink.event(event);
    }
    // Never backwards: an event that comes late must not make the next watch repeat what is known.
    if (resourceVersion && (order === undefined || order > 0)) this.#resourceVersion = resourceVersion;
  }

  /** Decides where to go on, and waits. */
  async #recover(fault: unknown, signal: AbortSignal): Promise<void> {
    const { timers, log, resource, selection } = this.#options;
    const { status, reason, retryAfterMs } =
      fault instanceof KubeFault ? fault : { status: -1, reason: "", retryAfterMs: undefined };
    this.counts.faults += 1;
    if (relistStatuses.includes(status)) this.#resourceVersion = undefined;
    const { failures, ownMs } = this.#counted(status);
    const delayMs = Math.min(delays.delayMsMax, Math.max(ownMs, retryAfterMs ?? 0));
    log[status === 410 ? "info" : "warn"](
      {
        resource: resource.plural,
        namespace: selection.namespace,
        status,
        reason,
        failures,
        delayMs: Math.round(delayMs),
        fault: fault instanceof Error ? fault.message : undefined,
      },
      "list or watch interrupted",
    );
    await pause(timers, delayMs, signal);
  }

  /**
   * Each kind counts for itself: however long nobody answered, what a server that has just started says (too old, 429 and 403 while it
   * loads) is its first word.
   */
  #counted(status: number): { readonly failures: number; readonly ownMs: number } {
    const { random } = this.#options;
    if (status === 0) {
      const failures = ++this.#failures.away;
      return { failures, ownMs: backoffMs(failures, { ...awayDelays, random }) };
    }
    const failures = status === 410 ? ++this.#failures.expired : ++this.#failures.answered;
    // Too old is the ordinary end of a watch: the first time nothing but the interval between lists holds us up.
    if (status === 410 && failures === 1) return { failures, ownMs: 0 };
    return { failures, ownMs: backoffMs(failures, { ...delays, random }) };
  }

  #contact(): void {
    this.#contactAtMs = this.#options.clock.monotonicMs();
  }
}

/** What `work` comes to, or undefined as soon as `signal` is aborted: a list that hangs does not hold up the end. */
const unlessAborted = <T>(work: Promise<T>, signal: AbortSignal): Promise<T | undefined> =>
  new Promise((resolve, reject) => {
    const end = (): void => resolve(undefined);
    if (signal.aborted) end();
    signal.addEventListener("abort", end);
    work.then(resolve, reject).finally(() => signal.removeEventListener("abort", end));
  });
