import type { Log } from "../../../base/log.ts";
import { commandFaultOf } from "./faults.ts";
import { within } from "./within.ts";

/** How often the policy is looked at, ms: an administrator may change it at any time. */
export const evictionCheckMs = 5_000;
/** Bound of one look, ms; no request waits for it. */
const lookTimeoutMs = 250;

/** A node as far as it is asked. */
export interface AskedNode {
  info(section: "memory"): Promise<string>;
}

/** What Redis does when it is full. One that evicts forgets counters, and what it forgot may be spent again. */
export class EvictionWatch {
  readonly #masters: () => readonly AskedNode[];
  readonly #log: Log;
  readonly #timer: NodeJS.Timeout;
  #policy: string | undefined;
  #isWarned = false;
  #checked: Promise<void> = Promise.resolve();

  /** Looks every 5 s until it is closed; for the first time when it is told to. */
  constructor({ masters, log }: { readonly masters: () => readonly AskedNode[]; readonly log: Log }) {
    this.#masters = masters;
    this.#log = log;
    this.#timer = setInterval(() => this.check(), evictionCheckMs).unref();
  }

  /** The policy of a node that may throw counters away; undefined: none is known to. */
  get policy(): string | undefined {
    return this.#policy;
  }

  /** Resolves when the last look has ended; never rejects. */
  checked(): Promise<void> {
    return this.#checked;
  }

  /** Looks as soon as the look before has ended: what that one saw is older. */
  check(): void {
    this.#checked = this.#checked.then(() => this.#look());
  }

  close(): void {
    clearInterval(this.#timer);
  }

  async #look(): Promise<void> {
    const infos = await Promise.all(this.#masters().map(memoryOf));
    const policies = infos.map((info) => /^maxmemory_policy:([a-z-]+)/m.exec(info ?? "")?.[1]);
    const evicting = policies.find((policy) => policy !== undefined && policy !== "noeviction");
    // A node that did not answer may be the one that was seen to evict: what was seen last stands.
    if (evicting === undefined && (infos.length === 0 || infos.includes(undefined))) return;
    if (evicting !== this.#policy) this.#turned(evicting);
    if (policies.includes(undefined) && !this.#isWarned) {
      this.#isWarned = true;
      this.#log.warn("redis does not tell its maxmemory-policy: make sure that it is noeviction");
    }
  }

  #turned(evicting: string | undefined): void {
    this.#policy = evicting;
    if (evicting === undefined) this.#log.info("redis evicts no keys any more: quotas are enforced by it again");
    else {
      const fields = { maxmemoryPolicy: evicting };
      this.#log.error(fields, "redis evicts keys: quotas are not enforced by it until it is noeviction");
    }
  }
}

/** Empty: this user may not have it. Undefined: it did not come in time. */
const memoryOf = async (node: AskedNode): Promise<string | undefined> => {
  try {
    return await within(lookTimeoutMs, node.info("memory"));
  } catch (cause) {
    return /^(NOPERM|ERR)$/.test(commandFaultOf(cause).reason) ? "" : undefined;
  }
};
