/** What the official SDKs make of a stream that breaks: with the sidecar in between, and without it. */
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type FakeProvider, startFakeProvider } from "../../src/fakeprovider/provider.ts";
import { openRoute, startTestGateway, type TestGateway } from "../fixtures/sidecar.ts";
import { clientKinds } from "./backends.ts";
import { table } from "./golden-table.ts";
import type { ProbeName } from "./node/probes.ts";
import { type Probe, proberOf, sdks } from "./probing.ts";
import { type PythonSdk, type SdkResult, startPython } from "./python-process.ts";

interface Case {
  readonly name: string;
  readonly fake: string;
  /** The provider says nothing any more: without the sidecar the SDKs wait for ten minutes. */
  readonly isSilent?: boolean;
  /** Not an end: the application sees what it would see without the sidecar, and is never left to believe that all went well. */
  readonly isTheProvidersWord?: boolean;
}

const common: readonly Case[] = [
  { name: "nothing breaks", fake: "tokens=4", isTheProvidersWord: true },
  { name: "clean end, no terminal event", fake: "eof=3" },
  { name: "clean end before the first event", fake: "eof=0" },
  { name: "RST", fake: "reset=3;every=20" },
  { name: "FIN inside a chunk", fake: "fin=3" },
  { name: "silence", fake: "hang=mid;k=3", isSilent: true },
  { name: "error event of the provider", fake: "error=3", isTheProvidersWord: true },
  { name: "broken JSON in an event", fake: "badjson=1", isTheProvidersWord: true },
  { name: "byte order mark first", fake: "tokens=4;bom=1", isTheProvidersWord: true },
  { name: "no blank line after the last event", fake: "tokens=4;noblank=1", isTheProvidersWord: true },
];
const endpoints: readonly { name: string; probe: ProbeName; cases: readonly Case[] }[] = [
  { name: "chat", probe: "probe: chat stream", cases: common },
  {
    name: "responses",
    probe: "probe: response stream",
    cases: [...common, { name: "response.failed of the provider", fake: "failed=3", isTheProvidersWord: true }],
  },
];

/** Short for a test, long for a busy machine. */
const idleMs = 1_500;
const openaiSpec = (url: string) => clientKinds[0]?.spec(url) ?? expect.unreachable();

interface Seen {
  readonly seen: number;
  readonly last: string | null;
}
const textOf = (result: SdkResult): string => {
  if ("error" in result) return `raises ${result.error.class}${result.error.code ? ` ${result.error.code}` : ""}`;
  const { seen, last } = result.value as Seen; // what the stream probes answer
  return `ends after ${seen} events${last === null ? "" : `, ${last}`}`;
};

describe.each(endpoints)("a stream of $name", ({ name, probe, cases }) => {
  let python: PythonSdk;
  let alone: FakeProvider;
  let gateway: TestGateway;
  let probers: readonly { through: Probe; without: Probe }[];
  beforeAll(async () => {
    python = startPython();
    alone = await startFakeProvider();
    gateway = await startTestGateway({ yaml: (url) => openRoute(url, { rule: `timeouts: {idle: ${idleMs}ms}` }) });
    probers = await Promise.all(
      sdks.map(async (sdk) => ({
        through: await proberOf(sdk, openaiSpec(gateway.url), python),
        without: await proberOf(sdk, openaiSpec(alone.url), python),
      })),
    );
  });
  afterAll(() => Promise.all([python.close(), alone.close(), gateway.close()]));

  const rowOf = async (row: Case): Promise<string[]> => {
    const more = { user: `fake:${row.fake}` };
    const results = await Promise.all(probers.map((sdk) => sdk.through(probe, more)));
    if (!row.isTheProvidersWord) {
      for (const result of results) expect(result, row.name).toMatchObject({ error: { is_api_error: true } });
    }
    const theirs = row.isSilent ? [] : await Promise.all(probers.map((sdk) => sdk.without(probe, more)));
    const columns = (cells: readonly string[]): string[] => [
      cells[0] ?? "(waits)",
      [...new Set(cells.slice(1))].join(" / ") || "(waits)",
    ];
    return [row.name, ...columns(results.map(textOf)), ...columns(theirs.map(textOf))];
  };

  test("ends for the application as the table says", async () => {
    const rows = await Promise.all(cases.map(rowOf));
    const head = [
      "the provider sends",
      "node",
      "python, sync and async",
      "node without sidecar",
      "python without sidecar",
    ];
    await expect(
      `A stream of ${name} that breaks, as the application sees it.\n\n${table(head, rows)}`,
    ).toMatchFileSnapshot(`golden/broken-streams-${name}.txt`);
  });
});
