/**
 * `operator --await-webhook`: what an installation waits for at its end. Pods are ready before every proxy of the cluster knows them, and a
 * CA comes when its issuer has made it: only the API server can say that it reaches the webhook, so it is the one that is asked.
 */
import type { Clock } from "../base/clock.ts";
import type { Log } from "../base/log.ts";
import { type KubeApi, KubeFault, type KubeObject, resources } from "../kube/port.ts";

/** Limits of the wait. */
export const startupLimits = {
  /** Answers of the webhook, one after the other without a miss, that prove it. */
  answersMin: 3,
  /** From an answer to the next trial, ms. */
  answeredPauseMs: 200,
  /** From a miss to the next trial, ms. */
  missedPauseMs: 500,
  /** Longest trial, ms: above the 30 s that a webhook may take, so that the API server says what it waited for. */
  trialMsMax: 35_000,
  /** Shortest time that the last trial gets, ms. */
  trialMsMin: 1_000,
};

const missingBackend = "no-such-backend";

/**
 * A route that the CRD takes and the webhook refuses. One that is right would prove nothing: it is let in as well by an API server that does
 * not know the webhook yet. It is never created.
 */
export const startupTrial = (namespace: string): KubeObject => ({
  apiVersion: "sidegate.dev/v1alpha1",
  kind: "AIRoute",
  metadata: { name: "sidegate-startup", namespace },
  spec: {
    parentRefs: [{ name: "sidegate-startup" }],
    backends: [{ name: "provider", type: "OpenAICompatible", endpoint: "https://sidegate.invalid/v1" }],
    rules: [
      { name: "startup", matches: [{ models: [{ value: "startup" }] }], backendRefs: [{ name: missingBackend }] },
    ],
  },
});

/** True where the webhook refused the trial for what is wrong with it; another refusal is not its voice. */
const isAnswer = ({ message }: KubeFault): boolean =>
  message.includes('admission webhook "validate.sidegate.dev" denied the request') && message.includes(missingBackend);

/** What it needs. */
export interface StartupOptions {
  /** A client with connections of its own, so that each trial may reach another API server; a request of it ends after so many ms. */
  readonly openApi: (timeoutMs: number) => KubeApi & { close(): void };
  /** A namespace that the webhook judges. */
  readonly namespace: string;
  readonly timeoutMs: number;
  readonly clock: Clock;
  readonly pause: (ms: number) => Promise<unknown>;
  readonly log: Log;
}

/** Resolves when the webhook has answered often enough: undefined, or after `timeoutMs` a sentence with the last miss and the fix. */
export async function awaitWebhook(options: StartupOptions): Promise<string | undefined> {
  const { timeoutMs, clock, pause, log } = options;
  const startMs = clock.monotonicMs();
  const leftMs = (): number => startMs + timeoutMs - clock.monotonicMs();
  let answers = 0;
  let lastMiss = "";
  do {
    const miss = await tried(options, Math.min(startupLimits.trialMsMax, Math.max(startupLimits.trialMsMin, leftMs())));
    if (miss !== undefined && miss !== lastMiss) log.info({ miss }, "the webhook does not answer yet");
    answers = miss === undefined ? answers + 1 : 0;
    lastMiss = miss ?? lastMiss;
    if (answers >= startupLimits.answersMin) {
      log.info({ waitedMs: Math.round(clock.monotonicMs() - startMs) }, "the API server reaches the webhook");
      return undefined;
    }
    await pause(miss === undefined ? startupLimits.answeredPauseMs : startupLimits.missedPauseMs);
  } while (leftMs() > 0);
  return (
    `the API server did not reach the webhook ${startupLimits.answersMin} times in a row within ${timeoutMs / 1_000} s; ` +
    `the last miss: ${lastMiss || "none, there was no time"}. ` +
    "Follow docs/troubleshooting.md#webhook-unreachable, then run helm upgrade again; where it only takes longer, raise startup.timeoutSeconds."
  );
}

/** One trial; undefined: the webhook answered, else what happened. Rethrows what is no KubeFault. */
const tried = async ({ openApi, namespace }: StartupOptions, timeoutMs: number): Promise<string | undefined> => {
  const api = openApi(timeoutMs);
  try {
    await api.create(resources.airoutes, startupTrial(namespace), { isDryRun: true });
    return "a wrong AIRoute was let in: the API server does not ask the webhook yet, or the operator has not read the cluster yet";
  } catch (fault) {
    if (!(fault instanceof KubeFault)) throw fault;
    return isAnswer(fault) ? undefined : fault.message;
  } finally {
    api.close();
  }
};
