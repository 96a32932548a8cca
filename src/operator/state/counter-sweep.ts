import type { Clock } from "../../base/clock.ts";
import { type CounterParts, counterKeysPattern, partsOfCounterKey } from "../../redis/keys.ts";
import type { RedisLink } from "../../redis/link.ts";

/** A sweep that is older, ms, is made anew when somebody asks. */
export const sweepAgeMsMax = 15_000;
/** Longest that one sweep takes, ms; what is left is looked at by the next. */
export const sweepMsMax = 2_000;
/** Keys that Redis looks at in one SCAN: about 0.1 ms of its time. */
const scanCount = 500;
/** Counters that are remembered; further ones are not shown. */
export const sweptCountersMax = 50_000;

/** Quota -> its counters by limit and subject: SCAN may name a key more than once. */
type Found = Map<string, Map<string, CounterParts>>;

/** The subjects that have counters, found by SCAN: admission keeps no index, so that it costs calls nothing. */
export class CounterSweep {
  readonly #link: RedisLink;
  readonly #clock: Clock;
  /** Of the last whole pass, and of the one under way. */
  #whole: Found = new Map();
  #found: Found = new Map();
  #foundCount = 0;
  /** Where the pass goes on: node -> cursor. undefined: none is under way. */
  #cursors: Map<string, string> | undefined;
  #endedMs = Number.NEGATIVE_INFINITY;
  #running: Promise<void> | undefined;

  constructor(link: RedisLink, clock: Clock) {
    this.#link = link;
    this.#clock = clock;
  }

  /** The counters of one quota: of the last pass, and what the one under way has found. Throws RedisUnavailable. */
  async countersOf(namespace: string, quota: string, scope?: "Cluster"): Promise<readonly CounterParts[]> {
    if (this.#clock.monotonicMs() - this.#endedMs > sweepAgeMsMax) {
      this.#running ??= this.#sweep().finally(() => {
        this.#running = undefined;
      });
      await this.#running;
    }
    const name = nameOf({ namespace, quota, scope });
    return [...new Map([...(this.#whole.get(name) ?? []), ...(this.#found.get(name) ?? [])]).values()];
  }

  async #sweep(): Promise<void> {
    const endsMs = this.#clock.monotonicMs() + sweepMsMax;
    this.#cursors ??= new Map(this.#link.masters().map((master) => [master, "0"]));
    for (const [master, from] of [...this.#cursors]) {
      let cursor = from;
      do {
        if (this.#clock.monotonicMs() > endsMs) return this.#ended();
        cursor = await this.#scan(master, cursor);
        this.#cursors.set(master, cursor);
      } while (cursor !== "0");
      this.#cursors.delete(master);
    }
    this.#whole = this.#found;
    this.#found = new Map();
    this.#foundCount = 0;
    this.#cursors = undefined;
    this.#ended();
  }

  #ended(): void {
    this.#endedMs = this.#clock.monotonicMs();
  }

  async #scan(master: string, cursor: string): Promise<string> {
    try {
      const reply = await this.#link.sendTo(master, [
        ...(["scan", cursor] as const),
        ...["match", counterKeysPattern, "count", String(scanCount)],
      ]);
      if (!Array.isArray(reply) || !Array.isArray(reply[1])) return "0";
      for (const key of reply[1]) this.#remember(String(key));
      return String(reply[0]);
    } catch (fault) {
      // Begun anew: the nodes may be others by then.
      this.#cursors = undefined;
      this.#found = new Map();
      this.#foundCount = 0;
      throw fault;
    }
  }

  #remember(key: string): void {
    const parts = partsOfCounterKey(key);
    if (!parts || this.#foundCount >= sweptCountersMax) return;
    const name = nameOf(parts);
    const known = this.#found.get(name) ?? new Map<string, CounterParts>();
    if (known.size === 0) this.#found.set(name, known);
    known.set(`${parts.limit}/${parts.subject}`, parts); // one for each subject, however often it was reset
    this.#foundCount++;
  }
}

/** A namespace's user can make keys of its own that look like those of a quota over namespaces: they are not taken for them. */
const nameOf = ({
  namespace,
  quota,
  scope,
}: Pick<CounterParts, "namespace" | "quota"> & { readonly scope?: "Cluster" | undefined }): string =>
  `${scope ?? ""}/${namespace}/${quota}`;
