/** Takes a JSON answer: read whole, checked, metered, then sent at once, so that a broken one becomes a clear error. */
import { type GatewayError, refuse } from "../errors.ts";
import type { Admitted } from "../exchange.ts";
import { peekMembers } from "../json/peek.ts";
import { type Usage, usageOf } from "../openai/usage.ts";
import { isCacheable } from "../replay/cacheable.ts";
import { sendError, sendWhole } from "../reply.ts";
import type { AnswerHead, AnswerSink, Flow } from "./sink.ts";

/** Largest JSON answer, in bytes: 64 MiB, room for ten images in base64. */
export const answerJsonBytesMax = 64 * 1024 * 1024;
/** Largest answer that is cached, in bytes. */
export const cacheAnswerBytesMax = 1024 * 1024;

/** A JSON answer of at most `answerJsonBytesMax`; nothing of it reaches the client before it is whole and settled. */
export class JsonSink implements AnswerSink {
  readonly #exchange: Admitted;
  readonly #head: AnswerHead;
  readonly #flow: Flow;
  readonly #done: () => void;
  readonly #chunks: Buffer[] = [];
  #bytes = 0;
  constructor(options: { exchange: Admitted; head: AnswerHead; flow: Flow; done: () => void }) {
    this.#exchange = options.exchange;
    this.#head = options.head;
    this.#flow = options.flow;
    this.#done = options.done;
  }

  data(chunk: Buffer): void {
    this.#bytes += chunk.length;
    if (this.#bytes > answerJsonBytesMax) {
      // stated before the call is ended, which is an error of its own
      this.fail(refuse("upstream_too_large", `at most ${answerJsonBytesMax} bytes of JSON`));
      this.#flow.abort();
      return;
    }
    this.#chunks.push(chunk);
  }

  end(): void {
    const only = this.#chunks[0];
    const body = this.#chunks.length === 1 && only ? only : Buffer.concat(this.#chunks, this.#bytes);
    const { status, headers } = this.#head;
    // whatever its type says: a page from a proxy in between is no answer
    const members = peekMembers(body, ["usage", "model"]);
    if (members === undefined && !isJsonArray(body) && status !== 204) {
      this.fail(refuse("upstream_invalid_answer", "it is not JSON"));
      return;
    }
    const usageRange = members?.get("usage");
    const modelRange = members?.get("model");
    const usage = usageRange && usageIn(body.subarray(usageRange.start, usageRange.end));
    const responseModel = modelRange && textIn(body.subarray(modelRange.start, modelRange.end));
    this.#fill(body, usage);
    // stated before the last byte leaves: the client's next request meets settled counters
    this.#exchange.end({ outcome: "completed", status, usage, responseModel });
    sendWhole(this.#exchange, status, headers, body);
    this.#done();
  }

  #fill(body: Buffer, usage: Usage | undefined): void {
    const { fillCache, match } = this.#exchange;
    if (!fillCache || this.#head.status !== 200 || body.length > cacheAnswerBytesMax) return;
    const format = match.endpoint.stream ?? (match.endpoint.name === "Embeddings" ? "embeddings" : "moderation");
    if (!isCacheable(format, { kind: "json", bytes: body })) return;
    fillCache({ kind: "json", bytes: body, contentType: this.#head.mediaType, usage });
  }

  fail(error: GatewayError): void {
    const outcome = this.#exchange.abortReason === undefined ? "uncertain" : "aborted";
    this.#exchange.end({ outcome, status: error.status, errorCode: error.code });
    sendError(this.#exchange, error);
    this.#done();
  }
}

/** A list at the top is nobody's answer today, but it is JSON. */
function isJsonArray(body: Buffer): boolean {
  if (!body.subarray(0, 64).toString("latin1").trimStart().startsWith("[")) return false;
  try {
    return Array.isArray(JSON.parse(body.toString("utf8")));
  } catch {
    return false;
  }
}

function usageIn(bytes: Buffer): Usage | undefined {
  try {
    return usageOf(JSON.parse(bytes.toString("utf8")));
  } catch {
    return undefined; // an unreadable usage is no usage: the quota's onUnknownUsage decides
  }
}

function textIn(bytes: Buffer): string | undefined {
  return bytes.length > 2 && bytes.length <= 258 && bytes[0] === 0x22
    ? bytes.toString("utf8", 1, bytes.length - 1)
    : undefined;
}
