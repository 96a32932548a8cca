import { Command } from "ioredis";
import type { Words } from "./words.ts";

/**
 * EVAL or EVALSHA, framed by us: ioredis would count and join the words one by one. Of their words it sees those by which a Cluster finds
 * the node: all keys of a script share a slot, so the first stands for all.
 */
export class ScriptCommand extends Command {
  readonly #text: string;

  /** `script`: the word of its digest, or of its text. */
  constructor(name: "eval" | "evalsha", script: string, { firstKey, keys, args }: ScriptWords) {
    super(name, ["", "1", firstKey]);
    const count = String(keys.count);
    const head = `*${3 + keys.count + args.count}\r\n$${name.length}\r\n${name}\r\n${script}$${count.length}\r\n${count}\r\n`;
    this.#text = head + keys.text + args.text;
  }

  override toWritable(): string {
    return this.#text;
  }
}

/** What a script is given. */
export interface ScriptWords {
  readonly firstKey: string;
  readonly keys: Words;
  readonly args: Words;
}
