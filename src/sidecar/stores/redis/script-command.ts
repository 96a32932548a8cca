import { Command } from "ioredis";
import { type Words, wordOf } from "./words.ts";

/**
 * EVAL or EVALSHA, framed by us: ioredis would count and join the words one by one. Of their words it sees those by which a Cluster finds
 * the node: all keys of a script share a slot, so the first stands for all.
 */
export class ScriptCommand extends Command {
  readonly #text: string;

  constructor(script: ScriptHead, { firstKey, keys, args }: ScriptWords) {
    super(script.command, ["", "1", firstKey]);
    this.#text = script.of(keys.count, args.count) + keys.text + args.text;
  }

  override toWritable(): string {
    return this.#text;
  }
}

/** More of either than any script of ours has, but for those over many holds. */
const countsKept = 128;

/** How the commands of one script begin. The same for all with as many keys and arguments, so each is written once. */
export class ScriptHead {
  readonly command: "eval" | "evalsha";
  readonly #script: string;
  readonly #known = new Map<number, string>();

  /** `script`: the word of its digest, or of its text. */
  constructor(command: "eval" | "evalsha", script: string) {
    this.command = command;
    this.#script = script;
  }

  /** Up to its first key. */
  of(keys: number, args: number): string {
    if (keys >= countsKept || args >= countsKept) return this.#make(keys, args);
    const at = keys * countsKept + args;
    const known = this.#known.get(at);
    if (known !== undefined) return known;
    const text = this.#make(keys, args);
    this.#known.set(at, text);
    return text;
  }

  #make(keys: number, args: number): string {
    return `*${3 + keys + args}\r\n${wordOf(this.command)}${this.#script}${wordOf(String(keys))}`;
  }
}

/** What a script is given. */
export interface ScriptWords {
  readonly firstKey: string;
  readonly keys: Words;
  readonly args: Words;
}
