/** What the leader does in intervals, whatever changes: keys by age, certificates, and everything once more. */
import type { Log } from "../../base/log.ts";
import { NotLeading } from "../reconcile/outcome.ts";

/** Something that is due again and again. */
export interface Duty {
  readonly name: string;
  /** Answers after how many ms it is due again. What it throws is logged, and it is due again after `retryMs`. */
  readonly run: () => Promise<number>;
}

/** How soon a duty that failed is tried again, ms. */
const retryMs = 2_000;

/** Runs duties one beside the other while this replica leads. */
export class LeaderDuties {
  readonly #duties: readonly Duty[];
  readonly #log: Log;
  readonly #timers = new Map<string, NodeJS.Timeout>();
  #term = 0;

  constructor(duties: readonly Duty[], log: Log) {
    this.#duties = duties;
    this.#log = log;
  }

  /** Runs each once, in their order: a later one may need what an earlier one made. From then on each comes when it is due. */
  async start(): Promise<void> {
    const term = ++this.#term;
    for (const duty of this.#duties) if (term === this.#term) await this.#run(duty, term);
  }

  /** No duty begins any more. */
  stop(): void {
    this.#term++;
    for (const timer of this.#timers.values()) clearTimeout(timer);
    this.#timers.clear();
  }

  async #run(duty: Duty, term: number): Promise<void> {
    let afterMs = retryMs;
    try {
      afterMs = await duty.run();
    } catch (err) {
      if (err instanceof NotLeading) return;
      this.#log.error({ err, duty: duty.name }, "duty failed");
    }
    if (term !== this.#term) return;
    this.#timers.set(
      duty.name,
      setTimeout(() => {
        this.#timers.delete(duty.name);
        void this.#run(duty, term);
      }, afterMs).unref(),
    );
  }
}
