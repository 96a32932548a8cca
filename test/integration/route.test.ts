import { afterEach, describe, expect, test } from "vitest";
import { chat, send, until } from "../fixtures/calls.ts";
import { openRoute, startTestGateway, type TestGateway } from "../fixtures/sidecar.ts";

let gateway: TestGateway;
afterEach(() => gateway.close());
const ask = (body: unknown, path = "/v1/chat/completions") => send(gateway.url + path, { body });
const start = (rule: string) => startTestGateway({ yaml: (url) => openRoute(url, { rule }) });
const sent = (i = 0) => JSON.parse(gateway.provider.requests[i]?.body.toString() ?? "{}");

describe("what a rule makes of a request", () => {
  test("defaults fill in, overrides win, what the client sent else stays", async () => {
    gateway = await start("request: {defaults: {temperature: 0.5, top_p: 0.9}, overrides: {store: false, seed: 7}}");
    await ask(chat("hi", { temperature: 1, seed: 1 }));
    expect(sent()).toMatchObject({
      temperature: 1,
      top_p: 0.9,
      store: false,
      seed: 7,
      messages: [{ role: "user", content: "hi" }],
    });
  });

  test("a system prompt comes first in a chat, and before the instructions of a response", async () => {
    gateway = await start('request: {systemPrompt: "Be \\"brief\\"."}');
    await ask(chat("hi"));
    expect(sent().messages).toEqual([
      { role: "system", content: 'Be "brief".' },
      { role: "user", content: "hi" },
    ]);
    await ask({ model: "gpt-4o", input: "hi", instructions: "Rhyme." }, "/v1/responses");
    expect(sent(1).instructions).toBe('Be "brief".\n\nRhyme.');
    const list = await ask({ model: "gpt-4o", input: "hi", instructions: ["Rhyme."] }, "/v1/responses");
    expect(list.json.error).toMatchObject({ code: "invalid_type", param: "instructions" });
  });

  test("a system prompt comes before the rule's own instructions, where it sets them", async () => {
    const both = (how: string) => `request: {systemPrompt: Be brief., ${how}: {instructions: In verse.}}`;
    gateway = await start(both("overrides"));
    await ask({ model: "gpt-4o", input: "hi", instructions: "Be long." }, "/v1/responses");
    expect(sent().instructions).toBe("Be brief.\n\nIn verse.");
    gateway.reload(openRoute(gateway.provider.url, { rule: both("defaults") }));
    await ask({ model: "gpt-4o", input: "hi" }, "/v1/responses");
    expect(sent(1).instructions).toBe("Be brief.\n\nIn verse.");
  });

  test.each([
    [
      "messages",
      { messages: 1 },
      chat("x", {
        messages: [
          { role: "user", content: "a" },
          { role: "user", content: "b" },
        ],
      }),
      "too_many_messages",
    ],
    ["inputTokens", { inputTokens: 5 }, chat("a long question, much longer than five tokens"), "input_too_long"],
    ["outputTokens", { outputTokens: 10 }, chat("x", { max_tokens: 11 }), "output_over_limit"],
    ["choices", { choices: 2 }, chat("x", { n: 3 }), "too_many_choices"],
    ["jsonBytes", { jsonBytes: "1Ki" }, chat("x".repeat(1100)), "json_too_large"],
  ])("limits.%s refuses what is over it, before anything is sent", async (_name, limits, body, code) => {
    gateway = await start(`request: {limits: ${JSON.stringify(limits)}}`);
    const answer = await ask(body);
    expect(answer.json.error?.code).toBe(code);
    expect(answer.headers.get("x-should-retry")).toBe("false");
    expect(gateway.provider.requests).toHaveLength(0);
  });

  test("limits.outputTokens is asked for where the client names no maximum", async () => {
    gateway = await start("request: {limits: {outputTokens: 10}}");
    await ask(chat("x"));
    expect(sent().max_completion_tokens).toBe(10);
  });
});

describe("targets", () => {
  const two =
    (refs: string, rule = "") =>
    (url: string) =>
      openRoute(url, {
        rule,
        backendRefs: refs,
        backends: `- {name: a, type: OpenAI, endpoint: "${url}/v1", credentials: [{type: Secret, secretRef: {name: keys, key: main}}]}
    - {name: b, type: OpenAI, endpoint: "${url}/v1", credentials: [{type: Secret, secretRef: {name: keys, key: second}}]}
    - {name: dead, type: OpenAICompatible, endpoint: "http://127.0.0.1:9"}`,
      });
  const keys = () => gateway.provider.requests.map((r) => r.headers.authorization);

  test.each([429, 503])("a %i before the first byte goes to the next priority, once", async (status) => {
    gateway = await startTestGateway({ yaml: two("[{name: a, priority: 0}, {name: b, priority: 1}]") });
    gateway.provider.script({ status });
    const answer = await ask(chat("x"));
    expect(answer.status).toBe(200);
    expect(answer.headers.get("x-sidegate-backend")).toBe("b");
    expect(keys()).toEqual(["Bearer sk-main-key", "Bearer sk-second-key"]);
  });

  test("a backend that asked for a rest is passed over while another one is left", async () => {
    gateway = await startTestGateway({ yaml: two("[{name: a, priority: 0}, {name: b, priority: 1}]") });
    gateway.provider.script({ status: 429, "retry-after": "30" });
    await ask(chat("x"));
    await ask(chat("y"));
    expect(keys()).toEqual(["Bearer sk-main-key", "Bearer sk-second-key", "Bearer sk-second-key"]);
  });

  test("a backend that cannot be reached is failed over, a 500 and a 400 are not", async () => {
    gateway = await startTestGateway({ yaml: two("[{name: dead, priority: 0}, {name: b, priority: 1}]") });
    expect((await ask(chat("x"))).headers.get("x-sidegate-backend")).toBe("b");
    gateway.provider.script({ status: 500 });
    expect((await ask(chat("x"))).status).toBe(500);
  });

  test("retry 0 tries nobody else, and the provider's own 429 comes back", async () => {
    gateway = await startTestGateway({
      yaml: two("[{name: a, priority: 0}, {name: b, priority: 1}]", "retry: {attempts: 0}"),
    });
    gateway.provider.script({ status: 429 });
    expect((await ask(chat("x"))).status).toBe(429);
    expect(gateway.provider.requests).toHaveLength(1);
  });

  test("a backend's own name of the model stands in what came as JSON where a form may come, too", async () => {
    gateway = await startTestGateway({ yaml: two("[{name: a, model: gpt-image-1-mini}]") });
    const edit = { model: "gpt-image-1", prompt: "a cat", images: [{ file_id: "file-1" }] };
    await ask(edit, "/v1/images/edits");
    expect(sent()).toEqual({ ...edit, model: "gpt-image-1-mini" });
  });

  test("weights share within a priority; 0 is never asked", async () => {
    gateway = await startTestGateway({ yaml: two("[{name: a, weight: 0}, {name: b, weight: 1}]") });
    for (let i = 0; i < 5; i++) await ask(chat(`${i}`));
    expect(new Set(keys())).toEqual(new Set(["Bearer sk-second-key"]));
  });
});

describe("a config in force", () => {
  test("is swapped without touching a running stream", async () => {
    gateway = await startTestGateway();
    const running = ask(chat("x", { stream: true, user: "fake:chunks=10;every=20" }));
    await until("it runs", () => gateway.provider.openRequests === 1);
    gateway.reload(openRoute(gateway.provider.url).replace(/endpoints: \[[^\]]*\]/, "models: [{value: other}]"));
    expect((await ask(chat("y"))).status).toBe(403);
    expect((await running).text).toMatch(/\[DONE\]\n\n$/);
  });

  test("that was refused is named in /status, the last good one serves on", async () => {
    gateway = await startTestGateway();
    gateway.sidecar.reloadFailed("route.rules[0]: broken");
    expect((await ask(chat("y"))).status).toBe(200);
    const status = await send(`${gateway.sidecar.adminUrl}/status`);
    expect(status.text).toContain("route.rules[0]: broken");
    expect(status.text).not.toContain("sk-main");
    expect((await send(`${gateway.sidecar.adminUrl}/metrics`)).text).toContain(
      "sidegate_config_reload_failures_total 1",
    );
  });

  test("without a route refuses everything and says why", async () => {
    gateway = await startTestGateway();
    const { config } = gateway.sidecar.gateway.snapshot;
    gateway.sidecar.reload({ ...config, route: undefined, quotas: [] }, "sha256:none");
    const answer = await ask(chat("y"));
    expect(answer.status).toBe(503);
    expect(answer.json.error?.code).toBe("no_route");
  });
});
