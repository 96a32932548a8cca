/**
 * Watches the directory that the control plane's config is mounted in. The kubelet swaps a Secret volume whole (a symlink
 * moves), so a change is seen as new contents, never as half a file; a config that does not parse leaves the last good one.
 */
import { type FSWatcher, readdirSync, readFileSync, statSync, watch } from "node:fs";
import { join } from "node:path";
import { ConfigFault, decodeConfig, digestOf, newestReadable } from "../config/codec.ts";
import type { SidecarConfig } from "../config/contract.ts";

/** How often the directory is read even when the file system reports nothing, in ms; some never report symlink swaps. */
const pollMs = 1_000;
/** How long events of the file system are gathered before the directory is read, in ms. */
const settleMs = 20;
/** Largest config, in bytes: a Kubernetes Secret holds 1 MiB. */
const configBytesMax = 2 * 1024 * 1024;

/** A config that has been decoded and checked. `digest`: of the file's text, so equal digests are equal files. */
export interface LoadedConfig {
  readonly config: SidecarConfig;
  readonly digest: string;
}

/** Reads the newest version that this build knows. Throws ConfigFault, or what the file system says. */
export function loadConfig(path: string): LoadedConfig {
  const text = readText(path);
  return { config: decodeConfig(text), digest: digestOf(text) };
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
      listener.changed({ config: decodeConfig(text), digest });
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
  // one look for a burst of events, such as the kubelet's or those of other files in the directory
  let soon: NodeJS.Timeout | undefined;
  const watcher = tryWatch(path, () => {
    soon ??= setTimeout(() => {
      soon = undefined;
      look();
    }, settleMs).unref();
  });
  const timer = setInterval(look, pollMs).unref();
  return () => {
    watcher?.close();
    clearTimeout(soon);
    clearInterval(timer);
  };
}

/** inotify where it is to be had; the poll stands in where not. */
function tryWatch(path: string, look: () => void): FSWatcher | undefined {
  try {
    return watch(path, { persistent: false }, look).on("error", () => undefined);
  } catch {
    return undefined;
  }
}
