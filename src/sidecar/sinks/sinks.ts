/** One audit sink for each destination that any config has asked for; they outlive the config, so that no line is cut off. */
import type { RouteConfig } from "../../config/contract.ts";
import type { AuditSink } from "../ports/audit-sink.ts";
import { descriptorAuditSink, fileAuditSink, noAuditSink } from "./lines.ts";

/** The sinks of one sidecar. */
export class Sinks {
  readonly #fixed: AuditSink | undefined;
  readonly #open = new Map<string, AuditSink>();
  /** `fixed`: every record goes there, whatever the route says. */
  constructor(fixed: AuditSink | undefined) {
    this.#fixed = fixed;
  }
  /** The sink that a route's audit settings ask for. */
  get(audit: RouteConfig["audit"]): AuditSink {
    if (this.#fixed) return this.#fixed;
    if (audit.sink === "None") return noAuditSink;
    const path = audit.sink === "File" ? (audit.path ?? "") : "";
    const known = this.#open.get(path);
    if (known) return known;
    const sink = path === "" ? descriptorAuditSink(1) : fileAuditSink(path);
    this.#open.set(path, sink);
    return sink;
  }
  /** Writes what is queued and closes all of them. */
  async close(): Promise<void> {
    await Promise.all([this.#fixed, ...this.#open.values()].map((sink) => sink?.close()));
  }
}
