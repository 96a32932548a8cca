import { createHash } from "node:crypto";
import type { StoreUnavailable } from "../../ports/store-unavailable.ts";
import type { Connection, SendOptions } from "./connection.ts";
import { commandFaultOf } from "./faults.ts";
import { ScriptCommand, ScriptHead } from "./script-command.ts";
import { luaSources } from "./scripts.generated.ts";
import type { ScriptCall, ScriptName } from "./scripts.ts";
import { wordOf, wordOfText } from "./words.ts";

/** Runs a script by its digest, and once more with its text where Redis does not know it: after its start or SCRIPT FLUSH. */
export class ScriptRunner {
  readonly #connection: Connection;
  /** By their digests. */
  readonly #heads = new Map<ScriptName, ScriptHead>();

  constructor(connection: Connection) {
    this.#connection = connection;
  }

  /** The script's reply. Throws StoreUnavailable. */
  run(call: ScriptCall, { isLazy = false }: Pick<SendOptions, "isLazy"> = {}): Promise<unknown> {
    return this.#connection.sendCommand(new ScriptCommand(this.#headOf(call.script), call), {
      isLazy,
      instead: (fault) => (isNoScript(fault) ? withText(call) : undefined),
    });
  }

  #headOf(script: ScriptName): ScriptHead {
    const known = this.#heads.get(script);
    if (known !== undefined) return known;
    const head = new ScriptHead("evalsha", wordOf(createHash("sha1").update(luaSources[script]).digest("hex")));
    this.#heads.set(script, head);
    return head;
  }
}

/** EVAL runs it and keeps it under its digest; unlike SCRIPT LOAD it finds the right node of a Cluster by its keys. */
const withText = (call: ScriptCall): ScriptCommand =>
  new ScriptCommand(new ScriptHead("eval", wordOfText(luaSources[call.script])), call);

const isNoScript = ({ cause }: StoreUnavailable): boolean => commandFaultOf(cause).kind === "NoScript";
