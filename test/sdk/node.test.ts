/** The official Node SDK, unchanged but for where it is sent: every scenario gives what it gives without the sidecar. */
import type OpenAI from "openai";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { FakeProvider } from "../../src/fakeprovider/provider.ts";
import { startFakeProvider } from "../../src/fakeprovider/provider.ts";
import { startTestGateway, type TestGateway } from "../fixtures/sidecar.ts";
import { backendKinds, clientKinds } from "./backends.ts";
import { nodeClient } from "./node/client.ts";
import { plain, type Scenario } from "./node/scenario.ts";
import { scenarios } from "./node/scenarios.ts";

/** What the application saw, and how many requests it cost: two fakes that are asked the same answer the same, ids included. */
const outcomeOf = async (scenario: Scenario, client: OpenAI, provider: FakeProvider) => {
  const before = provider.requests.length;
  const value = plain(await scenario.run(client));
  return { value, requests: provider.requests.length - before };
};

describe.each(backendKinds)("a backend of type $name", ({ yaml, direct }) => {
  const expected = new Map<string, unknown>();
  beforeAll(async () => {
    const provider = await startFakeProvider();
    const client = nodeClient(direct(provider.url));
    for (const scenario of scenarios) expected.set(scenario.name, await outcomeOf(scenario, client, provider));
    await provider.close();
  });

  describe.each(clientKinds)("$name", ({ spec }) => {
    let gateway: TestGateway;
    let client: OpenAI;
    beforeAll(async () => {
      gateway = await startTestGateway({ yaml });
      client = nodeClient(spec(gateway.url));
    });
    afterAll(() => gateway.close());

    test.each(scenarios)("$name", async (scenario) => {
      expect(await outcomeOf(scenario, client, gateway.provider)).toEqual(expected.get(scenario.name));
    });
  });
});

describe("AzureOpenAI", () => {
  test("streams from a dated version that knows no stream_options", async () => {
    const apiVersion = "2024-06-01";
    const kind = backendKinds.find(({ name }) => name.startsWith("AzureOpenAI 20")) ?? expect.unreachable();
    const gateway = await startTestGateway({
      yaml: (url) => kind.yaml(url).replace(/apiVersion: "[^"]*"/, `apiVersion: "${apiVersion}"`),
    });
    const provider = await startFakeProvider();
    const spec = kind.direct(provider.url);
    const chatStream = scenarios.find(({ name }) => name === "chat stream") ?? expect.unreachable();
    const direct = nodeClient({ ...spec, env: { ...spec.env, OPENAI_API_VERSION: apiVersion } });
    const expected = await outcomeOf(chatStream, direct, provider);
    const through = nodeClient(clientKinds[0]?.spec(gateway.url) ?? expect.unreachable());
    expect(await outcomeOf(chatStream, through, gateway.provider)).toEqual(expected);
    expect(gateway.provider.requests[0]?.path).toContain(`api-version=${apiVersion}`);
    await Promise.all([gateway.close(), provider.close()]);
  });

  test("takes an endpoint or OPENAI_BASE_URL, not both: whoever injects must know which client it is for", () => {
    const env = {
      AZURE_OPENAI_API_KEY: "mine",
      OPENAI_API_VERSION: "2024-10-21",
      OPENAI_BASE_URL: "http://127.0.0.1:1/v1",
    };
    expect(() => nodeClient({ kind: "AzureOpenAI", env, endpoint: "http://127.0.0.1:1" })).toThrow(
      "mutually exclusive",
    );
  });
});
