/** One GET whose whole answer is wanted, for documents of identity providers. */
import type { Pools } from "./pools.ts";
import { type AnswerHead, type CallFailure, wholeAnswer } from "./whole-answer.ts";

/** How long the whole call may take, in ms. */
export const documentMsMax = 5_000;
/** Longest document that is taken, in bytes. */
export const documentBytesMax = 262_144;

/** How a document was not had. `answered`: with another status than 200, a redirect among them. `invalid`: it is not what it must be. */
export type DocumentFailure = CallFailure | "answered";

/** There is no such document. The message names the host, and nothing of the answer but its status. */
export class DocumentFault extends Error {
  override readonly name = "DocumentFault";
  readonly failure: DocumentFailure;
  constructor(failure: DocumentFailure, message: string, options?: ErrorOptions) {
    super(message, options);
    this.failure = failure;
  }
}

/** Answers the body of a 200. Rejects with DocumentFault. */
export type GetDocument = (url: URL) => Promise<string>;

/** Gets documents over the pools that calls use, too. `timeoutMs`: for the whole call. */
export const getThrough =
  (pools: Pools, timeoutMs = documentMsMax): GetDocument =>
  async (url) => {
    const { body } = await wholeAnswer(pools, {
      ...{ url, method: "GET", timeoutMs, bytesMax: documentBytesMax },
      headers: ["accept", "application/json, application/jwk-set+json"],
      fault: (failure, message, cause) => new DocumentFault(failure, message, { cause }),
      refusal: (head) => refusalOf(url, head),
    });
    return body;
  };

const refusalOf = ({ host }: URL, { status, headers }: AnswerHead): DocumentFault | undefined => {
  if (status !== 200) {
    const redirect = status >= 300 && status < 400 ? ", a redirect, which is never followed" : "";
    return new DocumentFault("answered", `${host} answered ${status}${redirect}`);
  }
  const { "content-encoding": coding = "identity" } = headers;
  if (coding === "identity") return undefined;
  return new DocumentFault("invalid", `${host} answered compressed, which was not asked for (content-encoding)`);
};
