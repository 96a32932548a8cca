import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { chat, send, until } from "../fixtures/calls.ts";
import { openRoute, startTestGateway, type TestGateway } from "../fixtures/sidecar.ts";

describe("a chat request through the sidecar", () => {
  let gateway: TestGateway;
  beforeEach(async () => {
    gateway = await startTestGateway();
  });
  afterEach(() => gateway.close());
  const chatUrl = (): string => `${gateway.url}/v1/chat/completions`;

  test("reaches the provider as the bytes that came", async () => {
    const body =
      '{ "model": "gpt-4o",\t"messages": [{"role":"user","content":"h\\u0069 \\ud83d\\ude00"}], "x_new": 12345678901234567890, "x_more": 1.0 }';
    await send(chatUrl(), { body }); // whether the provider knows x_new is the provider's to say
    expect(gateway.provider.requests[0]?.body.toString()).toBe(body);
  });

  test("is answered with the provider's bytes and headers, and ours", async () => {
    const answer = await send(chatUrl(), { body: chat("hello") });
    expect(answer.json.object).toBe("chat.completion");
    expect(answer.headers.get("x-request-id")).toMatch(/^req_/);
    expect(answer.headers.get("openai-version")).toBe("2020-10-01");
    expect(answer.headers.get("x-sidegate-request-id")).toMatch(/^sg-/);
    expect(answer.headers.get("x-sidegate-route")).toBe("default/test");
    expect(answer.headers.get("x-sidegate-backend")).toBe("main");
    expect(answer.headers.get("x-sidegate-policy")).toBeTruthy();
  });

  test("carries the route's credential and none of the client's", async () => {
    await send(chatUrl(), {
      body: chat("hello"),
      headers: {
        authorization: "Bearer mine",
        "api-key": "mine",
        cookie: "a=b",
        "openai-organization": "org-mine",
        "x-sidegate-route": "x",
        "x-forwarded-for": "1.2.3.4",
        "x-stainless-lang": "js",
      },
    });
    const headers = gateway.provider.requests[0]?.headers ?? {};
    expect(headers.authorization).toBe("Bearer sk-main-key");
    expect(headers["x-stainless-lang"]).toBe("js");
    expect(headers["accept-encoding"]).toBe("identity");
    for (const name of ["api-key", "cookie", "openai-organization", "x-sidegate-route", "x-forwarded-for"])
      expect(headers[name]).toBeUndefined();
  });

  test("that streams asks for usage, and the client that did not gets no usage frame", async () => {
    const answer = await send(chatUrl(), { body: chat("hello", { stream: true }) });
    expect(answer.headers.get("content-type")).toContain("text/event-stream");
    expect(JSON.parse(gateway.provider.requests[0]?.body.toString() ?? "").stream_options).toEqual({
      include_usage: true,
    });
    expect(answer.text).toMatch(/data: \[DONE\]\n\n$/);
    expect(answer.text).not.toContain('"choices":[]');
    await until("settled", () => gateway.audit.records.some((r) => r.record === "outcome"));
    expect(gateway.audit.records.at(-1)).toMatchObject({
      outcome: "completed",
      usage: { inputTokens: expect.any(Number) },
    });
  });

  test("that asks for usage itself gets the frame", async () => {
    const answer = await send(chatUrl(), {
      body: chat("hello", { stream: true, stream_options: { include_usage: true } }),
    });
    expect(answer.text).toContain('"choices":[]');
  });

  test("leaves an intent before and an outcome after, without a word of the prompt", async () => {
    await send(chatUrl(), { body: chat("the secret of the canary") });
    await until("outcome", () => gateway.audit.records.length === 2);
    expect(gateway.audit.records.map((r) => r.record)).toEqual(["intent", "outcome"]);
    expect(gateway.audit.records[0]?.id).toBe(gateway.audit.records[1]?.id);
    expect(JSON.stringify(gateway.audit.records) + gateway.logLines.join("")).not.toMatch(/canary|sk-main/);
  });

  test("that the provider refuses comes back as the provider said it", async () => {
    const answer = await send(chatUrl(), { body: chat("hi", { user: "fake:status=400" }) });
    expect(answer.status).toBe(400);
    expect(answer.json.error?.type).toBe("invalid_request_error");
  });
});

describe("what is open", () => {
  let gateway: TestGateway;
  afterEach(() => gateway.close());

  test("a model that no rule matches is refused before anything is sent", async () => {
    gateway = await startTestGateway({
      yaml: (url) => openRoute(url).replace("- endpoints: [", "- models: [{value: gpt-4o}]\n          endpoints: ["),
    });
    const answer = await send(`${gateway.url}/v1/chat/completions`, { body: chat("x", { model: "gpt-9" }) });
    expect(answer.status).toBe(403);
    expect(answer.json.error).toMatchObject({ code: "model_not_allowed", param: "model" });
    expect(gateway.provider.requests).toHaveLength(0);
  });

  test("endpoints beyond inference need a rule that names them", async () => {
    gateway = await startTestGateway({
      yaml: (url) => openRoute(url).replace(/endpoints: \[[^\]]*\]/, "models: [{value: gpt-4o}]"),
    });
    const files = await send(`${gateway.url}/v1/files`);
    expect(files.status).toBe(403);
    expect(files.json.error?.message).toContain("name Files in rules[].matches[].endpoints");
    const background = await send(`${gateway.url}/v1/responses`, {
      body: { model: "gpt-4o", input: "x", background: true },
    });
    expect(background.json.error?.code).toBe("endpoint_not_allowed");
    const state = await send(`${gateway.url}/v1/responses`, {
      body: { model: "gpt-4o", input: "x", previous_response_id: "resp_1" },
    });
    expect(state.json.error?.message).toContain("ResponsesState");
    expect(gateway.provider.requests).toHaveLength(0);
  });

  test("an unknown endpoint is a 404 that says so, a wrong method a 405 with Allow", async () => {
    gateway = await startTestGateway();
    expect((await send(`${gateway.url}/v1/nope`, { body: {} })).json.error?.code).toBe("unknown_endpoint");
    const wrong = await send(`${gateway.url}/v1/chat/completions`, { method: "DELETE" });
    expect(wrong.status).toBe(405);
    expect(wrong.headers.get("allow")).toBe("GET, POST");
  });

  test("the list of models is the route's own", async () => {
    gateway = await startTestGateway({
      yaml: (url) =>
        openRoute(url).replace(
          "- endpoints: [",
          "- models: [{value: gpt-4o}, {value: my-model}]\n          endpoints: [",
        ),
    });
    const list = await send(`${gateway.url}/v1/models`);
    expect((list.json.data as { id: string }[]).map((m) => m.id)).toEqual(["gpt-4o", "my-model"]);
    expect((await send(`${gateway.url}/v1/models/my-model`)).json.id).toBe("my-model");
    expect(gateway.provider.requests).toHaveLength(0);
  });
});

describe("Azure", () => {
  let gateway: TestGateway;
  afterEach(() => gateway.close());
  const azure = (apiVersion: string) => (url: string) =>
    openRoute(url, {
      backends: `- {name: main, type: AzureOpenAI, endpoint: "${url}", apiVersion: "${apiVersion}", credentials: [{type: Secret, secretRef: {name: keys, key: main}}]}`,
      backendRefs: "[{name: main, model: gpt4o-ptu}]",
    });

  test("v1 gets the deployment as model and the key as api-key", async () => {
    gateway = await startTestGateway({ yaml: azure("v1") });
    const answer = await send(`${gateway.url}/v1/chat/completions`, { body: chat("hi") });
    expect(answer.status).toBe(200);
    const sent = gateway.provider.requests[0];
    expect(sent?.path).toBe("/openai/v1/chat/completions");
    expect(sent?.headers["api-key"]).toBe("sk-main-key");
    expect(sent?.headers.authorization).toBeUndefined();
    expect(JSON.parse(sent?.body.toString() ?? "").model).toBe("gpt4o-ptu");
  });

  test("a dated version gets the deployment in the path and its own api-version", async () => {
    gateway = await startTestGateway({ yaml: azure("2024-10-21") });
    const answer = await send(`${gateway.url}/openai/deployments/gpt-4o/chat/completions?api-version=2023-05-15`, {
      body: { messages: [{ role: "user", content: "hi" }] },
    });
    expect(answer.status).toBe(200);
    expect(gateway.provider.requests[0]?.path).toBe(
      "/openai/deployments/gpt4o-ptu/chat/completions?api-version=2024-10-21",
    );
  });

  test("every URL shape of the SDKs means the same", async () => {
    gateway = await startTestGateway();
    for (const path of [
      "/v1/chat/completions",
      "/openai/v1/chat/completions",
      "/openai/deployments/gpt-4o/chat/completions?api-version=x",
      "/v1/deployments/gpt-4o/chat/completions?api-version=x",
    ]) {
      expect((await send(gateway.url + path, { body: chat("hi") })).status).toBe(200);
    }
    expect(
      (await send(`${gateway.url}/openai/responses?api-version=x`, { body: { model: "gpt-4o", input: "hi" } })).status,
    ).toBe(200);
    expect(gateway.provider.requests.map((r) => r.path)).toEqual([
      ...Array(4).fill("/v1/chat/completions"),
      "/v1/responses",
    ]);
  });
});
