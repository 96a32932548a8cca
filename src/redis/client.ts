import { Cluster, type Command, type Redis, type RedisOptions } from "ioredis";
import type { RedisTarget } from "./url.ts";
import { BatchingRedis } from "./write-batch.ts";

/** Default bound of the TCP and TLS handshake, ms. */
export const connectTimeoutMsDefault = 1_000;
/** Bounds of the pause before a new connection, ms: doubles from the first, half of it jittered. */
export const reconnectDelayMs = { min: 50, max: 2_000 } as const;
/** How long an ended socket may take to close, ms: a frozen server never answers the FIN. */
const disconnectTimeoutMs = 100;
/** Redirections of one command on a Cluster. */
const redirectionsMax = 3;

/** What one connection needs, and who hears of it. */
export interface ClientSettings {
  readonly target: RedisTarget;
  readonly connectTimeoutMs: number;
  /** PEM of the authorities that may sign the server's certificate; absent: the system's. TLS only. */
  readonly tlsCa?: string | undefined;
  /** What CLIENT LIST shows. */
  readonly name: string;
  /** 0 to 1. */
  readonly random: () => number;
  readonly ready: () => void;
  readonly lost: (reason: string) => void;
}

/** The connection to one Redis, whatever its topology. Commands are neither queued while it is away nor ever sent again. */
export interface Client {
  isReady(): boolean;
  /** Writes at the end of this turn of the event loop at the latest, together with others. `isLazy`: up to 1 ms later, but on a Cluster. */
  send(command: Command, isLazy: boolean): void;
  /** The nodes that take writes. */
  masters(): readonly Redis[];
  /** Drops the connection, if there is one, and makes a new one; on a Cluster, where it can, only that to the node that has `slot`. */
  reconnect(slot?: number | null): void;
  close(): void;
}

/** Opens the connection; it is not ready yet. */
export const openClient = (settings: ClientSettings): Client =>
  settings.target.topology === "Cluster" ? openCluster(settings) : openSingle(settings);

const retryDelay = (times: number, random: () => number): number => {
  const delayMs = Math.min(reconnectDelayMs.max, reconnectDelayMs.min * 2 ** Math.min(times, 16));
  return delayMs / 2 + (random() * delayMs) / 2;
};

const sharedOptions = ({
  target,
  connectTimeoutMs,
  tlsCa,
  name,
}: ClientSettings): Omit<RedisOptions, "replyMapping"> => ({
  connectTimeout: connectTimeoutMs,
  disconnectTimeout: disconnectTimeoutMs,
  // A command that is replayed later could charge a call that was refused long ago.
  enableOfflineQueue: false,
  maxRetriesPerRequest: 0,
  autoResendUnfulfilledCommands: false,
  maxLoadingRetryTime: 1_000,
  connectionName: name,
  // Two more commands at each connection, which Redis 7.0 does not know.
  disableClientInfo: true,
  ...(target.username !== undefined && { username: target.username }),
  ...(target.password !== undefined && { password: target.password }),
  ...(target.isTls && { tls: tlsCa === undefined ? {} : { ca: tlsCa } }),
  // A master that became a replica: look for the new one. A user that was taken away: log in again. The command itself fails.
  reconnectOnError: (error) => /^(READONLY|NOAUTH|WRONGPASS)\b/.test(error.message),
});

const openSingle = (settings: ClientSettings): Client => {
  const { target, random } = settings;
  const [first] = target.hosts;
  const client = new BatchingRedis({
    ...sharedOptions(settings),
    retryStrategy: (times) => retryDelay(times, random),
    db: target.database,
    ...(target.topology === "Sentinel"
      ? {
          sentinels: target.hosts.map((host) => ({ ...host })),
          name: target.master,
          sentinelCommandTimeout: settings.connectTimeoutMs,
          sentinelRetryStrategy: (times: number) => retryDelay(times, random),
          ...(target.sentinelPassword !== undefined && { sentinelPassword: target.sentinelPassword }),
          ...(target.isTls && { enableTLSForSentinelMode: true }),
        }
      : { host: first?.host ?? "", port: first?.port ?? 0 }),
  });
  observe(client, settings);

  return {
    isReady: () => client.status === "ready",
    send: (command, isLazy) => client.sendTogether(command, isLazy),
    masters: () => [client],
    reconnect: () => reconnect(client),
    close: () => client.disconnect(),
  };
};

/** Who has which slots is asked so often, in ms: a master that froze or died says no MOVED, and its successor is not told of by itself. */
const slotsRefreshMs = 5_000;

/** ioredis would wait and then send again what a Cluster refused for now: its caller has long been told that it failed. */
class UnrepeatingCluster extends Cluster {
  override handleError(...[error, ttl, handlers]: Parameters<Cluster["handleError"]>): void {
    if (/^TRYAGAIN\b/.test(error.message)) handlers.defaults();
    else super.handleError(error, ttl, handlers);
  }
}

/** On a Cluster each node has its own socket; commands of one turn go out one after the other without waiting. */
const openCluster = (settings: ClientSettings): Client => {
  const { target, random, connectTimeoutMs } = settings;
  const client = new UnrepeatingCluster(
    target.hosts.map((host) => ({ ...host })),
    {
      redisOptions: sharedOptions(settings),
      enableOfflineQueue: false,
      maxRedirections: redirectionsMax,
      // A command that was under way when its connection broke may have run: sent again unasked, its last fault would hide that.
      retryDelayOnFailover: 0,
      retryDelayOnClusterDown: 0,
      slotsRefreshTimeout: connectTimeoutMs,
      slotsRefreshInterval: slotsRefreshMs,
      clusterRetryStrategy: (times) => retryDelay(times, random),
    },
  );
  observe(client, settings);
  return {
    isReady: () => client.status === "ready",
    send: (command) => {
      client.sendCommand(command);
    },
    masters: () => client.nodes("master"),
    reconnect: (slot) => {
      const node = masterOf(client, slot);
      if (node === undefined) reconnect(client);
      else node.disconnect(); // the next command that is MOVED to it, or the next look at the slots, connects anew
    },
    close: () => client.disconnect(),
  };
};

const masterOf = (client: Cluster, slot: number | null | undefined): Redis | undefined => {
  if (client.status !== "ready" || typeof slot !== "number") return undefined;
  const name = client.slots[slot]?.[0];
  return client.nodes("master").find(({ options }) => `${options.host}:${options.port}` === name);
};

/** Only where a connection stands or none is tried: to disturb an attempt would end the client for good. */
const reconnect = (client: Redis | Cluster): void => {
  if (client.status === "ready" || client.status === "connect") client.disconnect(true);
  if (client.status === "end") client.connect().catch(() => undefined);
};

const observe = (client: Redis | Cluster, { ready, lost }: ClientSettings): void => {
  let reason = "closed";
  // Without a listener ioredis prints to the console.
  client.on("error", (error: NodeJS.ErrnoException) => {
    reason = error.code ?? /^[A-Z]+\b/.exec(error.message)?.[0] ?? error.name;
  });
  client.on("ready", ready);
  client.on("close", () => {
    lost(reason);
    reason = "closed";
  });
};
