/** What is written to Redis in one turn of the event loop leaves together, in one system call for eight commands. */
import { type Command, Redis, type RedisOptions } from "ioredis";

type WriteableStream = NonNullable<Parameters<Redis["sendCommand"]>[1]>;

/** How long a lazy command may wait for others to share its write with, in ms. */
const lazyMsMax = 1;
/**
 * Commands that leave at once, though the turn goes on: in a busy turn of some ms Redis would stand idle until its end, and this process
 * afterwards.
 */
const commandsPerWrite = 8;

/**
 * A client whose commands may be put together. What it is asked in any other way goes behind what waits here: replies come in the order in
 * which commands were written, so one that passed others would be given theirs.
 */
export class BatchingRedis extends Redis {
  readonly #batch = new WriteBatch(this);

  constructor(options: Omit<RedisOptions, "replyMapping">) {
    super(options);
  }

  /** `isLazy`: it may wait up to 1 ms for others to leave with. */
  sendTogether(command: Command, isLazy: boolean): void {
    this.#batch.send(command, isLazy);
  }

  override sendCommand(command: Command, stream?: WriteableStream): unknown {
    // The constructor of Redis may send, before there is a batch.
    if (#batch in this && stream !== this.#batch.sink) this.#batch.flush();
    return super.sendCommand(command, stream);
  }

  /** What waits leaves before: it is answered, or known to be lost, as if it had left at once. */
  override disconnect(reconnect?: boolean): void {
    if (#batch in this) this.#batch.flush();
    super.disconnect(reconnect);
  }
}

/** Puts the commands of one client together, as one text where they have only text. */
export class WriteBatch {
  readonly #client: Redis;
  /** Where what waits is to go; undefined: nothing waits. */
  #stream: Redis["stream"] | undefined;
  #text = "";
  /** Before that text; where a command holds bytes. */
  #chunks: (string | Buffer)[] = [];
  #count = 0;
  #linger: NodeJS.Timeout | undefined;
  #leavesSoon = false;
  readonly #leave = (): void => this.flush();
  /** What ioredis takes for the socket. */
  readonly sink = {
    write: (chunk: string | Buffer): boolean => {
      this.#add(chunk);
      return true;
    },
  } as unknown as WriteableStream;

  constructor(client: Redis) {
    this.#client = client;
  }

  /** `isLazy`: it may wait up to 1 ms for others to leave with, and does not count among the eight. */
  send(command: Command, isLazy: boolean): void {
    if (this.#client.status !== "ready") {
      this.#client.sendCommand(command); // which says what is wrong
      return;
    }
    if (this.#stream !== this.#client.stream) this.flush();
    this.#stream = this.#client.stream;
    this.#client.sendCommand(command, this.sink);
    if (!isLazy) this.#leaveSoon();
    else if (!this.#leavesSoon) this.#linger ??= setTimeout(this.#leave, lazyMsMax);
  }

  /** Writes what waits. */
  flush(): void {
    clearTimeout(this.#linger);
    this.#linger = undefined;
    this.#leavesSoon = false;
    this.#write();
    this.#stream = undefined;
  }

  #leaveSoon(): void {
    this.#count++;
    if (this.#count >= commandsPerWrite) this.#write();
    if (this.#leavesSoon) return;
    this.#leavesSoon = true;
    setImmediate(this.#leave);
  }

  #add(chunk: string | Buffer): void {
    if (typeof chunk === "string") {
      this.#text += chunk;
      return;
    }
    if (this.#text !== "") this.#chunks.push(this.#text);
    this.#text = "";
    this.#chunks.push(chunk);
  }

  /** To a socket that has ended nothing is written: ioredis fails its commands when it closes. */
  #write(): void {
    this.#count = 0;
    const [text, chunks, stream] = [this.#text, this.#chunks, this.#stream];
    this.#text = "";
    if (chunks.length > 0) this.#chunks = [];
    if (!stream?.writable) return;
    if (chunks.length === 0) {
      if (text !== "") stream.write(text);
      return;
    }
    stream.cork();
    for (const chunk of chunks) stream.write(chunk);
    if (text !== "") stream.write(text);
    stream.uncork();
  }
}
