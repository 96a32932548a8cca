/** Whether Redis can be used as quota store, looked at every few seconds: statuses, readiness and metrics ask here. */
import type { Log } from "../base/log.ts";
import { type SharedState, StateUnavailable } from "./ports.ts";

/** How often it is looked at, ms. */
export const storeHealthMs = 3_000;

/** The last verdict on Redis. */
export class StoreHealth {
  readonly #state: SharedState;
  readonly #log: Log;
  readonly #changed: () => void;
  #fault: string | undefined = "Redis has not been asked yet";
  #timer: NodeJS.Timeout | undefined;
  #isLooking = false;

  /** `changed` is called when the verdict turns. */
  constructor(options: { readonly state: SharedState; readonly log: Log; readonly changed: () => void }) {
    this.#state = options.state;
    this.#log = options.log;
    this.#changed = options.changed;
  }

  /** Why it cannot be used; undefined: it can. */
  get fault(): string | undefined {
    return this.#fault;
  }

  /** Looks once and from then on in intervals. */
  async start(): Promise<void> {
    await this.look();
    this.#timer = setInterval(() => void this.look(), storeHealthMs).unref();
  }

  stop(): void {
    clearInterval(this.#timer);
  }

  /** Asks Redis now. Never throws. */
  async look(): Promise<void> {
    if (this.#isLooking) return;
    this.#isLooking = true;
    const fault = await this.#state.fault().catch((cause: unknown) => {
      if (!(cause instanceof StateUnavailable)) this.#log.error({ err: cause }, "the look at redis failed");
      return cause instanceof Error ? cause.message : String(cause);
    });
    this.#isLooking = false;
    if (fault === this.#fault) return;
    if (fault === undefined) this.#log.info("redis can be used");
    else this.#log.warn({ fault }, "redis cannot be used as quota store");
    this.#fault = fault;
    this.#changed();
  }
}
