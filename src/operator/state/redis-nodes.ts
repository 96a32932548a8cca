/** Which nodes a Redis is made of, and which of them have come or begun anew: users are not replicated, so each node is given its own. */
import type { Clock } from "../../base/clock.ts";
import type { Log } from "../../base/log.ts";
import { type RedisCommand, RedisLink, RedisUnavailable } from "../../redis/link.ts";
import type { RedisPlace } from "../../redis/place.ts";
import { nodeUrl, parseRedisUrl, RedisUrlFault } from "../../redis/url.ts";

/** Replicas that are looked after; further ones get their users when they take over. */
export const replicasMax = 64;

/** A node that is given users. */
export interface RedisNode {
  readonly name: string;
  /** Another one after each restart: what a node was told before is then forgotten. "": not known yet. */
  readonly runId: string;
  /** Whether it takes writes now. What a replica does not do, its next look makes good. */
  readonly isMaster: boolean;
  /** Throws RedisUnavailable. */
  readonly send: (command: RedisCommand) => Promise<unknown>;
}

/** What it works with. */
export interface RedisNodesSettings {
  /** The connection to whoever takes writes. */
  readonly link: RedisLink;
  readonly place: RedisPlace;
  readonly log: Log;
  readonly clock: Clock;
  readonly timeoutMs?: number | undefined;
  /** A node is there that was not, or it has begun anew. */
  readonly changed: () => void;
}

interface Replica {
  readonly link: RedisLink;
  /** undefined: it has not answered when it was asked last. */
  runId: string | undefined;
  /** The run that refuses to make users: only its restart may change that. */
  refusedRunId?: string;
}

/** The nodes as they were seen last. */
export class RedisNodes {
  readonly #settings: RedisNodesSettings;
  readonly #replicas = new Map<string, Replica>();
  #masters: ReadonlyMap<string, string> = new Map();
  #known: ReadonlySet<string> = new Set();
  #looking: Promise<void> | undefined;
  #isClosed = false;

  constructor(settings: RedisNodesSettings) {
    this.#settings = settings;
  }

  /** Those that take writes, and the replicas that answered last. Throws RedisUnavailable when no master is known. */
  all(): readonly RedisNode[] {
    const { link } = this.#settings;
    const masters = link.masters();
    const replicas = [...this.#replicas].filter(([name]) => !masters.includes(name));
    return [
      ...masters.map((name) => ({
        name,
        runId: this.#masters.get(name) ?? "",
        isMaster: true,
        send: (command: RedisCommand) => link.sendTo(name, command),
      })),
      ...replicas.flatMap(([name, replica]) =>
        replica.runId === undefined || replica.runId === replica.refusedRunId
          ? []
          : [
              {
                name,
                runId: replica.runId,
                isMaster: false,
                send: (command: RedisCommand) => this.#tell(name, command),
              },
            ],
      ),
    ];
  }

  /** Looks who is there. `infos`: what INFO of each master says. Never rejects; one look at a time. */
  look(infos: ReadonlyMap<string, string>): Promise<void> {
    this.#looking ??= this.#look(infos).finally(() => {
      this.#looking = undefined;
    });
    return this.#looking;
  }

  close(): void {
    this.#isClosed = true;
    for (const { link } of this.#replicas.values()) link.close();
    this.#replicas.clear();
  }

  async #look(infos: ReadonlyMap<string, string>): Promise<void> {
    const { log, changed } = this.#settings;
    try {
      this.#follow(await this.#replicaNames(infos));
    } catch (fault) {
      if (!(fault instanceof RedisUnavailable)) log.error({ err: fault }, "the look at redis' nodes failed");
      return; // whoever takes writes is looked at by others
    }
    await Promise.all([...this.#replicas.values()].map((replica) => this.#askRunId(replica)));
    this.#masters = new Map([...infos].map(([name, info]) => [name, runIdOf(info)]));
    const replicas = [...this.#replicas].flatMap(([name, { runId }]) => (runId === undefined ? [] : [[name, runId]]));
    const seen = new Set([...this.#masters, ...replicas].map((pair) => pair.join(" ")));
    const isAnyNew = [...seen].some((node) => !this.#known.has(node));
    this.#known = seen;
    if (isAnyNew && !this.#isClosed) changed();
  }

  async #askRunId(replica: Replica): Promise<void> {
    await replica.link.ready();
    const info = await replica.link.send(["info", "server"]).catch(() => undefined);
    replica.runId = info === undefined ? undefined : runIdOf(String(info));
  }

  async #tell(name: string, command: RedisCommand): Promise<unknown> {
    const replica = this.#replicas.get(name);
    try {
      if (!replica) throw new RedisUnavailable(`${name} is no replica any more`, {});
      return await replica.link.send(command);
    } catch (fault) {
      if (replica?.runId !== undefined && fault instanceof RedisUnavailable) this.#failed(name, replica, fault);
      throw fault;
    }
  }

  /** Nothing more is sent there before it has answered a look, or was started again. */
  #failed(name: string, replica: Replica, { word, message }: RedisUnavailable): void {
    const isRefused = word === "NOPERM" || word === "ERR";
    if (isRefused && replica.refusedRunId === replica.runId) return;
    this.#settings.log.warn({ replica: name, reason: message }, "a redis replica lacks users");
    if (isRefused && replica.runId !== undefined) replica.refusedRunId = replica.runId;
    else {
      replica.runId = undefined;
      this.#known = new Set([...this.#known].filter((node) => !node.startsWith(`${name} `)));
    }
  }

  async #replicaNames(infos: ReadonlyMap<string, string>): Promise<readonly string[]> {
    const { link, place } = this.#settings;
    if (parseRedisUrl(place.url).topology !== "Cluster") return [...infos.values()].flatMap(replicasInInfo);
    const [first] = infos.keys();
    const nodes = first === undefined ? [] : nodesInSlots(await link.sendTo(first, ["cluster", "slots"]), first);
    // A replica that has just taken over is one of these until the connection knows it as a master.
    const masters = link.masters();
    return nodes.filter((node) => !masters.includes(node));
  }

  #follow(names: readonly string[]): void {
    const wanted = new Set(names.slice(0, replicasMax));
    for (const [name, { link }] of this.#replicas) {
      if (wanted.has(name)) continue;
      link.close();
      this.#replicas.delete(name);
    }
    for (const name of wanted) {
      const link = this.#replicas.has(name) || this.#isClosed ? undefined : this.#open(name);
      if (link) this.#replicas.set(name, { link, runId: undefined });
    }
  }

  #open(name: string): RedisLink | undefined {
    const { place, log, clock, timeoutMs } = this.#settings;
    const colon = name.lastIndexOf(":");
    try {
      const url = nodeUrl(place.url, { host: name.slice(0, colon), port: Number(name.slice(colon + 1)) });
      return new RedisLink({ place: { ...place, url }, log, clock, name: `sidegate-operator@${name}`, timeoutMs });
    } catch (fault) {
      if (fault instanceof RedisUrlFault) return undefined; // a name of its own making, which nobody could connect to
      throw fault;
    }
  }
}

const runIdOf = (info: string): string => /^run_id:([0-9a-f]+)/m.exec(info)?.[1] ?? "";

/** `HOST:PORT` of the replicas that a master knows. */
export const replicasInInfo = (info: string): readonly string[] =>
  [...info.matchAll(/^slave\d+:ip=([^,\r\n]+),port=(\d{1,5}),/gm)].map(([, host = "", port = ""]) => `${host}:${port}`);

/** `HOST:PORT` of all nodes in a reply to CLUSTER SLOTS. A node that does not know its own address means the one that was asked. */
export const nodesInSlots = (reply: unknown, asked: string): readonly string[] => {
  const names = new Set<string>();
  for (const range of Array.isArray(reply) ? reply : []) {
    for (const node of Array.isArray(range) ? range.slice(2) : []) {
      if (!Array.isArray(node) || node[0] === "?") continue;
      const host = node[0] === null || node[0] === "" ? asked.slice(0, asked.lastIndexOf(":")) : String(node[0]);
      names.add(`${host}:${node[1]}`);
    }
  }
  return [...names];
};
