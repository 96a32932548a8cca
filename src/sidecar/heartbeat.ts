/** Tells the operator which config this sidecar runs: every 10 s, and at once when that changes or Redis is back. Requests never wait for it. */
import type { Log } from "../base/log.ts";
import { type Beat, beatIntervalMs, beatTtlMs, encodeBeat } from "../redis/heartbeat.ts";
import type { BeatStore } from "./ports/beat-store.ts";

/** Whose heartbeat it is, and where it goes. */
export interface HeartbeatSettings {
  readonly store: BeatStore;
  readonly namespace: string;
  readonly pod: string;
  /** What it says at the moment of writing. */
  readonly say: () => Omit<Beat, "pod">;
  readonly log: Log;
  /** Counts one that could not be written. */
  readonly failed: () => void;
  /** 0 to 1; spreads the sidecars of a cluster. */
  readonly random: () => number;
}

/** Writes heartbeats from `start` to `stop`. One at a time: what changes meanwhile is in the next. */
export class Heartbeat {
  readonly #settings: HeartbeatSettings;
  #timer: NodeJS.Timeout | undefined;
  #underWay: Promise<void> | undefined;
  #isAskedAgain = false;
  #isFailing = false;
  #isStopped = true;

  constructor(settings: HeartbeatSettings) {
    this.#settings = settings;
  }

  /** Writes the first one. Call it once. */
  start(): void {
    this.#isStopped = false;
    this.#settings.store.onRecovered(() => this.now());
    this.now();
  }

  /** Writes one at once. Never throws and never waits. */
  now(): void {
    if (this.#isStopped) return;
    if (this.#underWay) this.#isAskedAgain = true;
    else this.#underWay = this.#beat();
  }

  /** Writes no more, and takes the last one away, if Redis answers. */
  async stop(): Promise<void> {
    if (this.#isStopped) return;
    this.#isStopped = true;
    clearTimeout(this.#timer);
    await this.#underWay;
    const { store, namespace, pod } = this.#settings;
    await store.remove(namespace, pod).catch(() => undefined); // it ends by itself
  }

  async #beat(): Promise<void> {
    clearTimeout(this.#timer);
    const { store, namespace, pod, say, log, failed, random } = this.#settings;
    try {
      await store.put({ namespace, pod, text: encodeBeat({ pod, ...say() }), ttlMs: beatTtlMs });
      if (this.#isFailing) log.info("heartbeats are written again");
      this.#isFailing = false;
    } catch (fault) {
      failed();
      if (!this.#isFailing)
        log.warn({ why: String(fault) }, "heartbeat not written: the operator may count this pod as silent");
      this.#isFailing = true;
    }
    this.#underWay = undefined;
    if (this.#isStopped) return;
    if (this.#isAskedAgain) {
      this.#isAskedAgain = false;
      this.now();
      return;
    }
    // 80 to 100 % of the interval, so that those who started together drift apart
    this.#timer = setTimeout(() => this.now(), beatIntervalMs * (0.8 + 0.2 * random())).unref();
  }
}
