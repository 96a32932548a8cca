/** One POST to a receiver. */
import type { Secret } from "../../base/secret.ts";

/** Longest that a receiver may take, ms. */
export const postTimeoutMs = 5_000;

/** How it went: retryable means that another try may help. `why` holds nothing of the URL. */
export type PostResult =
  | { readonly ok: true }
  | { readonly ok: false; readonly isRetryable: boolean; readonly why: string };

/** Sends one body. */
export type Post = (url: Secret, body: string) => Promise<PostResult>;

/** Posts JSON. Follows no redirect: the host was allowed, not another. Never rejects. */
export const postJson: Post = async (url, body) => {
  try {
    const response = await fetch(url.reveal(), {
      method: "POST",
      headers: { "content-type": "application/json", "user-agent": "sidegate" },
      body,
      redirect: "manual",
      signal: AbortSignal.timeout(postTimeoutMs),
    });
    await response.body?.cancel(); // what it says is of no use, however long it is
    const { status } = response;
    if (response.ok) return { ok: true };
    if (status >= 300 && status < 400)
      return { ok: false, isRetryable: false, why: `HTTP ${status}: redirects are not followed` };
    return { ok: false, isRetryable: status === 408 || status === 429 || status >= 500, why: `HTTP ${status}` };
  } catch (fault) {
    return { ok: false, isRetryable: true, why: whyOf(fault) };
  }
};

/** A code alone: messages of libraries may hold the URL. */
const whyOf = (fault: unknown): string => {
  if (fault instanceof Error && fault.name === "TimeoutError") return `no answer within ${postTimeoutMs} ms`;
  const cause = fault instanceof Error ? fault.cause : undefined;
  return typeof cause === "object" && cause !== null && "code" in cause ? String(cause.code) : "no connection";
};
