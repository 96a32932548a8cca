/** How often the official SDKs ask again, counted at the provider: with the sidecar in between, and without it. */
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { type FakeProvider, startFakeProvider } from "../../src/fakeprovider/provider.ts";
import { until } from "../fixtures/calls.ts";
import { openRoute, quotaYaml, startTestGateway, type TestGateway } from "../fixtures/sidecar.ts";
import { backendKinds, clientKinds } from "./backends.ts";
import { table } from "./golden-table.ts";
import { type Probe, proberOf, type SdkName, sdks } from "./probing.ts";
import { type PythonSdk, type SdkResult, startPython } from "./python-process.ts";

interface Case {
  readonly name: string;
  /** What the fake is asked to do. */
  readonly fake: string;
  /** Shortest wait between two requests through the sidecar, in ms. Absent: the SDK's own back-off. */
  readonly waitMs?: number;
  /** SDKs that would wait for more than a minute without the sidecar, or for ever. */
  readonly slowWithout?: readonly SdkName[];
}

const inSeconds = (seconds: number): string => encodeURIComponent(new Date(Date.now() + seconds * 1000).toUTCString());
const pythons: readonly SdkName[] = ["python", "python async"];

const cases: readonly Case[] = [
  { name: "429", fake: "status=429" },
  { name: "429 the first time only", fake: "status=429;times=1" },
  { name: "429, x-should-retry: false", fake: "status=429;should-retry=false" },
  { name: "429, retry-after-ms: 200", fake: "status=429;retry-after-ms=200", waitMs: 200 },
  { name: "429, retry-after-ms: 0", fake: "status=429;retry-after-ms=0", waitMs: 1_000 },
  { name: "429, retry-after-ms: 70000", fake: "status=429;retry-after-ms=70000", slowWithout: pythons },
  { name: "429, retry-after: 1", fake: "status=429;retry-after=1", waitMs: 1_000 },
  { name: "429, retry-after: 0", fake: "status=429;retry-after=0", waitMs: 1_000 },
  { name: "429, retry-after: 70", fake: "status=429;retry-after=70", slowWithout: pythons },
  { name: "429, retry-after: 130", fake: "status=429;retry-after=130" },
  { name: "429, retry-after: a date in 90 s", fake: `status=429;retry-after=${inSeconds(90)}`, slowWithout: pythons },
  { name: "429, retry-after: a date gone by", fake: `status=429;retry-after=${inSeconds(-90)}`, waitMs: 1_000 },
  { name: "429, retry-after: rubbish", fake: "status=429;retry-after=soon" },
  { name: "429 insufficient_quota", fake: "code=insufficient_quota" },
  { name: "429 project_spend_limit_exceeded", fake: "code=project_spend_limit_exceeded" },
  { name: "400", fake: "status=400" },
  { name: "400, x-should-retry: true", fake: "status=400;should-retry=true" },
  { name: "401", fake: "status=401" },
  { name: "408", fake: "status=408" },
  { name: "409", fake: "status=409" },
  { name: "500", fake: "status=500" },
  { name: "503", fake: "status=503" },
  { name: "503 as a page, retry-after: 1", fake: "status=503;body=html;retry-after=1", waitMs: 1_000 },
  { name: "503 as a page, retry-after: 70", fake: "status=503;body=html;retry-after=70", slowWithout: pythons },
  { name: "the connection is cut before the answer", fake: "reset=0" },
  { name: "no answer within timeouts.firstByte", fake: "hang=headers", slowWithout: sdks },
];

/** The SDKs' first back-off is 500 ms, less up to a quarter. */
const backOffMs = 375;
/** Short for a test, long for a busy machine. */
const firstByteMs = 2_500;
const waits = { cell: "(waits)", waits: [] };
const openaiSpec = (url: string) => clientKinds[0]?.spec(url) ?? expect.unreachable();
const outcomeText = (result: SdkResult): string =>
  "value" in result ? "answers" : `${result.error.class}${result.error.code ? ` ${result.error.code}` : ""}`;

let python: PythonSdk;
beforeAll(() => {
  python = startPython();
});
afterAll(() => python.close());

describe("what a provider refuses", () => {
  let alone: FakeProvider;
  let gateway: TestGateway;
  let without: ReadonlyMap<SdkName, Probe>;
  let through: ReadonlyMap<SdkName, Probe>;
  const probers = async (spec: ReturnType<typeof openaiSpec>): Promise<ReadonlyMap<SdkName, Probe>> =>
    new Map(await Promise.all(sdks.map(async (sdk) => [sdk, await proberOf(sdk, spec, python)] as const)));

  beforeAll(async () => {
    alone = await startFakeProvider();
    gateway = await startTestGateway({
      yaml: (url) => openRoute(url, { rule: `timeouts: {firstByte: ${firstByteMs}ms}` }),
    });
    without = await probers(openaiSpec(alone.url));
    through = await probers(openaiSpec(gateway.url));
  });
  afterAll(() => Promise.all([alone.close(), gateway.close()]));

  /** Runs one case with one client; its requests are found again by an id in their body. */
  const run = async (row: Case, sdk: SdkName, at: { probe: Probe | undefined; provider: FakeProvider }) => {
    const id = `id=${cases.indexOf(row)}-${sdks.indexOf(sdk)}`;
    const result = await at.probe?.("probe: chat", { user: `fake:${row.fake};${id}` });
    const requests = at.provider.requests.filter(({ body }) => body.includes(`${id}"`));
    const waits = requests.slice(1).map(({ atMs }, i) => atMs - (requests[i]?.atMs ?? 0));
    return { cell: `${requests.length} ${outcomeText(result ?? expect.unreachable())}`, waits };
  };

  const cellsOf = async (row: Case): Promise<string[]> => {
    const waitMs = row.waitMs ?? backOffMs;
    const ours = sdks.map((sdk) => run(row, sdk, { probe: through.get(sdk), provider: gateway.provider }));
    const theirs = sdks.map((sdk) =>
      row.slowWithout?.includes(sdk) ? waits : run(row, sdk, { probe: without.get(sdk), provider: alone }),
    );
    const seen = await Promise.all(ours);
    // the recorded times are whole milliseconds, so a wait can look one shorter than it was
    for (const wait of seen.flatMap((each) => each.waits)) expect(wait, row.name).toBeGreaterThanOrEqual(waitMs - 1);
    const hasWaits = seen.some((each) => each.waits.length > 0);
    const cells = [...columns(seen), ...columns(await Promise.all(theirs))];
    return [row.name, hasWaits ? `${waitMs} ms` : "", ...cells];
  };
  /** One cell for both Python clients, which never differ but by mistake. */
  const columns = (seen: readonly { cell: string }[]): string[] => {
    const [node = "", ...pythonCells] = seen.map(({ cell }) => cell);
    return [node, [...new Set(pythonCells)].join(" / ")];
  };

  test("is asked for as often as the table says", async () => {
    const rows = await Promise.all(cases.map(cellsOf));
    const head = [
      "the provider answers",
      "waits at least",
      "node",
      "python, sync and async",
      "node without sidecar",
      "python without sidecar",
    ];
    await expect(
      `Requests that reach the provider, and how the call ends.\n\n${table(head, rows)}`,
    ).toMatchFileSnapshot("golden/retries.txt");
  });
});

describe.each(sdks)("what we refuse, %s", (sdk) => {
  let gateway: TestGateway;
  afterEach(() => gateway.close());
  const rows = [
    {
      name: "a rate limit is asked for again, and answered when there is room",
      limit: "{name: r, resource: Requests, limit: 1, window: {type: Sliding, duration: 1s}}",
      outcomes: ["completed", "refused", "completed"],
      ends: "answers",
    },
    {
      name: "a rate limit that is hours away is not asked for again",
      limit: "{name: r, resource: Requests, limit: 1, window: {type: Sliding, duration: 24h}}",
      outcomes: ["completed", "refused"],
      ends: "RateLimitError rate_limit_exceeded",
    },
    {
      name: "a spent budget is not asked for again",
      limit: "{name: r, resource: Requests, limit: 1, window: {type: Calendar, period: Month}}",
      outcomes: ["completed", "refused"],
      ends: "RateLimitError insufficient_quota",
    },
    {
      name: "spent money is not asked for again",
      limit: '{name: r, resource: Cost, limit: "0.016", currency: USD, window: {type: Sliding, duration: 24h}}',
      outcomes: ["completed", "refused"],
      ends: "RateLimitError insufficient_quota",
    },
  ] as const;

  test.each(rows)("$name", async ({ limit, outcomes, ends }) => {
    // 16 tokens of output, the least that is worth a call, cost all that the Cost limit allows
    const extra = 'models: [{name: gpt-4o, pricing: {inputPerMTok: "0", outputPerMTok: "1000"}}]';
    gateway = await startTestGateway({ yaml: (url) => openRoute(url, { extra, quotas: quotaYaml([limit]) }) });
    const probe = await proberOf(sdk, openaiSpec(gateway.url), python);
    expect(outcomeText(await probe("probe: chat"))).toBe("answers");
    expect(outcomeText(await probe("probe: chat"))).toBe(ends);
    const ended = (): unknown[] => gateway.audit.records.flatMap((r) => (r.record === "outcome" ? [r.outcome] : []));
    await until("every outcome is recorded", () => ended().length >= outcomes.length);
    expect(ended()).toEqual(outcomes);
    expect(gateway.provider.requests).toHaveLength(outcomes.filter((outcome) => outcome === "completed").length);
  });
});

describe("a backend of type AzureOpenAI", () => {
  test("that says how long to wait is asked again then", async () => {
    const azure = backendKinds.find(({ name }) => name === "AzureOpenAI v1") ?? expect.unreachable();
    const gateway = await startTestGateway({ yaml: azure.yaml });
    const probe = await proberOf("node", openaiSpec(gateway.url), python);
    expect(outcomeText(await probe("probe: chat", { user: "fake:status=429;times=1" }))).toBe("answers");
    const [first, second] = gateway.provider.requests;
    expect((second?.atMs ?? 0) - (first?.atMs ?? 0)).toBeGreaterThanOrEqual(999);
    await gateway.close();
  });
});
