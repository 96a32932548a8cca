/** Follows the config that the control plane mounts; one that does not parse leaves the last good one. */
import { readdirSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { ConfigFault, decodeVersioned, digestOf, newestReadable } from "../config/codec.ts";
import type { SidecarConfig } from "../config/contract.ts";
import { watchPath } from "./file-watch.ts";

/** Largest config, in bytes: a Kubernetes Secret holds 1 MiB. */
const configBytesMax = 2 * 1024 * 1024;

/** A config that has been decoded and checked. `digest`: of the file's text, so equal digests are equal files. */
export interface LoadedConfig {
  readonly config: SidecarConfig;
  /** Contract version that the file is written in; older than ours where the operator is. */
  readonly contract: number;
  readonly digest: string;
}

/** Reads the newest version that this build knows. Throws ConfigFault, or what the file system says. */
export function loadConfig(path: string): LoadedConfig {
  const text = readText(path);
  return { ...decodeVersioned(text), digest: digestOf(text) };
}

/** `path`: a directory with `config.vN.json` files, or one file. */
function readText(path: string): string {
  const file = statSync(path).isDirectory() ? join(path, newestIn(path)) : path;
  if (statSync(file).size > configBytesMax)
    throw new ConfigFault([{ path: "", message: `larger than ${configBytesMax} bytes` }]);
  return readFileSync(file, "utf8");
}

function newestIn(directory: string): string {
  const newest = newestReadable(readdirSync(directory));
  if (newest === undefined)
    throw new ConfigFault([{ path: "", message: `${directory} holds no config of a version that this sidecar reads` }]);
  return newest;
}

/** Who is told what `watchConfig` sees: one of the two for each new content, nothing for what was seen last. */
export interface ConfigListener {
  changed(loaded: LoadedConfig): void;
  /** Once for each new broken content. */
  refused(why: string): void;
}

/** Calls back for each new content; answers how to stop. */
export function watchConfig(path: string, inForce: string, listener: ConfigListener): () => void {
  let seen = inForce;
  const look = (): void => {
    let text: string;
    try {
      text = readText(path);
    } catch (fault) {
      report(`unreadable: ${fault instanceof Error && "code" in fault ? String(fault.code) : String(fault)}`, fault);
      return;
    }
    const digest = digestOf(text);
    if (digest === seen) return;
    seen = digest;
    try {
      listener.changed({ ...decodeVersioned(text), digest });
    } catch (fault) {
      if (!(fault instanceof ConfigFault)) throw fault;
      listener.refused(fault.message);
    }
  };
  const report = (key: string, fault: unknown): void => {
    if (seen === key) return;
    seen = key;
    listener.refused(fault instanceof Error ? fault.message : String(fault));
  };
  return watchPath(path, look);
}
