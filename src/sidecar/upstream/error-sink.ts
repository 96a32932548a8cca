/** Takes a provider's error answer: passed on as it came when it has the provider's shape, put into that shape when not. */
import { GatewayError, retryAfterMsMax } from "../errors.ts";
import type { Admitted } from "../exchange.ts";
import { type HeaderList, sendError, sendWhole } from "../reply.ts";
import { bytesWithoutSecrets, withoutSecrets } from "./echo.ts";
import { retryAfterMs } from "./retry-after.ts";
import type { AnswerHead, AnswerSink } from "./sink.ts";

/** Error bodies that are read, in bytes; a longer one is cut off and replaced. */
const errorBytesMax = 1024 * 1024;

/** Codes by which providers say that money is the matter: asking again cannot help (facts of OpenAI's error guide). */
const moneyCodes = [
  "insufficient_quota",
  "credit_balance_exhausted",
  "organization_spend_limit_exceeded",
  "project_spend_limit_exceeded",
  "organization_usage_limit_exceeded",
  "billing_hard_limit_reached",
];
/** Whether an error answer is billed, as Azure says of its own: a blocked prompt (with what was written meanwhile), and a time-out. */
const isBilled = ({ call }: Admitted, status: number, code: string | undefined): boolean =>
  call.backendType === "AzureOpenAI" && (status === 408 || (status === 400 && code === "content_filter"));

/** Shortest wait that is passed on, in ms: the Node SDK asks again at once when it is told 0, and so do all its siblings. */
const waitMsMin = 1_000;
const waitHeaders: ReadonlySet<string> = new Set(["retry-after", "retry-after-ms"]);

/** Takes an error answer: passed on as it came when it has the provider's shape, put into it when it has not. */
export class ErrorSink implements AnswerSink {
  readonly #exchange: Admitted;
  readonly #head: AnswerHead;
  readonly #done: () => void;
  readonly #chunks: Buffer[] = [];
  readonly #secrets: readonly string[];
  #bytes = 0;
  /** `secrets`: what was sent as credential; it is taken out where the provider repeats it. */
  constructor(options: { exchange: Admitted; head: AnswerHead; done: () => void; secrets: readonly string[] }) {
    this.#exchange = options.exchange;
    const { head, secrets } = options;
    this.#head = { ...head, headers: head.headers.map(([name, value]) => [name, withoutSecrets(value, secrets)]) };
    this.#secrets = secrets;
    this.#done = options.done;
  }
  data(chunk: Buffer): void {
    this.#bytes += chunk.length;
    if (this.#bytes <= errorBytesMax) this.#chunks.push(chunk);
  }
  end(): void {
    const body = bytesWithoutSecrets(Buffer.concat(this.#chunks), this.#secrets);
    const { status, headers } = this.#head;
    const code = this.#bytes <= errorBytesMax ? providerCode(body) : undefined;
    const waitMs = retryAfterMs(headers, this.#exchange.clock.nowMs());
    if (code === undefined) {
      this.fail(
        new GatewayError("upstream_error", [String(status)], {
          status,
          retry: status === 408 || status === 409 || status === 429 || status >= 500,
          retryAfterMs: waitMs === 0 ? waitMsMin : waitMs,
          headers: headers.filter(([name]) => name === "x-request-id"),
        }),
      );
      return;
    }
    this.#state(status, code, code || "upstream_error");
    sendWhole(this.#exchange, status, retryHeaders(headers, { code, waitMs }), body);
    this.#done();
  }
  fail(error: GatewayError): void {
    this.#state(error.status, undefined, error.code);
    sendError(this.#exchange, error);
    this.#done();
  }
  /** `code`: the provider's. */
  #state(status: number, code: string | undefined, errorCode: string): void {
    const outcome = isBilled(this.#exchange, this.#head.status, code) ? "uncertain" : "failed";
    this.#exchange.end({ outcome, status, errorCode });
  }
}

/** The error's code ("" where it has none), or undefined when the body has not the provider's shape. */
function providerCode(body: Buffer): string | undefined {
  try {
    const value: unknown = JSON.parse(body.toString("utf8"));
    if (typeof value !== "object" || value === null || !("error" in value)) return undefined;
    const error = value.error;
    if (typeof error !== "object" || error === null) return typeof error === "string" ? "" : undefined;
    const named = "code" in error && error.code ? error.code : "type" in error ? error.type : "";
    return typeof named === "string" ? named.slice(0, 64) : "";
  } catch {
    return undefined; // not JSON: it is put into the provider's shape
  }
}

/** Retry headers made right: never 0 (instant storms), and no retry where money or a long wait is the matter. */
function retryHeaders(headers: AnswerHead["headers"], about: { code: string; waitMs: number | undefined }): HeaderList {
  const { code, waitMs } = about;
  if (moneyCodes.includes(code) || (waitMs !== undefined && waitMs > retryAfterMsMax))
    return [...headers.filter(([name]) => name !== "x-should-retry"), ["x-should-retry", "false"]];
  if (waitMs !== 0) return headers;
  return [...headers.filter(([name]) => !waitHeaders.has(name)), ["retry-after", String(waitMsMin / 1000)]];
}
