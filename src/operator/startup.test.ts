import { expect, test } from "vitest";
import { airouteSchema } from "../api/airoute.ts";
import { FakeClock } from "../base/clock.ts";
import { silentLog } from "../base/log.ts";
import { KubeFault, type KubeObject, type Resource, type WriteOptions } from "../kube/port.ts";
import type { ResourceView } from "./ports.ts";
import { awaitWebhook, startupLimits, startupTrial } from "./startup.ts";
import { parseReview } from "./webhook/review.ts";
import { createValidateHandler } from "./webhook/validate.ts";

const view: ResourceView = { isSynced: true, routes: () => [], quotas: () => [], secrets: () => [] };

/** What the webhook itself says to the trial, as the API server hands it on. */
const refusal = async (): Promise<KubeFault> => {
  const object = startupTrial("sidegate-system");
  const request = {
    uid: "u",
    kind: { group: "sidegate.dev", version: "v1alpha1", kind: "AIRoute" },
    operation: "CREATE",
    namespace: "sidegate-system",
    object: { ...object, spec: airouteSchema.parse(object).spec }, // with the defaults of the CRD
    oldObject: null,
  };
  const review = { apiVersion: "admission.k8s.io/v1", kind: "AdmissionReview", request };
  const decision = await createValidateHandler({ view })(parseReview(Buffer.from(JSON.stringify(review))));
  if (decision.kind !== "refused") throw new Error("the webhook lets the trial in");
  return denied("validate.sidegate.dev", decision.message);
};
const denied = (webhook: string, message: string): KubeFault =>
  new KubeFault(`POST /airoutes: 422 Invalid: admission webhook "${webhook}" denied the request: ${message}`, {
    status: 422,
  });
const unreachable = new KubeFault('500: failed calling webhook "validate.sidegate.dev": connect: connection refused', {
  status: 500,
});
const noCrd = new KubeFault("404 NotFound: the server could not find the requested resource", { status: 404 });
const forbidden = new KubeFault("403 Forbidden: cannot create resource airoutes", { status: 403 });
const unknownIssuer = new KubeFault('500: failed calling webhook "validate.sidegate.dev": x509: unknown authority', {
  status: 500,
});

/** A cluster that answers so, one after the other, the last for ever; "admitted": it does not ask the webhook. Each trial takes 10 ms. */
const stage = (...answers: readonly (Error | "admitted")[]) => {
  const clock = new FakeClock();
  const said: { pauses: number[]; asked: [Resource, KubeObject, WriteOptions | undefined][]; closed: number } = {
    ...{ pauses: [], asked: [], closed: 0 },
  };
  const refuse = (): Promise<never> => Promise.reject(new Error("not part of this test"));
  const rest = { get: refuse, list: refuse, watch: refuse, replace: refuse, apply: refuse, mergePatch: refuse };
  const limits: number[] = [];
  const options = {
    openApi: (timeoutMs: number) => {
      limits.push(timeoutMs);
      return {
        ...{ ...rest, delete: refuse, raw: refuse },
        create: async (resource: Resource, object: KubeObject, write?: WriteOptions) => {
          const answer = answers[Math.min(said.asked.length, answers.length - 1)];
          said.asked.push([resource, object, write]);
          clock.advance(10);
          if (answer instanceof Error) throw answer;
          return object;
        },
        close: () => void said.closed++,
      };
    },
    ...{ namespace: "sidegate-system", timeoutMs: 120_000, clock, log: silentLog() },
    pause: async (ms: number) => {
      said.pauses.push(ms);
      clock.advance(ms);
    },
  };
  return { said, limits, options };
};

const { answersMin, answeredPauseMs: answered, missedPauseMs: missed } = startupLimits;

test("three refusals by the webhook in a row prove it, each asked over a connection of its own", async () => {
  const { said, options } = stage(await refusal());
  expect(await awaitWebhook(options)).toBeUndefined();
  expect(said.pauses).toEqual([answered, answered]);
  expect(said.closed).toBe(answersMin);
});

test("nothing is created: each trial is a dry run", async () => {
  const { said, options } = stage(await refusal());
  await awaitWebhook(options);
  for (const [{ plural }, { metadata }, write] of said.asked)
    expect([plural, metadata.namespace, write]).toEqual(["airoutes", "sidegate-system", { isDryRun: true }]);
});

test.each([
  ["no proxy knows the pods", unreachable],
  ["the certificate's authority is not written yet", unknownIssuer],
  ["the CRD is not established", noCrd],
  ["the Role is not in force", forbidden],
  ["the API server does not know the webhook", "admitted" as const],
  ["another webhook refuses", denied("policy.example.com", "no-such-backend is not allowed")],
  ["the operator fails at the question", denied("validate.sidegate.dev", "internal error")],
])("while %s it goes on asking", async (_name, miss) => {
  const { said, options } = stage(miss, miss, await refusal());
  expect(await awaitWebhook(options)).toBeUndefined();
  expect(said.pauses).toEqual([missed, missed, answered, answered]);
});

test("a miss among the answers starts the count anew", async () => {
  const answer = await refusal();
  const { said, options } = stage(answer, answer, unreachable, answer);
  expect(await awaitWebhook(options)).toBeUndefined();
  expect(said.asked).toHaveLength(3 + answersMin);
});

test("after its time it says the last miss and the fix", async () => {
  const { limits, options } = stage("admitted", unreachable);
  const sentence = await awaitWebhook(options);
  expect(sentence).toContain("within 120 s; the last miss: 500: failed calling webhook");
  expect(sentence).toContain("connect: connection refused");
  expect(sentence).toContain("docs/troubleshooting.md#webhook-unreachable");
  expect(options.clock.monotonicMs() - new FakeClock().monotonicMs()).toBeLessThan(121_000);
  expect(limits[0]).toBe(startupLimits.trialMsMax);
  expect(limits.at(-1)).toBe(startupLimits.trialMsMin);
});

test("what is no answer of the API server ends it at once", async () => {
  const { options } = stage(new Error("the token cannot be read"));
  await expect(awaitWebhook(options)).rejects.toThrow("the token cannot be read");
});
