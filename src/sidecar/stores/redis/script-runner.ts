import { createHash } from "node:crypto";
import { StoreUnavailable } from "../../ports/store-unavailable.ts";
import type { Connection } from "./connection.ts";
import { commandFaultOf } from "./faults.ts";
import { ScriptCommand } from "./script-command.ts";
import { luaSources } from "./scripts.generated.ts";
import type { ScriptCall, ScriptName } from "./scripts.ts";
import { wordOf, wordOfText } from "./words.ts";

/** Runs a script by its digest, and once more with its text where Redis does not know it: after its start or SCRIPT FLUSH. */
export class ScriptRunner {
  readonly #connection: Connection;
  /** Words of the scripts' digests. */
  readonly #digests = new Map<ScriptName, string>();

  constructor(connection: Connection) {
    this.#connection = connection;
  }

  /** The script's reply. Throws StoreUnavailable. */
  run(call: ScriptCall, options: { isLazy?: boolean } = {}): Promise<unknown> {
    const byDigest = (): ScriptCommand => new ScriptCommand("evalsha", this.#digest(call.script), call);
    return this.#connection.sendCommand(byDigest, options).catch((fault: unknown) => {
      if (!isNoScript(fault)) throw fault;
      return this.#runWithText(call);
    });
  }

  #runWithText(call: ScriptCall): Promise<unknown> {
    // EVAL runs it and keeps it under its digest; unlike SCRIPT LOAD it finds the right node of a Cluster by its keys.
    return this.#connection.sendCommand(() => new ScriptCommand("eval", wordOfText(luaSources[call.script]), call));
  }

  #digest(script: ScriptName): string {
    const known = this.#digests.get(script);
    if (known !== undefined) return known;
    const digest = wordOf(createHash("sha1").update(luaSources[script]).digest("hex"));
    this.#digests.set(script, digest);
    return digest;
  }
}

const isNoScript = (fault: unknown): boolean =>
  fault instanceof StoreUnavailable && commandFaultOf(fault.cause).kind === "NoScript";
