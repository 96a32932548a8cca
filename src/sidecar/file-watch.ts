/**
 * Watches a directory or file that the control plane mounts. The kubelet swaps a Secret volume whole (a symlink moves), so a change
 * is seen as new contents, never as half a file.
 */
import { type FSWatcher, watch } from "node:fs";

/** How often it is looked at even when the file system reports nothing, in ms; some never report symlink swaps. */
const pollMs = 1_000;
/** How long events of the file system are gathered before a look, in ms. */
const settleMs = 20;

/** Calls `look` whenever something may have changed below `path`, and once a second; answers how to stop. */
export function watchPath(path: string, look: () => void): () => void {
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
