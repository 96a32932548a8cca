/** Events on objects (events.k8s.io/v1): what kubectl describe shows. Best effort: it never blocks, never throws, and repeats count up one Event. */
import { randomBytes } from "node:crypto";
import type { Clock } from "../base/clock.ts";
import type { Log } from "../base/log.ts";
import { microTime } from "./lease.ts";
import { isKubeFault, type KubeApi, KubeFault, type ObjectRef, resources } from "./port.ts";
import { systemTimers, type Timers } from "./timers.ts";

/** The object that an Event is about. */
export interface Regarding {
  readonly apiVersion: string;
  readonly kind: string;
  readonly name: string;
  /** Absent for what is not namespaced: such Events lie in `default`. */
  readonly namespace?: string | undefined;
  readonly uid?: string | undefined;
}

/** What happened. */
export interface EventNote {
  readonly type: "Normal" | "Warning";
  /** A word in UpperCamelCase, at most 128 characters; the same as the condition's. */
  readonly reason: string;
  /** A sentence; cut at 1024 bytes. */
  readonly message: string;
  /** What was done or tried, a word. Default Reconcile. */
  readonly action?: string | undefined;
}

/** Where Events come from and go. */
export interface EventRecorderOptions {
  readonly api: KubeApi;
  readonly clock: Clock;
  readonly timers?: Timers;
  readonly log: Log;
  /** Default sidegate.dev/operator. */
  readonly reportingController?: string;
  /** The pod's name; at most 128 characters. */
  readonly reportingInstance: string;
}

/** An equal note within this long counts up the Event that is there, ms. */
const seriesMs = 600_000;
/** Between two updates of one Event's count, ms. */
const seriesUpdateMs = 30_000;
/** Requests for one object: a burst, then one every five minutes. */
const burst = 25;
const refillMs = 300_000;
/** Series and objects that are remembered, and requests that wait; beyond that the oldest is forgotten, the newest dropped. */
const seriesMax = 2_000;
const waitingMax = 1_000;
const noteBytesMax = 1_024;

interface Series {
  readonly regarding: Regarding;
  readonly note: EventNote;
  /** Undefined until the Event was created. */
  ref: ObjectRef | undefined;
  count: number;
  sentCount: number;
  sentAtMs: number;
  lastAtMs: number;
  isScheduled: boolean;
}

/** Writes Events one after the other, in the background. */
export class EventRecorder {
  readonly #options: EventRecorderOptions;
  readonly #timers: Timers;
  readonly #series = new Map<string, Series>();
  readonly #budgets = new Map<string, { tokens: number; atMs: number }>();
  readonly #waiting: Series[] = [];
  readonly #callOffs = new Set<() => void>();
  #sending: Promise<void> | undefined;
  #isStopped = false;
  #dropped = 0;

  constructor(options: EventRecorderOptions) {
    this.#options = options;
    this.#timers = options.timers ?? systemTimers;
  }

  /** Events that were not written: over a limit, or refused by the API server. */
  get dropped(): number {
    return this.#dropped;
  }

  /** Notes that something happened to an object. */
  record(regarding: Regarding, note: EventNote): void {
    if (this.#isStopped) return;
    const nowMs = this.#options.clock.monotonicMs();
    const { apiVersion, kind, namespace, name, uid } = regarding;
    const key = [apiVersion, kind, namespace, name, uid, note.type, note.reason, note.message, note.action].join(
      "\u0000",
    );
    const known = this.#series.get(key);
    this.#series.delete(key); // set anew below: the oldest use comes first
    if (known && nowMs - known.lastAtMs < seriesMs) {
      known.count += 1;
      known.lastAtMs = nowMs;
      remember(this.#series, key, known);
      this.#schedule(known, Math.max(0, known.sentAtMs + seriesUpdateMs - nowMs));
      return;
    }
    const begun: Series = {
      ...{ regarding, note, ref: undefined, count: 1, sentCount: 0 },
      ...{ sentAtMs: nowMs, lastAtMs: nowMs, isScheduled: false },
    };
    remember(this.#series, key, begun);
    this.#schedule(begun, 0);
  }

  /** Sends what waits, for at most `timeoutMs` (default 1 000), and takes nothing more. */
  async stop(timeoutMs = 1_000): Promise<void> {
    this.#isStopped = true;
    for (const callOff of this.#callOffs) callOff();
    this.#callOffs.clear();
    let callOff = (): void => undefined;
    const late = new Promise<void>((resolve) => {
      callOff = this.#timers.after(timeoutMs, resolve);
    });
    await Promise.race([this.#sending, late]);
    callOff();
    this.#waiting.length = 0;
  }

  #schedule(series: Series, delayMs: number): void {
    if (series.isScheduled) return;
    series.isScheduled = true;
    if (delayMs === 0) {
      this.#enqueue(series);
      return;
    }
    const callOff = this.#timers.after(delayMs, () => {
      this.#callOffs.delete(callOff);
      this.#enqueue(series);
    });
    this.#callOffs.add(callOff);
  }

  #enqueue(series: Series): void {
    if (this.#waiting.length >= waitingMax || !this.#takeToken(series.regarding)) {
      series.isScheduled = false;
      this.#dropped += 1;
      return;
    }
    this.#waiting.push(series);
    this.#sending ??= this.#sendAll();
  }

  #takeToken({ apiVersion, kind, namespace, name }: Regarding): boolean {
    const key = [apiVersion, kind, namespace, name].join("\u0000");
    const nowMs = this.#options.clock.monotonicMs();
    const known = this.#budgets.get(key) ?? { tokens: burst, atMs: nowMs };
    const tokens = Math.min(burst, known.tokens + (nowMs - known.atMs) / refillMs);
    const isAllowed = tokens >= 1;
    this.#budgets.delete(key);
    remember(this.#budgets, key, { tokens: isAllowed ? tokens - 1 : tokens, atMs: nowMs });
    return isAllowed;
  }

  async #sendAll(): Promise<void> {
    for (let series = this.#waiting.shift(); series !== undefined; series = this.#waiting.shift()) {
      series.isScheduled = false;
      const count = series.count;
      try {
        await this.#send(series, count);
        series.sentCount = count;
        series.sentAtMs = this.#options.clock.monotonicMs();
      } catch (fault) {
        this.#dropped += 1;
        const { status, reason } = fault instanceof KubeFault ? fault : { status: -1, reason: String(fault) };
        this.#options.log.warn({ status, reason, event: series.note.reason }, "event not written");
      }
    }
    this.#sending = undefined;
  }

  async #send(series: Series, count: number): Promise<void> {
    const { api, clock } = this.#options;
    if (series.ref && count > 1) {
      const patch = { series: { count, lastObservedTime: microTime(new Date(clock.nowMs())) } };
      try {
        await api.mergePatch(resources.events, series.ref, patch);
        return;
      } catch (fault) {
        if (!isKubeFault(fault, 404)) throw fault; // 404: it has aged out, so there is a new one
      }
    }
    const event = this.#eventOf(series, count);
    await api.create(resources.events, event);
    series.ref = { namespace: event.metadata.namespace, name: event.metadata.name };
  }

  #eventOf({ regarding, note }: Series, count: number) {
    const { clock, reportingController = "sidegate.dev/operator", reportingInstance } = this.#options;
    const namespace = regarding.namespace ?? "default";
    const now = microTime(new Date(clock.nowMs()));
    return {
      apiVersion: "events.k8s.io/v1",
      kind: "Event",
      metadata: { namespace, name: `${regarding.name.slice(0, 200)}.${randomBytes(8).toString("hex")}` },
      eventTime: now,
      ...(count > 1 && { series: { count, lastObservedTime: now } }),
      reportingController,
      reportingInstance: reportingInstance.slice(0, 128),
      action: note.action ?? "Reconcile",
      reason: note.reason.slice(0, 128),
      type: note.type,
      note: cut(note.message),
      regarding,
    };
  }
}

/** Keeps a map within its bound. */
const remember = <V>(map: Map<string, V>, key: string, value: V): void => {
  map.set(key, value);
  for (const oldest of map.keys()) {
    if (map.size <= seriesMax) return;
    map.delete(oldest);
  }
};

/** At most noteBytesMax bytes, cut between characters. */
const cut = (text: string): string => {
  const bytes = Buffer.from(text);
  if (bytes.length <= noteBytesMax) return text;
  return `${bytes
    .subarray(0, noteBytesMax - 3)
    .toString("utf8")
    .replace(/\uFFFD$/, "")}…`;
};
