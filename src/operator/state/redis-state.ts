import { createHash } from "node:crypto";
import type { AIQuota } from "../../api/aiquota.ts";
import type { Clock } from "../../base/clock.ts";
import type { Log } from "../../base/log.ts";
import { aclSetUser, aclUserOf, isAclUser, type QuotaName } from "../../redis/acl.ts";
import { type Beat, decodeBeat } from "../../redis/heartbeat.ts";
import { beatKey } from "../../redis/keys.ts";
import { RedisLink, RedisUnavailable } from "../../redis/link.ts";
import type { RedisPlace } from "../../redis/place.ts";
import { type Heartbeat, type SharedState, StateUnavailable, type UsageRow } from "../ports.ts";
import { CounterSweep } from "./counter-sweep.ts";
import { redisFault } from "./redis-fault.ts";
import { type RedisNode, RedisNodes } from "./redis-nodes.ts";
import { readBatch, readUsage } from "./usage-reader.ts";

/** How long a user that was made on this connection is taken to be as it was made, ms. */
export const userAgeMsMax = 60_000;

/** What the operator's state in Redis needs. */
export interface RedisStateSettings {
  /** As the operator logs in. */
  readonly place: RedisPlace;
  /** Managed: `ensureUser` makes users. Given: it does nothing. */
  readonly users: "Managed" | "Given";
  /** The passwords that the namespace's user is to have, the one that sidecars use first; at least one. */
  readonly passwordsOf: (namespace: string) => readonly string[];
  readonly log: Log;
  readonly clock: Clock;
  /** Bound of one command or batch, ms; default 500. */
  readonly timeoutMs?: number;
  readonly random?: () => number;
}

/** What sidecars and operator share, in Redis: one, behind Sentinels, or a Cluster. */
export class RedisState implements SharedState {
  readonly #settings: RedisStateSettings;
  readonly #link: RedisLink;
  readonly #sweep: CounterSweep;
  readonly #nodes: RedisNodes;
  readonly #changed: (() => void)[] = [];
  /** Users made since the last connection: node as it was started -> namespace -> what was made, and when. */
  readonly #made = new Map<string, Map<string, { readonly digest: string; readonly atMs: number }>>();
  #madeOnConnection = 0;
  #looking: Promise<void> = Promise.resolve();

  /** Opens the connection. Throws RedisUrlFault. */
  constructor(settings: RedisStateSettings) {
    const { place, log, clock, timeoutMs, random } = settings;
    this.#settings = settings;
    this.#link = new RedisLink({ place, log, clock, name: "sidegate-operator", timeoutMs, random });
    this.#sweep = new CounterSweep(this.#link, clock);
    const changed = (): void => {
      for (const listener of this.#changed) listener();
    };
    this.#nodes = new RedisNodes({ link: this.#link, place, log, clock, timeoutMs, changed });
  }

  /** Resolves with the first connection or its failure, within 1 s; never rejects. */
  ready(): Promise<void> {
    return this.#link.ready();
  }

  onConnected(listener: () => void): void {
    this.#link.onConnected(listener);
    this.#changed.push(listener);
  }

  heartbeats(namespace: string, pods: readonly string[]): Promise<ReadonlyMap<string, Heartbeat>> {
    return this.#asked(async () => {
      const found = new Map<string, Heartbeat>();
      for (let from = 0; from < pods.length; from += readBatch) {
        const batch = pods.slice(from, from + readBatch);
        const texts = await this.#link.send(["mget", ...batch.map((pod) => beatKey(namespace, pod))]);
        for (const [i, text] of (Array.isArray(texts) ? texts : []).entries()) {
          const beat = typeof text === "string" ? decodeBeat(text) : undefined;
          // A sidecar may write its neighbours' keys too: what names another pod is nobody's.
          if (beat !== undefined && beat.pod === batch[i]) found.set(beat.pod, heartbeatOf(beat));
        }
      }
      return found;
    });
  }

  usage(namespace: string, quota: AIQuota, over?: readonly string[]): Promise<readonly UsageRow[]> {
    return this.#asked(() => readUsage(this.#link, this.#sweep, { namespace, quota, over }));
  }

  async ensureUser(namespace: string, clusterQuotas?: readonly QuotaName[]): Promise<void> {
    if (this.#settings.users === "Given") return;
    const rule = aclSetUser(namespace, this.#settings.passwordsOf(namespace), clusterQuotas);
    const digest = createHash("sha256").update(rule.join(" ")).digest("base64url");
    await this.#asked(async () => {
      if (this.#madeOnConnection !== this.#link.connections) this.#made.clear();
      this.#madeOnConnection = this.#link.connections;
      await this.#onEach((node) => this.#makeUser(node, { namespace, rule, digest }));
    });
  }

  async removeUser(namespace: string): Promise<void> {
    if (this.#settings.users === "Given") return;
    await this.#asked(() =>
      this.#onEach(async (node) => {
        await node.send(["acl", "deluser", aclUserOf(namespace)]);
        this.#madeOn(node).delete(namespace);
      }),
    );
  }

  /** For the uninstallation: removes the users of all namespaces, and answers how many there were. Throws StateUnavailable. */
  removeAllUsers(): Promise<number> {
    return this.#asked(async () => {
      await this.fault();
      await this.#looking;
      const removed = new Set<string>();
      await this.#onEach(async ({ send }) => {
        const names = await send(["acl", "users"]);
        const ours = (Array.isArray(names) ? names.map(String) : []).filter(isAclUser);
        if (ours.length > 0) await send(["acl", "deluser", ...ours]);
        for (const name of ours) removed.add(name);
      });
      this.#made.clear();
      return removed.size;
    });
  }

  async fault(): Promise<string | undefined> {
    const managesUsers = this.#settings.users === "Managed";
    const infos = new Map<string, string>();
    const fault = await redisFault(this.#link, { managesUsers, told: (node, info) => void infos.set(node, info) });
    if (managesUsers && infos.size > 0) this.#looking = this.#nodes.look(infos); // nobody waits for replicas
    return fault;
  }

  async close(): Promise<void> {
    this.#nodes.close();
    this.#link.close();
  }

  /** What a master does not do is a fault; a replica that does not is asked again when it answers. */
  async #onEach(ask: (node: RedisNode) => Promise<void>): Promise<void> {
    await Promise.all(
      this.#nodes.all().map(async (node) => {
        try {
          await ask(node);
        } catch (fault) {
          if (node.isMaster || !(fault instanceof RedisUnavailable)) throw fault;
        }
      }),
    );
  }

  async #makeUser(
    node: RedisNode,
    {
      namespace,
      rule,
      digest,
    }: { readonly namespace: string; readonly rule: readonly string[]; readonly digest: string },
  ): Promise<void> {
    const made = this.#madeOn(node);
    const nowMs = this.#settings.clock.monotonicMs();
    const last = made.get(namespace);
    if (last?.digest === digest && nowMs - last.atMs < userAgeMsMax) return;
    await node.send(["acl", ...rule]);
    made.set(namespace, { digest, atMs: nowMs });
  }

  #madeOn({ name, runId }: RedisNode): Map<string, { readonly digest: string; readonly atMs: number }> {
    const key = `${name} ${runId}`;
    const made = this.#made.get(key) ?? new Map();
    if (made.size === 0) {
      for (const other of this.#made.keys()) if (other.startsWith(`${name} `)) this.#made.delete(other);
      this.#made.set(key, made);
    }
    return made;
  }

  async #asked<Answer>(ask: () => Promise<Answer>): Promise<Answer> {
    try {
      return await ask();
    } catch (fault) {
      if (fault instanceof RedisUnavailable) throw new StateUnavailable(fault.message, { cause: fault });
      throw fault;
    }
  }
}

const heartbeatOf = ({ instance: _, ...heartbeat }: Beat): Heartbeat => heartbeat;
