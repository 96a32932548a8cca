import { setTimeout as sleep } from "node:timers/promises";

const pollMs = 150;

/**
 * Asks again and again until the answer is truthy, and gives it. Errors count as "not yet". Throws after `timeoutMs` (default 60 s) with
 * `what`, the last answer and the last error.
 */
export const until = async <T>(
  what: string,
  ask: () => Promise<T> | T,
  timeoutMs = 60_000,
): Promise<Exclude<T, undefined | null | false | "" | 0>> => {
  const end = performance.now() + timeoutMs;
  let last = "nothing asked";
  for (;;) {
    try {
      const answer = await ask();
      if (answer) return answer as Exclude<T, undefined | null | false | "" | 0>; // truthy, which the compiler does not carry over
      last = `the last answer was ${JSON.stringify(answer)}`;
    } catch (fault) {
      last = fault instanceof Error ? fault.message : String(fault);
    }
    if (performance.now() > end) throw new Error(`not within ${timeoutMs} ms: ${what}; ${last}`);
    await sleep(pollMs);
  }
};
