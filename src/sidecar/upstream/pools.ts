/** Connections to providers: one pool for each origin and connect timeout, shared by all configs that name it. */
import type { Pool } from "undici";
// by its own file: the package's entry point would bring fetch, WebSocket, cookies and a cache into every pod
import UndiciPool from "undici/lib/dispatcher/pool.js";

/** Connections to one origin; above the number of streams one pod has open, or those would wait for each other. */
export const connectionsMax = 1024;
/** How long an idle connection is kept, in ms; providers close theirs after a minute or more. */
const keepAliveMs = 20_000;
/** Largest head of a provider's answer, in bytes. */
const answerHeadBytesMax = 16_384;

/** A sidecar's connections to its providers, opened when they are first needed. */
export class Pools {
  readonly #pools = new Map<string, Pool>();
  readonly #ca: string | undefined;
  /** `ca`: PEM of a private CA that is trusted besides the system's; tests use it. */
  constructor(options: { ca?: string } = {}) {
    this.#ca = options.ca;
  }
  /** The pool of an origin. Redirects are never followed, HTTP/2 is not spoken (its aborts leak, undici issue 5566). */
  get(origin: string, connectMs: number): Pool {
    const key = `${origin} ${connectMs}`;
    const known = this.#pools.get(key);
    if (known) return known;
    const pool = new UndiciPool(origin, {
      connections: connectionsMax,
      pipelining: 1,
      allowH2: false,
      keepAliveTimeout: keepAliveMs,
      keepAliveMaxTimeout: keepAliveMs * 3,
      maxHeaderSize: answerHeadBytesMax,
      connect: { timeout: connectMs, ca: this.#ca },
    });
    this.#pools.set(key, pool);
    return pool;
  }
  /** Closes pools whose origin no config names any more, once their calls have ended. */
  retain(origins: ReadonlySet<string>): void {
    for (const [key, pool] of this.#pools) {
      if (origins.has(key.slice(0, key.lastIndexOf(" ")))) continue;
      this.#pools.delete(key);
      pool.close().catch(() => pool.destroy()); // close waits for running calls; a pool that cannot close is torn down
    }
  }
  /** Tears all connections down. */
  async destroy(): Promise<void> {
    await Promise.all([...this.#pools.values()].map((pool) => pool.destroy()));
    this.#pools.clear();
  }
}
