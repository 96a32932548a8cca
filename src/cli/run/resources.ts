/** The resources of `sidegate run`: compiled as the operator does, and followed. */
import { statSync } from "node:fs";
import type { Log } from "../../base/log.ts";
import { compile } from "../../compile/compile.ts";
import { digestOf, encodeConfig } from "../../config/codec.ts";
import type { SidecarConfig } from "../../config/contract.ts";
import type { PodIdentityConfig } from "../../config/pod-identity.ts";
import type { SourceFile } from "../../resources/document.ts";
import { readResources } from "../../resources/read.ts";
import { clusterScopeOf, faultLine, validateFiles } from "../../resources/validate.ts";

/** How often the files are looked at for changes, in ms. */
const watchMs = 1_000;

/** A config made of files. */
export interface Compiled {
  readonly config: SidecarConfig;
  readonly digest: string;
  /** With any of them the config is not to be used. */
  readonly faults: readonly string[];
}

/** What a config is made with beside the files. */
export interface CompileSettings {
  readonly identity: { readonly namespace: string; readonly serviceAccount: string };
  readonly key: { readonly id: string; readonly secret: string };
  /** How the workload proves who it is; undefined: it need not. */
  readonly podIdentity?: PodIdentityConfig | undefined;
}

/** All or nothing: a config with a fault anywhere is not put in force. Notes go to the log. */
export function compileFiles(files: readonly SourceFile[], settings: CompileSettings, log: Log): Compiled {
  const { faults, notes } = validateFiles(files);
  for (const note of notes) log.warn({ note: faultLine(note) }, "note");
  const read = readResources(files);
  const { config } = compile({
    ...settings.identity,
    ...clusterScopeOf(read.quotas),
    routes: read.routes,
    quotas: read.quotas,
    secrets: read.secrets,
    keys: [settings.key],
    podIdentity: settings.podIdentity,
  });
  return { config, digest: digestOf(encodeConfig(config)), faults: faults.map(faultLine) };
}

/** Calls back when any file has changed; a file that cannot be read for a moment (an editor's swap) is looked at again. */
export function watchFiles(files: readonly string[], changed: () => void, log: Log): () => void {
  const stamp = (): string =>
    files
      .map((path) => {
        const { mtimeMs, size, ino } = statSync(path);
        return `${mtimeMs}:${size}:${ino}`;
      })
      .join(" ");
  let seen = files.length === 0 ? "" : stamp();
  const timer = setInterval(() => {
    if (files.length === 0) return;
    try {
      const now = stamp();
      if (now === seen) return;
      seen = now;
      changed();
    } catch (err) {
      log.warn({ err }, "cannot read the resources, trying again");
    }
  }, watchMs).unref();
  return () => clearInterval(timer);
}
