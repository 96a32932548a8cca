import OpenAI, { AzureOpenAI } from "openai";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { FakeProvider } from "./provider.ts";
import { startFakeProvider } from "./provider.ts";

const collected = async <T>(source: AsyncIterable<T>): Promise<T[]> => {
  const items: T[] = [];
  for await (const item of source) items.push(item);
  return items;
};

let provider: FakeProvider;
let azure: AzureOpenAI;
const azureWith = (apiVersion: string, apiKey = "azure-key") =>
  new AzureOpenAI({ endpoint: provider.url, apiKey, apiVersion, maxRetries: 0 });

beforeAll(async () => {
  provider = await startFakeProvider();
  azure = azureWith("2024-10-21");
});
afterAll(() => provider.close());

const hello = { model: "chat-prod", messages: [{ role: "user" as const, content: "Say hello" }] };
const post = (path: string, headers: Record<string, string | undefined> = {}) =>
  fetch(provider.url + path, {
    method: "POST",
    headers: Object.entries({ "content-type": "application/json", "api-key": "k", ...headers }).map(([name, value]) => [
      name,
      value ?? "",
    ]),
    body: JSON.stringify({ messages: hello.messages }),
  });

describe("deployments", () => {
  test("an answer names the model behind the deployment and carries filter results", async () => {
    const { data, response } = await azure.chat.completions.create(hello).withResponse();
    expect(data.model).toBe("gpt-4o-2024-11-20");
    expect(data.choices[0]).toHaveProperty("content_filter_results.hate.filtered", false);
    expect(data).toHaveProperty("prompt_filter_results");
    expect(response.headers.get("apim-request-id")).toMatch(/^[0-9a-f]{8}-/);
    expect(response.headers.get("x-ms-region")).toBe("East US");
  });

  test("a stream begins with an empty chunk of prompt filter results", async () => {
    const chunks = await collected(await azure.chat.completions.create({ ...hello, stream: true }));
    expect(chunks[0]).toMatchObject({ id: "", object: "", model: "", choices: [] });
    expect(chunks[0]).toHaveProperty("prompt_filter_results");
    expect(chunks[2]?.choices[0]).toHaveProperty("content_filter_results.violence");
    expect(chunks).toHaveLength(11);
  });

  test("asyncfilter puts a filter frame without delta after the finish reason", async () => {
    const stream = await azure.chat.completions.create({ ...hello, stream: true, user: "fake:asyncfilter=1" });
    const late = (await collected(stream)).at(-1);
    expect(late).toMatchObject({ id: "", choices: [{ finish_reason: null, content_filter_offsets: {} }] });
    expect(late?.choices[0]).not.toHaveProperty("delta");
  });

  test.each([
    { version: "2024-06-01", isRefused: true },
    { version: "2024-08-01-preview", isRefused: true },
    { version: "2024-09-01-preview", isRefused: false },
    { version: "2024-10-21", isRefused: false },
  ])("api-version $version knows stream_options: not $isRefused", async ({ version, isRefused }) => {
    const body = { ...hello, stream: true as const, stream_options: { include_usage: true } };
    const asked = azureWith(version).chat.completions.create(body);
    if (isRefused) await expect(asked).rejects.toBeInstanceOf(OpenAI.BadRequestError);
    else expect((await collected(await asked)).at(-1)?.usage?.completion_tokens).toBe(8);
  });
});

describe("errors have Azure's shape", () => {
  test.each([
    {
      name: "no api-version",
      path: "/openai/deployments/d/chat/completions",
      headers: { accept: "*/*" },
      status: 404,
      code: "404",
    },
    {
      name: "a wrong key",
      path: "/openai/deployments/d/chat/completions?api-version=2024-10-21",
      headers: { "api-key": "bad-key" },
      status: 401,
      code: "401",
    },
    {
      name: "a missing deployment",
      path: "/openai/deployments/missing/chat/completions?api-version=2024-10-21",
      headers: { accept: "*/*" },
      status: 404,
      code: "DeploymentNotFound",
    },
    {
      name: "throttling",
      path: "/openai/deployments/d/chat/completions?api-version=2024-10-21",
      headers: { "x-fake": "status=429" },
      status: 429,
      code: "429",
    },
  ])("$name", async ({ path, headers, status, code }) => {
    const answer = await post(path, { ...headers });
    expect(answer.status).toBe(status);
    const { error } = (await answer.json()) as { error: { code: string } }; // a test reads what it expects
    expect(error.code).toBe(code);
    expect(Object.keys(error).sort()).toEqual(["code", "message"]);
    if (status === 429) expect(answer.headers.get("retry-after-ms")).toBe("1000");
  });

  test("a filtered prompt is a 400 with an inner error", async () => {
    await expect(azure.chat.completions.create({ ...hello, user: "fake:code=content_filter" })).rejects.toMatchObject({
      status: 400,
      code: "content_filter",
      error: { innererror: { code: "ResponsibleAIPolicyViolation" } },
    });
  });
});

describe("the other paths", () => {
  test("the v1 path takes the plain client, its key as Bearer, and no api-version", async () => {
    const plain = new OpenAI({ apiKey: "azure-key", baseURL: `${provider.url}/openai/v1`, maxRetries: 0 });
    const answer = await plain.chat.completions.create(hello);
    expect(answer).toHaveProperty("prompt_filter_results");
    expect((await plain.responses.create({ model: "gpt-4o", input: "hi" })).output_text).toBeTruthy();
  });

  test("dated responses, models and files live outside deployments", async () => {
    expect((await azure.responses.create({ model: "gpt-4o", input: "hi" })).output_text).toBeTruthy();
    expect((await azure.models.list()).data[0]).toHaveProperty("lifecycle_status");
    expect((await azure.files.list()).data).toEqual([]);
  });

  test("embeddings and images of a deployment answer", async () => {
    const embedded = await azure.embeddings.create({ model: "my-embeddings", input: "hi" });
    expect(embedded.model).toBe("text-embedding-3-small");
    expect((await azure.images.generate({ model: "gpt-image-1", prompt: "a cat" })).data).toHaveLength(1);
  });

  test("a deployment path below /v1 is Azure's too", async () => {
    const answer = await post("/v1/deployments/d/chat/completions?api-version=2024-10-21");
    expect(await answer.json()).toHaveProperty("prompt_filter_results");
  });
});
