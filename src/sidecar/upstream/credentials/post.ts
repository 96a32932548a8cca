/** One POST whose whole answer is wanted, for token endpoints. */
import type { Pools } from "../pools.ts";
import { retryAfterMs } from "../retry-after.ts";
import { type AnswerHead, wholeAnswer } from "../whole-answer.ts";
import { CredentialFault } from "./fault.ts";

/** How long the whole call may take, in ms. */
export const exchangeMsMax = 10_000;
/** Longest answer that is taken, in bytes. */
const answerBytesMax = 65_536;

/** What is sent. `body` holds the token: it is never logged. */
export interface Post {
  readonly url: URL;
  readonly contentType: string;
  readonly body: string;
}

/** What came back. */
export interface PostAnswer {
  readonly status: number;
  readonly body: string;
  readonly retryAfterMs: number | undefined;
}

/** Sends it. Rejects with CredentialFault of kind `unavailable`, `timeout` or `invalid`. */
export type PostTokens = (post: Post) => Promise<PostAnswer>;

/** Posts over the pools that calls use, too. `timeoutMs`: for the whole call. */
export const postThrough =
  (pools: Pools, nowMs: () => number, timeoutMs = exchangeMsMax): PostTokens =>
  async ({ url, contentType, body }) => {
    const answer = await wholeAnswer(pools, {
      ...{ url, method: "POST", body, timeoutMs, bytesMax: answerBytesMax },
      headers: ["content-type", contentType, "accept", "application/json"],
      fault: (failure, message, cause) => new CredentialFault(failure, message, { cause }),
    });
    return { status: answer.status, body: answer.body, retryAfterMs: retryAfterMs(listOf(answer), nowMs()) };
  };

const listOf = ({ headers }: AnswerHead): [string, string][] =>
  Object.entries(headers).map(([name, value]) => [name, String(value ?? "")]);
