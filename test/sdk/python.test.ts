/** The official Python SDK, sync and async, unchanged but for where it is sent: every scenario gives what it gives without the sidecar. */
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { FakeProvider } from "../../src/fakeprovider/provider.ts";
import { startFakeProvider } from "../../src/fakeprovider/provider.ts";
import { startTestGateway, type TestGateway } from "../fixtures/sidecar.ts";
import { backendKinds, clientKinds } from "./backends.ts";
import { plain } from "./node/scenario.ts";
import { scenarios } from "./node/scenarios.ts";
import { type PythonClient, type PythonSdk, startPython } from "./python-process.ts";

const names = scenarios.map(({ name }) => name);
/** Python's AzureOpenAI knows no OPENAI_BASE_URL, and one way to name its endpoint does for both. */
const pythonClientKinds = clientKinds
  .filter(({ name }) => ["OpenAI by OPENAI_BASE_URL", "AzureOpenAI by AZURE_OPENAI_ENDPOINT"].includes(name))
  .flatMap((kind) => [
    { ...kind, isAsync: false },
    { ...kind, name: `Async${kind.name}`, isAsync: true },
  ]);

const outcomeOf = async (name: string, client: PythonClient, provider: FakeProvider) => {
  const before = provider.requests.length;
  const result = await client.run(name);
  if ("error" in result) throw new Error(`${result.error.class}: ${result.error.message}`);
  return { value: plain(result.value), requests: provider.requests.length - before };
};

let python: PythonSdk;
beforeAll(() => {
  python = startPython();
});
afterAll(() => python.close());

test("the Python suite has the scenarios of the Node suite", async () => {
  const known = await python.names();
  expect(known.filter((name) => !name.startsWith("probe: ")).sort()).toEqual([...names].sort());
});

describe.each(backendKinds)("a backend of type $name", ({ yaml, direct }) => {
  const expected = new Map<string, unknown>();
  beforeAll(async () => {
    const provider = await startFakeProvider();
    const client = await python.client(direct(provider.url), { isAsync: false });
    for (const name of names) expected.set(name, await outcomeOf(name, client, provider));
    await provider.close();
  });

  describe.each(pythonClientKinds)("$name", ({ spec, isAsync }) => {
    let gateway: TestGateway;
    let client: PythonClient;
    beforeAll(async () => {
      gateway = await startTestGateway({ yaml });
      client = await python.client(spec(gateway.url), { isAsync });
    });
    afterAll(() => gateway.close());

    test.each(names)("%s", async (name) => {
      expect(await outcomeOf(name, client, gateway.provider)).toEqual(expected.get(name));
    });
  });
});
