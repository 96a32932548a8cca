import { Command, type Redis } from "ioredis";
import type { Clock } from "../base/clock.ts";
import type { Log } from "../base/log.ts";
import { type Client, connectTimeoutMsDefault, openClient } from "./client.ts";
import type { RedisPlace } from "./place.ts";
import { parseRedisUrl } from "./url.ts";

/** Default bound of one command, or of one batch of them, ms. */
export const linkTimeoutMsDefault = 500;
/** With no answer for so long, ms, a command that is late also makes a new connection: the old one may be dead without a sign. */
const silenceMsMax = 3_000;

/** Redis did not do it. `word`: what its error reply begins with (NOPERM, WRONGPASS, ERR ...); "" where none came. */
export class RedisUnavailable extends Error {
  override readonly name = "RedisUnavailable";
  readonly word: string;
  constructor(message: string, options: { word?: string; cause?: unknown }) {
    super(message, { cause: options.cause });
    this.word = options.word ?? "";
  }
}

/** One command with its arguments. */
export type RedisCommand = readonly [name: string, ...args: string[]];

/** What a link needs. */
export interface LinkSettings {
  readonly place: RedisPlace;
  readonly log: Log;
  readonly clock: Clock;
  /** What CLIENT LIST and the log show. */
  readonly name: string;
  readonly connectTimeoutMs?: number;
  readonly timeoutMs?: number;
  /** 0 to 1; default Math.random. */
  readonly random?: () => number;
}

/** A connection for whoever looks at Redis in the background: every call ends within the time-out, none is queued or sent again. */
export class RedisLink {
  readonly #settings: LinkSettings;
  readonly #timeoutMs: number;
  readonly #client: Client;
  readonly #firstOutcome = Promise.withResolvers<void>();
  readonly #connected: (() => void)[] = [];
  #connections = 0;
  #lastReason = "not connected yet";
  #lastReplyMs: number;
  #isClosed = false;

  /** Opens the connection; it is not ready yet. Throws RedisUrlFault. */
  constructor(settings: LinkSettings) {
    this.#settings = settings;
    this.#timeoutMs = settings.timeoutMs ?? linkTimeoutMsDefault;
    this.#lastReplyMs = settings.clock.monotonicMs();
    const connectTimeoutMs = settings.connectTimeoutMs ?? connectTimeoutMsDefault;
    this.#client = openClient({
      target: parseRedisUrl(settings.place.url),
      connectTimeoutMs,
      tlsCa: settings.place.ca,
      name: settings.name,
      random: settings.random ?? Math.random,
      ready: () => this.#ready(),
      lost: (reason) => this.#lost(reason),
    });
    setTimeout(() => this.#firstOutcome.resolve(), connectTimeoutMs).unref();
  }

  /** How many connections there have been: what a Redis was told on an earlier one it may have forgotten. */
  get connections(): number {
    return this.#connections;
  }

  /** Resolves with the first connection or its failure; never rejects. */
  ready(): Promise<void> {
    return this.#firstOutcome.promise;
  }

  /** Calls `listener` at each new connection. */
  onConnected(listener: () => void): void {
    this.#connected.push(listener);
  }

  /** The reply: strings, numbers, arrays, null. Throws RedisUnavailable. */
  async send(command: RedisCommand): Promise<unknown> {
    const [reply] = await this.sendAll([command]);
    return reply;
  }

  /** The replies of many commands, of which none waits for another, in their order. Throws RedisUnavailable if any of them fails. */
  sendAll(commands: readonly RedisCommand[]): Promise<readonly unknown[]> {
    if (!this.#client.isReady()) return Promise.reject(this.#away());
    return this.#within(
      Promise.all(
        commands.map(([name, ...args]) => {
          const command = new Command(name, args, { replyEncoding: "utf8" });
          this.#client.send(command, false);
          return command.promise;
        }),
      ),
    );
  }

  /** Names of the nodes that take writes: one, but on a Cluster. Throws RedisUnavailable when none is known. */
  masters(): readonly string[] {
    const names = this.#client.masters().map(nodeName);
    if (names.length === 0 || !this.#client.isReady()) throw this.#away();
    return names;
  }

  /** Sends to one of `masters()`. Throws RedisUnavailable. */
  sendTo(master: string, [name, ...args]: RedisCommand): Promise<unknown> {
    const node = this.#client.masters().find((each) => nodeName(each) === master);
    if (!node || !this.#client.isReady()) return Promise.reject(this.#away());
    const command = new Command(name, args, { replyEncoding: "utf8" });
    node.sendCommand(command);
    return this.#within(command.promise);
  }

  /** Ends it; nothing is waited for. */
  close(): void {
    this.#isClosed = true;
    this.#client.close();
    this.#firstOutcome.resolve();
  }

  async #within<Reply>(replies: Promise<Reply>): Promise<Reply> {
    const { promise: late, reject } = Promise.withResolvers<never>();
    const timer = setTimeout(() => reject(this.#late()), this.#timeoutMs);
    try {
      const reply = await Promise.race([late, replies]);
      this.#lastReplyMs = this.#settings.clock.monotonicMs();
      return reply;
    } catch (cause) {
      throw unavailable(cause);
    } finally {
      clearTimeout(timer);
    }
  }

  #late(): RedisUnavailable {
    const nowMs = this.#settings.clock.monotonicMs();
    if (nowMs - this.#lastReplyMs > silenceMsMax && !this.#isClosed) {
      this.#lastReplyMs = nowMs;
      this.#client.reconnect();
    }
    return new RedisUnavailable(`Redis did not answer within ${this.#timeoutMs} ms`, {});
  }

  #away(): RedisUnavailable {
    return new RedisUnavailable(`Redis is not connected (${this.#lastReason})`, { word: this.#lastReason });
  }

  #ready(): void {
    this.#connections++;
    this.#lastReplyMs = this.#settings.clock.monotonicMs();
    this.#settings.log.info({ redis: this.#settings.name }, "redis connected");
    this.#lastReason = "closed";
    this.#firstOutcome.resolve();
    for (const listener of this.#connected) listener();
  }

  #lost(reason: string): void {
    this.#firstOutcome.resolve();
    if (this.#isClosed || reason === this.#lastReason) return;
    this.#lastReason = reason;
    this.#settings.log.warn({ redis: this.#settings.name, reason }, "redis is away");
  }
}

const nodeName = ({ options }: Redis): string => `${options.host ?? ""}:${options.port ?? ""}`;

const unavailable = (cause: unknown): RedisUnavailable => {
  if (cause instanceof RedisUnavailable) return cause;
  const isReply = cause instanceof Error && cause.name === "ReplyError";
  const word = isReply ? (/^[A-Z]+/.exec(cause.message)?.[0] ?? "ERR") : "";
  // A reply may quote the arguments of the command: only its first word is kept.
  return new RedisUnavailable(isReply ? `Redis answered ${word}` : "the connection to Redis broke", { word, cause });
};
