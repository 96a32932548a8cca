// What a user meets first: a chart, a route, a quota, one annotation, and the official SDK without any configuration.
import { beforeAll, describe, expect, test } from "vitest";
import { appDeployment, appJob, runInApp } from "./harness/application.ts";
import { type ClusterProvider, startProvider } from "./harness/fake-provider.ts";
import { say } from "./harness/figures.ts";
import { installSidegate } from "./harness/installation.ts";
import { apply, get, kubectl, logs, type Pod, podsOf, refusal, waitFor } from "./harness/kubectl.ts";
import { useNamespace } from "./harness/namespace.ts";
import { airoute, credential, injected, requestsQuota } from "./harness/route.ts";
import { until } from "./harness/until.ts";

const namespace = useNamespace("first");
const requestsMax = 12;
const key = "sk-first-route";
let provider: ClusterProvider;
let pod = "";

beforeAll(async () => {
  await installSidegate();
  provider = await startProvider(namespace, { keys: [key] });
  const rule = { cache: { exact: { ttl: "10m", when: "Always" } } };
  await apply([
    credential(namespace, key),
    airoute({ namespace, provider, rule }),
    requestsQuota(namespace, requestsMax),
    appDeployment({ name: "app", namespace, annotations: injected }),
  ]);
  await waitFor("deployment/app", "condition=Available", namespace);
  pod = (await podsOf("app=app", namespace))[0]?.metadata.name ?? "";
});

const inApp = async <T>(script: string): Promise<T> => await runInApp<T>({ namespace, pod }, script);

/** Rows of `kubectl get` by the names of their columns. */
const columns = async (resource: string): Promise<Record<string, string>> => {
  const [head = "", row = ""] = (await kubectl(["get", resource, "-n", namespace])).split("\n");
  const names = [...head.matchAll(/\S+\s*/g)];
  return Object.fromEntries(
    names.map(({ 0: name, index }) => [name.trim(), row.slice(index, index + name.length).trim()]),
  );
};

describe("an annotated Deployment", () => {
  test("runs with the sidecar in a namespace that enforces the restricted standard", async () => {
    const labels = (await get("namespace", namespace))?.metadata.labels;
    expect(labels?.["pod-security.kubernetes.io/enforce"]).toBe("restricted");
    const plain = { apiVersion: "v1", kind: "Pod", metadata: { name: "loose", namespace } };
    const loose = { ...plain, spec: { containers: [{ name: "app", image: "app" }] } };
    expect(await refusal(loose)).toContain('violates PodSecurity "restricted');
    const running = await get<Pod>("pod", pod, namespace);
    expect(running?.spec.initContainers?.map(({ name }) => name)).toEqual(["sidegate"]);
    expect(running?.status.initContainerStatuses?.[0]).toMatchObject({ ready: true, restartCount: 0 });
  });

  test("gets an answer, by the provider's key that the application never sees", async () => {
    const { text, seen } = await inApp<{ text: string; seen: string }>(`
      const answer = await client.chat.completions.create({ model: "gpt-4o", messages: [{ role: "user", content: "Say hello." }] });
      done({ text: answer.choices[0].message.content, seen: JSON.stringify(process.env) });`);
    expect(text).not.toBe("");
    expect(seen).not.toContain(key);
    expect((await provider.requests()).at(-1)?.headers["authorization"]).toBe(`Bearer ${key}`);
  });

  test("gets a stream in pieces, with its usage", async () => {
    const { pieces, usage } = await inApp<{ pieces: number; usage: { total_tokens: number } | null }>(`
      const ask = { model: "gpt-4o", messages: [{ role: "user", content: "Count to twenty." }], stream: true, stream_options: { include_usage: true } };
      let pieces = 0, usage = null;
      for await (const piece of await client.chat.completions.create(ask)) {
        if (piece.choices[0]?.delta?.content) pieces += 1;
        usage = piece.usage ?? usage;
      }
      done({ pieces, usage });`);
    expect(pieces).toBeGreaterThan(1);
    expect(usage?.total_tokens).toBeGreaterThan(0);
  });

  test("gets the second of two equal requests from the cache", async () => {
    await provider.reset();
    const answers = await inApp<{ text: string; cache: string }[]>(`
      const ask = () => client.chat.completions.create({ model: "gpt-4o", messages: [{ role: "user", content: "Once." }] }).withResponse();
      const answers = [];
      for (let i = 0; i < 2; i += 1) {
        const { data, response } = await ask();
        answers.push({ text: data.choices[0].message.content, cache: response.headers.get("cache-status") });
      }
      done(answers);`);
    expect(answers.map(({ cache }) => /;\s*hit\b/.test(cache))).toEqual([false, true]);
    expect(answers[1]?.text).toBe(answers[0]?.text);
    expect(await provider.requests()).toHaveLength(1);
  });
});

describe("an annotated Job", () => {
  test("completes: the sidecar does not hold it", async () => {
    const script = `
      import OpenAI from "openai";
      const answer = await new OpenAI().chat.completions.create({ model: "gpt-4o", messages: [{ role: "user", content: "From a job." }] });
      console.log("answered " + answer.id);`;
    await apply(appJob({ name: "once", namespace, script, annotations: injected }));
    await waitFor("job/once", "condition=Complete", namespace);
    const [done] = await podsOf("batch.kubernetes.io/job-name=once", namespace);
    expect(done?.spec.initContainers?.map(({ name }) => name)).toEqual(["sidegate"]);
    const lines = await logs({ namespace, pod: done?.metadata.name ?? "", container: "app" });
    expect(lines.join("\n")).toMatch(/^answered \S+$/);
  });
});

describe("an AzureOpenAI application", () => {
  test("works with its own client and no endpoint or key", async () => {
    await apply([
      { apiVersion: "v1", kind: "ServiceAccount", metadata: { name: "azure", namespace } },
      airoute({ namespace, provider, name: "azure", serviceAccount: "azure" }),
      appDeployment({
        name: "azure",
        namespace,
        serviceAccount: "azure",
        annotations: { ...injected, "sidegate.dev/client": "AzureOpenAI" },
        env: { OPENAI_API_VERSION: "2024-10-21" }, // the application's to choose
      }),
    ]);
    await waitFor("deployment/azure", "condition=Available", namespace);
    const [azure] = await podsOf("app=azure", namespace);
    const text = await runInApp<string>(
      { namespace, pod: azure?.metadata.name ?? "" },
      `import { AzureOpenAI } from "openai";
       const answer = await new AzureOpenAI().chat.completions.create({ model: "gpt-4o", messages: [{ role: "user", content: "Hello." }] });
       done(answer.choices[0].message.content);`,
    );
    expect(text).not.toBe("");
  });
});

describe("the quota", () => {
  test("shows what is used, then refuses with the SDK's RateLimitError", async () => {
    const before = Number((await columns("aiquotas"))["USED"]);
    const { answered, refused } = await inApp<{
      answered: number;
      refused: { name: string; status: number; code: string; after: string; isRateLimit: boolean };
    }>(`
      let answered = 0, refused;
      while (!refused && answered < ${requestsMax}) {
        try {
          await client.chat.completions.create({ model: "gpt-4o", messages: [{ role: "user", content: "Number " + answered }] }, { maxRetries: 0 });
          answered += 1;
        } catch (fault) {
          refused = { name: fault.constructor.name, status: fault.status, code: fault.code,
            after: fault.headers.get("retry-after"), isRateLimit: fault instanceof OpenAI.RateLimitError };
        }
      }
      done({ answered, refused });`);
    expect(refused).toMatchObject({ isRateLimit: true, status: 429, code: "rate_limit_exceeded" });
    expect(Number(refused.after)).toBeGreaterThan(0);
    const used = await until("the status shows more use", async () => {
      const shown = Number((await columns("aiquotas"))["USED"]);
      return shown > before && shown;
    });
    say(`quota: ${answered} answered before 429; kubectl showed ${before} used before, ${used} after`);
    expect(used).toBeLessThanOrEqual(requestsMax);
  });

  test("and the route stand in kubectl get as in force", async () => {
    const route = await until("the route is programmed", async () => {
      const row = await columns("airoutes/support");
      return row["PROGRAMMED"] === "True" && row;
    });
    expect(route).toMatchObject({ NAME: "support", SERVICEACCOUNT: "default", ACCEPTED: "True" });
    expect(route["CURRENT"]).toBe(route["SIDECARS"]);
    expect(await columns("aiquotas")).toMatchObject({ LIMIT: "rpm", TARGET: "support", ACCEPTED: "True" });
    const both = await kubectl(["get", "air,aiq", "-n", namespace]);
    expect(both).toContain("airoute.sidegate.dev/support");
    expect(both).toContain("aiquota.sidegate.dev/per-minute");
  });
});
