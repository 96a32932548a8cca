import { Command, type Redis } from "ioredis";
import type { Clock } from "../../../base/clock.ts";
import type { Log } from "../../../base/log.ts";
import { connectTimeoutMsDefault } from "../../../redis/client.ts";
import { FollowingClient } from "../../../redis/following-client.ts";
import type { RedisPlace } from "../../../redis/place.ts";
import { StoreUnavailable } from "../../ports/store-unavailable.ts";
import { Breaker, type BreakerState, probeDelay, probeDelayMs } from "./breaker.ts";
import { Deadlines } from "./deadlines.ts";
import { commandFaultOf } from "./faults.ts";
import { Ping } from "./ping.ts";
import { Silence } from "./silence.ts";
import { within } from "./within.ts";

/** Default bound of one command, ms. A slower answer counts as none. */
export const commandTimeoutMsDefault = 50;
/** Bound of a command that is sent aside, ms: nobody waits for it. */
const asideTimeoutMs = 1_000;

/** What one Redis needs. */
export interface ConnectionSettings {
  /** Where it is; `follow` changes it. */
  readonly place: RedisPlace;
  readonly log: Log;
  readonly clock: Clock;
  /** What it is for, in logs. */
  readonly purpose: string;
  /** 1 to 10,000; default 50. */
  readonly commandTimeoutMs?: number;
  /** Default 1,000. */
  readonly connectTimeoutMs?: number;
  /** 0 to 1; for jitter. Default Math.random. */
  readonly random?: () => number;
}

/** How a command is sent. */
export interface SendOptions {
  /** It may wait up to 1 ms for others to leave with; on a Cluster it does not. */
  readonly isLazy?: boolean;
  /** Asked when it failed within the timeout: what to send in its place, in what is left of that; undefined: nothing. Must not throw. */
  readonly instead?: (fault: StoreUnavailable) => Command | undefined;
}

/** For metrics and status. */
export interface ConnectionState {
  /** Connected, and the breaker lets commands pass. */
  readonly up: boolean;
  readonly breaker: BreakerState;
  /** Redis refuses to take more memory (OOM). */
  readonly full: boolean;
}

/**
 * One Redis behind one breaker: every command of every store goes through `send`. Each command has its own fate: it is answered,
 * or fails with StoreUnavailable within the timeout. Nothing is queued while Redis is away.
 */
export class Connection {
  readonly #log: Log;
  readonly #clock: Clock;
  readonly #random: () => number;
  readonly #timeoutMs: number;
  readonly #client: FollowingClient;
  readonly #deadlines: Deadlines;
  #countedMs = Number.NEGATIVE_INFINITY;
  readonly #breaker: Breaker;
  readonly #firstOutcome = Promise.withResolvers<void>();
  readonly #recovered: (() => void)[] = [];
  #probeTimer: NodeJS.Timeout | undefined;
  readonly #silence = new Silence();
  /** Of the last command that failed: its node is probed. Of a Cluster only. */
  #failedSlot: number | null = null;
  /** undefined: not yet, and no attempt has failed. */
  #isConnected: boolean | undefined;
  #isFull = false;
  #isClosed = false;
  #underWay = 0;

  /** Throws RedisUrlFault. */
  constructor(settings: ConnectionSettings) {
    this.#log = settings.log.child({ redis: settings.purpose });
    this.#clock = settings.clock;
    this.#random = settings.random ?? Math.random;
    this.#timeoutMs = settings.commandTimeoutMs ?? commandTimeoutMsDefault;
    this.#deadlines = new Deadlines(this.#timeoutMs, this.#clock);
    this.#breaker = new Breaker({
      opened: (reason, isAgain) => this.#breakerOpened(reason, isAgain),
      closed: () => this.#breakerClosed(),
    });
    const connectTimeoutMs = settings.connectTimeoutMs ?? connectTimeoutMsDefault;
    this.#client = new FollowingClient({
      place: settings.place,
      connectTimeoutMs,
      name: "sidegate",
      random: this.#random,
      ready: () => this.#connected(),
      lost: (reason) => this.#lost(reason),
    });
    // A server that accepts and then says nothing would keep `ready` waiting.
    setTimeout(() => this.#firstOutcome.resolve(), connectTimeoutMs).unref();
  }

  /** Whether keys of two hash tags may lie on two servers. */
  get isCluster(): boolean {
    return this.#client.isCluster;
  }

  state(): ConnectionState {
    const breaker = this.#breaker.state;
    return { up: this.#isConnected === true && breaker !== "Open", breaker, full: this.#isFull };
  }

  /** Resolves with the first connection or its failure; never rejects. */
  ready(): Promise<void> {
    return this.#firstOutcome.promise;
  }

  /** Calls `listener` at each new connection and whenever the breaker closes. */
  onRecovered(listener: () => void): void {
    this.#recovered.push(listener);
  }

  /**
   * The reply as it came: numbers, Buffers, arrays, null. A lazy command may wait up to 1 ms for others to leave with, and never
   * falls behind one that was sent after it. Throws StoreUnavailable; its `cause` is the error reply, if one came. */
  send(name: string, args: (string | Buffer)[], options?: SendOptions): Promise<unknown> {
    return this.sendCommand(new Command(name, args), options);
  }

  /** The same, for a command that is made already. */
  sendCommand(command: Command, options: SendOptions = {}): Promise<unknown> {
    const refusal = this.#refusal();
    return refusal === undefined ? this.#exchange(command, options) : Promise.reject(refusal);
  }

  /**
   * Sends a command that nothing depends on: neither the breaker nor the state hears of its fate, and it waits up to 1 ms for
   * others to leave with. Rejects with StoreUnavailable when it was not answered within 1 s.
   */
  async aside(name: string, args: string[]): Promise<unknown> {
    if (this.#isClosed || !this.#client.isReady())
      throw new StoreUnavailable("Redis is not connected", { maybeDone: false });
    const command = new Command(name, args);
    this.#client.send(command, true);
    try {
      return await within(asideTimeoutMs, command.promise);
    } catch (cause) {
      throw new StoreUnavailable(`Redis failed: ${commandFaultOf(cause).reason}`, { cause, maybeDone: true });
    }
  }

  /** Goes on at another place; see FollowingClient.follow. Throws RedisUrlFault. */
  follow(place: RedisPlace): void {
    this.#client.follow(place);
  }

  /** The nodes that take writes. What they are asked passes the breaker. */
  masters(): readonly Redis[] {
    return this.#client.masters();
  }

  /** Lets commands under way end (bounded by the timeout), then disconnects. */
  async close(): Promise<void> {
    this.#isClosed = true;
    clearTimeout(this.#probeTimer);
    const endsMs = this.#clock.monotonicMs() + 2 * this.#timeoutMs;
    while (this.#underWay > 0 && this.#clock.monotonicMs() < endsMs) {
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
    this.#client.close();
    this.#firstOutcome.resolve();
  }

  #refusal(): StoreUnavailable | undefined {
    if (this.#isClosed) return new StoreUnavailable("the store is closed", { maybeDone: false });
    if (this.#breaker.state === "Open")
      return new StoreUnavailable("Redis is away: its breaker is open", { maybeDone: false });
    if (this.#client.isReady()) return undefined;
    this.#breaker.failed("not connected");
    return new StoreUnavailable("Redis is not connected", { maybeDone: false });
  }

  #exchange(command: Command, { isLazy = false, instead }: SendOptions): Promise<unknown> {
    const slot = this.#client.isCluster ? command.getSlot() : null;
    return new Promise((resolve, reject) => {
      this.#underWay++;
      const pending = this.#deadlines.add(() => {
        this.#underWay--;
        this.#timedOut(slot);
        reject(new StoreUnavailable(`Redis did not answer within ${this.#timeoutMs} ms`, { maybeDone: true }));
      });
      const done = (): void => {
        pending.done();
        this.#underWay--;
      };
      const send = (asked: Command): void => {
        asked.promise.then(
          (reply) => {
            this.#silence.broken(slot);
            if (pending.isDone) return;
            done();
            this.#breaker.succeeded();
            resolve(reply);
          },
          (cause: unknown) => {
            if (pending.isDone) return;
            const fault = this.#failed(cause, slot);
            const other = asked === command ? instead?.(fault) : undefined;
            if (other !== undefined) return send(other);
            done();
            reject(fault);
          },
        );
        this.#client.send(asked, isLazy);
      };
      send(command);
    });
  }

  /** One pause of Redis makes every command under way late: that is one failure, or a burst would open the breaker at once. */
  #timedOut(slot: number | null): void {
    this.#silent(slot);
    const nowMs = this.#clock.monotonicMs();
    if (nowMs - this.#countedMs < this.#timeoutMs / 2) return;
    this.#countedMs = nowMs;
    this.#failedSlot = slot;
    this.#breaker.failed("timeout");
  }

  #failed(cause: unknown, slot: number | null): StoreUnavailable {
    const fault = commandFaultOf(cause);
    if (fault.isOutage) {
      this.#failedSlot = slot;
      this.#breaker.failed(fault.reason);
    }
    if (fault.kind === "Full") this.setFull(true);
    return new StoreUnavailable(`Redis failed: ${fault.reason}`, { cause, maybeDone: fault.maybeDone });
  }

  /** Says whether Redis has room: an OOM sets it by itself, a store whose write went through takes it back. */
  setFull(isFull: boolean): void {
    if (isFull === this.#isFull) return;
    this.#isFull = isFull;
    if (isFull) this.#log.warn("redis is full: it refuses what needs memory");
    else this.#log.info("redis has room again");
  }

  #connected(): void {
    this.#isConnected = true;
    this.#silence.reset();
    this.#log.info("redis connected");
    this.#firstOutcome.resolve();
    if (this.#breaker.state === "Open") void this.#probe();
    for (const listener of this.#recovered) listener();
  }

  #lost(reason: string): void {
    this.#firstOutcome.resolve();
    if (this.#isConnected === false || this.#isClosed) return;
    this.#log.warn({ reason }, this.#isConnected ? "redis connection lost" : "redis cannot be reached");
    this.#isConnected = false;
  }

  #breakerOpened(reason: string, isAgain: boolean): void {
    if (!isAgain) this.#log.warn({ reason }, "redis breaker opened");
    this.#probeLater();
  }

  #breakerClosed(): void {
    this.#log.info("redis breaker closed");
    for (const listener of this.#recovered) listener();
  }

  #probeLater(delayMs = probeDelay(this.#random)): void {
    clearTimeout(this.#probeTimer);
    if (this.#isClosed) return;
    this.#probeTimer = setTimeout(() => void this.#probe(), delayMs).unref();
  }

  /** Asks for a sign of life, on a Cluster the node that failed; a PING passes the breaker that everything else is stopped by. */
  async #probe(): Promise<void> {
    if (this.#breaker.state !== "Open") return;
    this.#probeLater();
    const slot = this.#failedSlot;
    const ping = (): Promise<boolean> =>
      this.#exchange(new Ping(slot), {}).then(
        () => true,
        () => false,
      );
    if (this.#client.isReady() && (await ping())) this.#breaker.probed();
    else this.#silent(slot);
  }

  /** After a long silence the connection is made anew: it may be dead without a sign. */
  #silent(slot: number | null): void {
    if (!this.#silence.isTooLong(slot, this.#clock.monotonicMs())) return;
    this.#client.reconnect(slot);
    if (this.#breaker.state === "Open") this.#probeLater(probeDelayMs.min);
  }
}
