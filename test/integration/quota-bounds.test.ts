// What a limit counts is held whole before the call, or the call is refused: through a whole sidecar.
import { afterEach, describe, expect, test } from "vitest";
import { chat, send, until } from "../fixtures/calls.ts";
import { openRoute, quotaYaml, startTestGateway, type TestGateway } from "../fixtures/sidecar.ts";

let gateway: TestGateway;
afterEach(() => gateway.close());
const perDay = "window: {type: Fixed, duration: 24h}";
const day = { type: "Fixed", durationMs: 86_400_000 } as const;
const tokens = (limit: number, resource = "TotalTokens", more = "") =>
  `{name: t, resource: ${resource}, limit: ${limit}, ${perDay}${more}}`;
const cost = (more = "") => `{name: usd, resource: Cost, limit: "50.00", currency: USD, ${perDay}${more}}`;
const start = async (limits: string[], more: { extra?: string; quota?: string; rule?: string } = {}): Promise<void> => {
  const { extra = "", quota = "", rule = "" } = more;
  const yaml = (url: string) => openRoute(url, { extra, rule, quotas: quotaYaml(limits, { extra: quota }) });
  gateway = await startTestGateway({ yaml });
};
const ask = (path: string, body: unknown) => send(`${gateway.url}/v1/${path}`, { body });
const used = (limit: string) => gateway.stores.quota.peek("default", `default/q/${limit}/all`, day);
const left = ({ headers }: { headers: Headers }) => Number(headers.get("x-ratelimit-remaining-tokens"));
const followUp = (more: object = {}) => ({ model: "gpt-4o", input: "and?", previous_response_id: "resp_1", ...more });
const described = "models: [{name: llama, inputTokensMax: 8000, outputTokensMax: 1000}]";

describe("what a request only names", () => {
  test("is held as the model's whole window", async () => {
    await start([tokens(1_000_000)]);
    const answer = await ask("responses", followUp({ max_output_tokens: 50 }));
    expect(left(answer)).toBeLessThanOrEqual(1_000_000 - 128_000 - 50);
    expect(left(answer)).toBeGreaterThan(1_000_000 - 130_000);
  });

  test("is refused where the window is not known, with the remedy; and the remedy helps", async () => {
    await start([tokens(1_000_000)]);
    const refused = await ask("responses", followUp({ model: "llama" }));
    expect([refused.status, refused.json.error?.code]).toEqual([403, "usage_unbounded"]);
    expect(refused.json.error?.message).toBe(
      "Nobody can say beforehand what this request may use, because of previous_response_id, and quota default/q, limit t, counts that: set spec.models[].inputTokensMax of the AIRoute, which is then held.",
    );
    expect(refused.headers.get("x-should-retry")).toBe("false");
    expect(gateway.provider.requests).toHaveLength(0);
    expect(await used("t")).toBe(0);
    gateway.reload(openRoute(gateway.provider.url, { extra: described, quotas: quotaYaml([tokens(1_000_000)]) }));
    const held = await ask("responses", followUp({ model: "llama", max_output_tokens: 50 }));
    expect(left(held)).toBe(1_000_000 - 8000 - 50);
  });

  test.each([
    ["a limit on requests", tokens(5, "Requests"), ""],
    ["a limit on output", tokens(100_000, "OutputTokens"), ""],
    ["a limit on other models", tokens(100_000, "TotalTokens", ", models: [gpt-4o]"), ""],
    ["a quota in mode Audit", tokens(1, "TotalTokens"), "mode: Audit"],
  ])("is no matter for %s", async (_, limit, quota) => {
    await start([limit], { quota });
    expect((await ask("responses", followUp({ model: "llama" }))).json.error?.code).not.toBe("usage_unbounded");
    expect(gateway.provider.requests).toHaveLength(1);
  });
});

describe("tools that the provider runs", () => {
  const search = (more: object = {}) => ({ model: "gpt-4o", input: "?", tools: [{ type: "web_search" }], ...more });
  test("are bounded by the number of their calls, each with a whole window", async () => {
    await start([tokens(1_000_000)]);
    expect((await ask("responses", search())).json.error?.message).toContain("the tool web_search");
    const held = await ask("responses", search({ max_tool_calls: 2, max_output_tokens: 50 }));
    expect(left(held)).toBe(1_000_000 - 3 * 128_000 - 50);
    const other = await ask("responses", search({ tools: [{ type: "mcp" }], max_tool_calls: 2 }));
    expect(other.json.error?.code).toBe("usage_unbounded");
  });

  test("have no bound where they may be called more often than a counter can hold", async () => {
    await start([tokens(1_000_000), cost()]);
    for (const calls of [1e12, Number.MAX_SAFE_INTEGER]) {
      const { status, json } = await ask("responses", search({ max_tool_calls: calls }));
      expect([calls, status, json.error?.code]).toEqual([calls, 403, "usage_unbounded"]);
    }
  });

  test("cannot be bounded in a prompt template, which may hold those of other servers", async () => {
    await start([tokens(1_000_000)]);
    const refused = await ask("responses", { model: "gpt-4o", prompt: { id: "pmpt_1" }, max_tool_calls: 2 });
    expect(refused.json.error?.message).toContain("a prompt template");
  });

  const brought = (type: string) => [{ type: "additional_tools", role: "developer", tools: [{ type }] }];
  test("are bounded like that where they stand in the input, too", async () => {
    await start([tokens(1_000_000)]);
    const held = await ask("responses", { ...search({ input: brought("web_search") }), tools: [], max_tool_calls: 1 });
    expect(left(held)).toBeLessThanOrEqual(1_000_000 - 2 * 128_000);
    const other = await ask("responses", search({ input: brought("mcp"), max_tool_calls: 1 }));
    expect(other.json.error?.message).toContain("the tool mcp");
  });

  test("are those that the rule sends: what it replaces is no matter, what it adds is", async () => {
    const overrides = (tools: string) => `request: {overrides: {service_tier: default, tools: ${tools}}}`;
    await start([cost()], { rule: overrides("[]") });
    await ask("responses", search({ service_tier: "priority" }));
    expect(JSON.parse(gateway.provider.requests[0]?.body.toString() ?? "")).toMatchObject({
      tools: [],
      service_tier: "default",
    });
    const quotas = quotaYaml([tokens(1_000_000)]);
    gateway.reload(openRoute(gateway.provider.url, { quotas, rule: overrides("[{type: mcp}]") }));
    const other = await ask("responses", search({ max_tool_calls: 1 }));
    expect(other.json.error?.message).toContain("the tool mcp");
    gateway.reload(openRoute(gateway.provider.url, { quotas, rule: "request: {defaults: {tools: [{type: mcp}]}}" }));
    const both = await ask("responses", search({ input: brought("web_search"), tools: undefined, max_tool_calls: 1 }));
    expect(both.json.error?.message).toContain("the tool mcp");
  });

  test("cost fees, which no Cost limit can count", async () => {
    await start([cost()]);
    expect((await ask("responses", search({ max_tool_calls: 2 }))).json.error?.code).toBe("usage_unbounded");
    const input = brought("web_search");
    expect((await ask("responses", { model: "gpt-4o", input })).json.error?.code).toBe("usage_unbounded");
    const chatSearch = await ask("chat/completions", chat("?", { web_search_options: {} }));
    expect(chatSearch.json.error?.message).toContain("web_search_options");
    const dear = await ask("chat/completions", chat("?", { service_tier: "priority" }));
    expect(dear.json.error?.message).toContain("service_tier");
    expect((await ask("chat/completions", chat("?", { service_tier: "flex" }))).status).toBe(200);
    expect(gateway.provider.requests).toHaveLength(1);
  });
});

describe("work that costs later", () => {
  const batch = { input_file_id: "file-1", endpoint: "/v1/chat/completions", completion_window: "24h" };
  test.each([
    ["batches", batch, cost()],
    ["batches", batch, tokens(1_000_000, "OutputTokens", ", models: [gpt-4o]")],
    ["fine_tuning/jobs", { model: "gpt-4o", training_file: "file-1" }, tokens(1_000_000)],
    ["vector_stores", {}, cost()],
  ])("is refused under a limit that would have to count it: POST /%s", async (path, body, limit) => {
    await start([limit]);
    const refused = await ask(path, body);
    expect([refused.status, refused.json.error?.code]).toEqual([403, "usage_unbounded"]);
    expect(gateway.provider.requests).toHaveLength(0);
  });

  test.each([
    ["batches", batch, cost(", endpoints: [ChatCompletions]")],
    ["vector_stores", {}, tokens(1_000_000)],
  ])("passes where no limit counts it: POST /%s", async (path, body, limit) => {
    await start([limit]);
    await ask(path, body);
    expect(gateway.provider.requests).toHaveLength(1);
  });
});

describe("the hold", () => {
  test("covers the larger of two maxima: servers differ in which they read", async () => {
    await start([tokens(100, "OutputTokens")]);
    const both = await ask("chat/completions", chat("?", { max_completion_tokens: 1, max_tokens: 500 }));
    expect(both.json.error?.code).toBe("request_too_large_for_limit");
  });

  test("covers what the rule adds", async () => {
    await start([tokens(1500, "InputTokens")], { rule: `request: {overrides: {instructions: "${"x".repeat(2000)}"}}` });
    expect((await ask("responses", { model: "gpt-4o", input: "?" })).status).toBe(429);
  });

  test("covers a rejected prediction, which no maximum keeps down", async () => {
    await start([tokens(1000, "OutputTokens")]);
    const prediction = { type: "content", content: "x".repeat(1000) };
    expect((await ask("chat/completions", chat("?", { prediction, max_tokens: 5 }))).status).toBe(429);
    expect((await ask("chat/completions", chat("?", { max_tokens: 5 }))).status).toBe(200);
  });

  test("covers each image of an edit", async () => {
    await start([tokens(50_000, "OutputTokens")]);
    const edit = (n: string) => {
      const form = new FormData();
      for (const [name, value] of Object.entries({ model: "gpt-image-1", prompt: "a cat", n }))
        form.append(name, value);
      form.append("image", new Blob(["png"]), "a.png");
      return ask("images/edits", form);
    };
    expect((await edit("4")).status).toBe(429);
    expect((await edit("many")).json.error).toMatchObject({ code: "invalid_type", param: "n" });
    expect((await edit("1")).status).not.toBe(429);
  });

  test("covers each image of an edit that came as JSON, too", async () => {
    await start([tokens(50_000, "OutputTokens")], { rule: "request: {limits: {choices: 5}}" });
    const edit = (n: unknown) =>
      ask("images/edits", { model: "gpt-image-1", prompt: "a cat", images: [{ file_id: "file-1" }], n });
    expect((await edit(6)).json.error?.code).toBe("too_many_choices");
    expect((await edit(4)).status).toBe(429);
    expect((await edit("1")).json.error).toMatchObject({ code: "invalid_type", param: "n" });
    expect((await edit(1)).status).toBe(200);
  });

  test("Requested is the model's maximum, which is sent along: no figure is merely believed", async () => {
    await start([tokens(20_000, "OutputTokens")], { quota: "reservation: {output: Requested}" });
    const answer = await ask("chat/completions", chat("?"));
    expect(left(answer)).toBe(20_000 - 16_384);
    expect(JSON.parse(gateway.provider.requests[0]?.body.toString() ?? "")).toMatchObject({
      max_completion_tokens: 16_384,
    });
    const again = await ask("chat/completions", chat("?"));
    expect(again.status).toBe(200); // the first was settled
  });
});

test("audio that is billed by the second counts ten tokens for each", async () => {
  await start([tokens(1_000_000)]);
  const form = new FormData();
  form.append("model", "whisper-1");
  form.append("file", new Blob([Buffer.alloc(32_000)]), "a.wav");
  const answer = await ask("audio/transcriptions", form);
  const { seconds } = answer.json["usage"] as { seconds: number };
  expect(seconds).toBeGreaterThan(0);
  await until("settled", async () => (await used("t")) === seconds * 10);
});

test("what is sold by the piece, the character or the minute is charged so, with the prices that the documentation gives", async () => {
  const models = [
    '{name: dall-e-3, pricing: {inputPerMTok: "0", outputPerMTok: "40000"}, outputTokensMax: 1}',
    '{name: tts-1, pricing: {inputPerMTok: "15", outputPerMTok: "0"}}',
    '{name: whisper-1, pricing: {inputPerMTok: "10", outputPerMTok: "0"}}',
  ];
  await start([cost()], { extra: `models: [${models.join(", ")}]` });
  const charged = async (what: string, least: number, most = least): Promise<void> => {
    const sum = total;
    const isSettled = async () => (await gateway.stores.quota.liveHolds("default")) === 0;
    await until(what, isSettled);
    total = await used("usd");
    expect(total - sum, what).toBeGreaterThanOrEqual(least);
    expect(total - sum, what).toBeLessThanOrEqual(most);
  };
  let total = 0;
  await ask("images/generations", { model: "dall-e-3", prompt: "a cat", n: 2 });
  await charged("two images", 2 * 40_000_000);
  const input = "x".repeat(1000);
  expect((await ask("audio/speech", { model: "tts-1", input, voice: "alloy" })).status).toBe(200);
  await charged("a thousand characters", 15_000_000, 15_000_000 * 1.05);
  const form = new FormData();
  form.append("model", "whisper-1");
  form.append("file", new Blob([Buffer.alloc(32_000)]), "a.wav");
  const { seconds } = (await ask("audio/transcriptions", form)).json["usage"] as { seconds: number };
  await charged("seconds", seconds * 100_000);
});

test("P99 holds as Cap until it has learnt, then what outputs were, and charges the truth", async () => {
  await start([tokens(1_000_000, "OutputTokens")], { quota: "reservation: {output: P99}" });
  const first = await ask("chat/completions", chat("?"));
  expect(left(first)).toBe(1_000_000 - 16_384);
  const { completion_tokens: output } = first.json["usage"] as { completion_tokens: number };
  for (let i = 1; i < 200; i++) await ask("chat/completions", chat("?"));
  await until("settled", async () => (await used("t")) === 200 * output);
  const learnt = await ask("chat/completions", chat("?", { n: 2 }));
  const held = 1_000_000 - 200 * output - left(learnt);
  expect(held).toBeGreaterThanOrEqual(2 * output);
  expect(held).toBeLessThanOrEqual(2 * Math.ceil(output * 1.19 + 1));
  const sent = gateway.provider.requests.map(({ body }) => JSON.parse(body.toString()).max_completion_tokens);
  expect(new Set(sent)).toEqual(new Set([16_384])); // what may pass the limit is bounded all the same
  const usage = learnt.json["usage"] as { completion_tokens: number };
  await until("settled", async () => (await used("t")) === 200 * output + usage.completion_tokens);
});

test("x-ratelimit headers are of our counters, of the limit with least left; the provider's do not stand beside them", async () => {
  await start([
    `{name: rpm, resource: Requests, limit: 2, window: {type: Fixed, duration: 1h}}`,
    `{name: rpd, resource: Requests, limit: 9, ${perDay}}`,
  ]);
  const { headers } = await ask("chat/completions", chat("?"));
  expect([headers.get("x-ratelimit-limit-requests"), headers.get("x-ratelimit-remaining-requests")]).toEqual([
    "2",
    "1",
  ]);
  expect(headers.get("x-ratelimit-reset-requests")).toMatch(/^(1h0m0s|([0-9]+m)?[0-9]+s|[0-9]+ms)$/);
  expect(headers.get("x-ratelimit-remaining-tokens")).toBe("1999984"); // the provider's: we count none
  await ask("chat/completions", chat("?"));
  const refused = await ask("chat/completions", chat("?"));
  expect(refused.status).toBe(429);
  expect(refused.headers.get("x-ratelimit-remaining-requests")).toBe("0");
  expect(refused.headers.get("ratelimit")).toMatch(/^"q\/rpm";r=0;t=[0-9]+, "q\/rpd";r=7;t=[0-9]+$/);
  expect(refused.json.error?.message).toMatch(
    /^(Budget spent|Rate limit reached): quota default\/q, limit rpm \(2 requests per 3600 s\) for .+; used 2 requests, this request needs at least 1 requests; resets in [0-9]+ s\.$/,
  );
});

test.each(["constructor", "__proto__", "toString"])(
  "a model of the name %s is one that nobody has described",
  async (model) => {
    await start([tokens(1_000_000)]);
    const held = await ask("chat/completions", { ...chat("?"), model, max_tokens: 10 });
    expect(held.status).toBe(200);
    expect(left(held)).toBeGreaterThan(999_000);
  },
);
