// The maximum that is held reaches the provider by a name that it reads: through a whole sidecar.
import { afterEach, describe, expect, test } from "vitest";
import { chat, send } from "../fixtures/calls.ts";
import { openRoute, quotaYaml, startTestGateway, type TestGateway } from "../fixtures/sidecar.ts";

let gateway: TestGateway;
afterEach(() => gateway.close());
const limit = (resource: string, figure: number) => [
  `{name: t, resource: ${resource}, limit: ${figure}, window: {type: Fixed, duration: 24h}}`,
];
const output = limit("OutputTokens", 100_000);
const requests = limit("Requests", 5);
const start = async (type: string, limits: string[], rule = ""): Promise<void> => {
  const quotas = limits.length === 0 ? "" : quotaYaml(limits);
  const backends = (url: string) =>
    `- {name: main, type: ${type}, endpoint: "${url}/v1", credentials: [{type: Secret, secretRef: {name: keys, key: main}}]}`;
  gateway = await startTestGateway({ yaml: (url) => openRoute(url, { rule, quotas, backends: backends(url) }) });
};
const ask = (path: string, body: unknown) => send(`${gateway.url}/v1/${path}`, { body });
const sent = () => JSON.parse(gateway.provider.requests[0]?.body.toString() ?? "");

describe("a server that is compatible", () => {
  test("is told the maximum by the name that all such servers read, and by that alone", async () => {
    await start("OpenAICompatible", output);
    expect((await ask("chat/completions", chat("?", { max_completion_tokens: 10, max_tokens: null }))).status).toBe(
      200,
    );
    expect(sent()).toMatchObject({ max_tokens: 10 });
    expect(sent()).not.toHaveProperty("max_completion_tokens");
  });

  test("is told the 16 tokens that are held of a completion without a maximum", async () => {
    await start("OpenAICompatible", output);
    await ask("completions", { model: "gpt-3.5-turbo-instruct", prompt: "?" });
    expect(sent().max_tokens).toBe(16);
  });

  test.each([
    ["with a maximum of the rule's, too, quota or not", [], "request: {limits: {outputTokens: 20}}", 10],
    ["as the rule overrides it", output, "request: {overrides: {max_completion_tokens: 7}}", 7],
    ["as the rule names it itself", output, "request: {overrides: {max_tokens: 8, max_completion_tokens: null}}", 8],
    ["and one that the rule takes away does not count", output, "request: {overrides: {max_tokens: null}}", 10],
  ])("is told it %s", async (_, limits, rule, max) => {
    await start("OpenAICompatible", limits, rule);
    await ask("chat/completions", chat("?", { max_completion_tokens: 10 }));
    expect(sent().max_tokens).toBe(max);
  });

  test.each([
    ["a request that says it by that name", output, { max_tokens: 5 }],
    ["a request that nobody counts the output of", requests, { max_completion_tokens: 5 }],
  ])("gets as it came: %s", async (_, limits, more) => {
    await start("OpenAICompatible", limits);
    const body = JSON.stringify(chat("?", more));
    await ask("chat/completions", body);
    expect(gateway.provider.requests[0]?.body.toString()).toBe(body);
  });
});

test("a maximum that OpenAI reads is not touched", async () => {
  await start("OpenAI", output);
  const body = JSON.stringify(chat("?", { max_tokens: 10 }));
  await ask("chat/completions", body);
  expect(gateway.provider.requests[0]?.body.toString()).toBe(body);
});
