import { Command } from "ioredis";

/** A PING for the node of a Cluster that has a slot; null: for any. */
export class Ping extends Command {
  readonly #slot: number | null;

  constructor(slot: number | null) {
    super("ping", []);
    this.#slot = slot;
  }

  override getSlot(): number {
    return this.#slot as number; // ioredis' own answers null, too, where there is no key
  }
}
